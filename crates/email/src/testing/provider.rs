//! A provider with an account whose state the test sets.

use std::sync::{Mutex, MutexGuard};

use unavailable::Unavailable;

use super::calls::{Calls, lock};
use crate::hold::{ConfigurationSet, Provider, Rates, Standing};

/// An account that may send and has a small part of its quota used up.
pub fn healthy() -> Standing {
    Standing {
        sending_enabled: true,
        shut_down: false,
        daily_quota: Some(200.0),
        sent_last_24_hours: 10.0,
        configuration_set: ConfigurationSet::Sends,
        sender_verified: true,
    }
}

/// A provider, [`healthy`] at first.
#[derive(Debug)]
pub struct MemoryProvider {
    standing: Mutex<Standing>,
    rates: Mutex<Rates>,
    pub calls: Calls,
}

impl Default for MemoryProvider {
    fn default() -> Self {
        Self { standing: Mutex::new(healthy()), rates: Mutex::default(), calls: Calls::default() }
    }
}

impl MemoryProvider {
    pub fn standing_now(&self) -> MutexGuard<'_, Standing> {
        lock(&self.standing)
    }

    pub fn rates_now(&self) -> MutexGuard<'_, Rates> {
        lock(&self.rates)
    }
}

impl Provider for MemoryProvider {
    async fn standing(&self) -> Result<Standing, Unavailable> {
        self.calls.make("standing", "", || self.standing_now().clone()).await
    }

    async fn rates(&self) -> Result<Rates, Unavailable> {
        self.calls.make("rates", "", || self.rates_now().clone()).await
    }
}
