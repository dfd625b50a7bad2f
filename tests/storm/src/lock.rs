//! Locking a mutex whose value no panic can leave half changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// No stand-in panics while it changes what a mutex guards, so the value is whole even if a test panicked.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
