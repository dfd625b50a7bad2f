//! The worker's event source, which a hold turns off.

use std::future::Future;

use unavailable::Unavailable;

/// The event source that delivers the queue's jobs to the worker. While it is off, the jobs wait on the
/// queue and are not received.
pub trait EventSource {
    /// Whether it is on, or being turned on.
    fn is_on(&self) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Turns it on or off. If it already is, this does nothing.
    fn turn(&self, on: bool) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
