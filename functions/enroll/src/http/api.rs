//! The adapters that the API needs.

use std::sync::Arc;

use email::ledger::Timeline;
use enrollment::{
    Adapters,
    listing::{ListCourses, ListEnrollments},
    ports::PutCourse,
};
use stripe::{Secrets, SecretsSource, Stripe, transport::Transport};
use unavailable::Unavailable;

/// The adapters of the rules, with the capabilities that only the API uses.
pub trait ApiAdapters:
    Adapters<
        Courses: PutCourse + ListCourses,
        Enrollments: ListEnrollments,
        Payments: WebhookKeys,
        Ledger: Timeline,
    > + 'static
{
}

impl<A> ApiAdapters for A where
    A: Adapters<
            Courses: PutCourse + ListCourses,
            Enrollments: ListEnrollments,
            Payments: WebhookKeys,
            Ledger: Timeline,
        > + 'static
{
}

/// Has the keys that webhook calls are signed with.
pub trait WebhookKeys {
    fn webhook_keys(&self) -> impl Future<Output = Result<Arc<Secrets>, Unavailable>> + Send;

    /// See [`SecretsSource::newer_than`].
    fn newer_webhook_keys(
        &self,
        refused: &Arc<Secrets>,
    ) -> impl Future<Output = Result<Option<Arc<Secrets>>, Unavailable>> + Send;
}

impl<S: SecretsSource + Sync, T: Transport + Sync> WebhookKeys for Stripe<S, T> {
    async fn webhook_keys(&self) -> Result<Arc<Secrets>, Unavailable> {
        self.secrets().secrets().await
    }

    async fn newer_webhook_keys(
        &self,
        refused: &Arc<Secrets>,
    ) -> Result<Option<Arc<Secrets>>, Unavailable> {
        self.secrets().newer_than(refused).await
    }
}
