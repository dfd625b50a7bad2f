//! The worker's event source, which a hold turns off.

use std::future::Future;

use unavailable::Unavailable;

/// Feeds the worker from the queue. While it is off the jobs wait, untouched.
pub trait EventSource {
    /// Whether it is on, or being turned on.
    fn is_on(&self) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Turns it on or off; does nothing if it is so already.
    fn turn(&self, on: bool) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
