//! The adapters that the API needs.

use email::ledger::Timeline;
use enrollment::{Adapters, ports::PutCourse};
use stripe::{Secrets, SecretsSource, Stripe};
use unavailable::Unavailable;

/// The adapters of the rules, with the capabilities that only the API uses.
pub trait ApiAdapters:
    Adapters<Courses: PutCourse, Payments: WebhookKeys, Ledger: Timeline> + 'static
{
}

impl<A> ApiAdapters for A where
    A: Adapters<Courses: PutCourse, Payments: WebhookKeys, Ledger: Timeline> + 'static
{
}

/// Has the keys that webhook calls are signed with.
pub trait WebhookKeys {
    fn webhook_keys(&self) -> impl Future<Output = Result<&Secrets, Unavailable>> + Send;
}

impl<S: SecretsSource + Sync> WebhookKeys for Stripe<S> {
    async fn webhook_keys(&self) -> Result<&Secrets, Unavailable> {
        self.secrets().secrets().await
    }
}
