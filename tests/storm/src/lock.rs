//! Locks a mutex and ignores poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// No stand-in panics while it changes the guarded value, so the value is consistent even if a test panicked.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
