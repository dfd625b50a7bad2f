//! The holds' record and the event source in memory.

use std::sync::Mutex;

use unavailable::Unavailable;

use super::calls::{Calls, lock};
use crate::hold::{EventSource, HoldRecord, Holds};

/// The record: `None` until it is first written.
#[derive(Debug, Default)]
pub struct MemoryHolds {
    record: Mutex<Option<Holds>>,
    pub calls: Calls,
}

impl MemoryHolds {
    /// The current holds, without a call.
    pub fn now(&self) -> Holds {
        lock(&self.record).clone().unwrap_or_default()
    }

    /// Sets the holds without a call and without a check of their version.
    pub fn set(&self, holds: Holds) {
        *lock(&self.record) = Some(holds);
    }
}

impl HoldRecord for MemoryHolds {
    async fn read(&self) -> Result<Holds, Unavailable> {
        self.calls.make("read", "", || self.now()).await
    }

    async fn replace(&self, next: &Holds) -> Result<bool, Unavailable> {
        let replace = || {
            let mut record = lock(&self.record);
            let fits = record.as_ref().is_none_or(|before| before.version + 1 == next.version);
            if fits {
                *record = Some(next.clone());
            }
            fits
        };
        self.calls.make("replace", "", replace).await
    }
}

/// An event source, which is on at first.
#[derive(Debug)]
pub struct MemoryEventSource {
    on: Mutex<bool>,
    turns: Mutex<Vec<bool>>,
    pub calls: Calls,
}

impl Default for MemoryEventSource {
    fn default() -> Self {
        Self { on: Mutex::new(true), turns: Mutex::default(), calls: Calls::default() }
    }
}

impl MemoryEventSource {
    /// Whether it is on, without a call.
    pub fn is_on_now(&self) -> bool {
        *lock(&self.on)
    }

    /// Turns it on or off by other means than the port; [`turns`](Self::turns) does not list this.
    pub fn set(&self, on: bool) {
        *lock(&self.on) = on;
    }

    /// Each change through the port: on or off. Calls that changed nothing are not listed.
    pub fn turns(&self) -> Vec<bool> {
        lock(&self.turns).clone()
    }
}

impl EventSource for MemoryEventSource {
    async fn is_on(&self) -> Result<bool, Unavailable> {
        self.calls.make("is_on", "", || self.is_on_now()).await
    }

    async fn turn(&self, on: bool) -> Result<(), Unavailable> {
        let turn = || {
            if std::mem::replace(&mut *lock(&self.on), on) != on {
                lock(&self.turns).push(on);
            }
        };
        self.calls.make("turn", "", turn).await
    }
}
