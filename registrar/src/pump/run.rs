//! One event source until the pump stops.

use futures_util::{StreamExt, TryStreamExt};

use super::{
    functions::{Functions, InvokeError},
    queue::Queue,
    service::Service,
};

impl<Q: Queue, F: Functions> Service<'_, Q, F> {
    /// Ends when the pump is to stop, once no invocation is in progress. `Err` if the function does not exist; the pump is
    /// then to stop.
    pub(crate) async fn run(&self) -> Result<(), InvokeError> {
        let handled = self.batches().map(async |batch| {
            self.handle(batch?).await;
            Ok(())
        });
        let ran = handled.buffer_unordered(self.settings.max_concurrency).try_collect::<()>().await;
        self.print(self.totals());
        ran
    }
}
