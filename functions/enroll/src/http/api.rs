//! The adapters that the API needs.

use std::sync::Arc;

use email::ledger::Timeline;
use enrollment::{
    Adapters,
    listing::{ListCourses, ListEnrollments},
    outside::OutsideRefund,
    payment::{IntentId, PaymentError},
    ports::PutCourse,
    roster::ListRoster,
};
use stripe::{Secrets, SecretsSource, Stripe, transport::Transport, webhook::Event};
use unavailable::Unavailable;

/// The adapters of the rules, with the capabilities that only the API uses.
pub trait ApiAdapters:
    Adapters<
        Courses: PutCourse + ListCourses,
        Enrollments: ListEnrollments + ListRoster,
        Payments: WebhookKeys + PaymentReader,
        Ledger: Timeline,
    > + 'static
{
}

impl<A> ApiAdapters for A where
    A: Adapters<
            Courses: PutCourse + ListCourses,
            Enrollments: ListEnrollments + ListRoster,
            Payments: WebhookKeys + PaymentReader,
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

/// Reads what happened to a payment without us.
pub trait PaymentReader {
    /// Reads an intent with the attempt that it was created for. `None`: it was not created here.
    fn find_attempt(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Option<Event>, PaymentError>> + Send;

    /// The refunds of an intent that we did not make, the oldest first.
    fn refunds_of_others(
        &self,
        intent: &IntentId,
    ) -> impl Future<Output = Result<Vec<OutsideRefund>, PaymentError>> + Send;
}

impl<S: SecretsSource + Sync, T: Transport + Sync> PaymentReader for Stripe<S, T> {
    async fn find_attempt(&self, intent: &IntentId) -> Result<Option<Event>, PaymentError> {
        Self::find_attempt(self, intent).await
    }

    async fn refunds_of_others(
        &self,
        intent: &IntentId,
    ) -> Result<Vec<OutsideRefund>, PaymentError> {
        Self::refunds_of_others(self, intent).await
    }
}
