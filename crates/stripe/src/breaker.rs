//! A circuit breaker: if Stripe does not respond, calls fail at once instead of waiting.
//!
//! An execution environment of Lambda handles one request at a time, and an account has 1,000 of them
//! by default (Lambda Developer Guide, "Understanding Lambda function scaling"). Requests that wait for
//! a slow Stripe would take them all, and free courses and the webhook would be throttled. With the
//! breaker an environment waits [`MAX_FAILURES`] times, and then once per [`OPEN_FOR`].

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Consecutive calls without a useful response after which the breaker opens.
pub const MAX_FAILURES: u32 = 3;

/// Time until one call may find out whether Stripe is back.
pub const OPEN_FOR: Duration = Duration::from_secs(30);

/// The breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Stripe did not respond to the last calls, so it is not called for a while")]
pub struct Open;

/// The breaker of one execution environment.
#[derive(Debug)]
pub struct Breaker {
    clock: fn() -> Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the last failure was.
    failed_at: Option<Instant>,
    is_probing: bool,
}

impl Breaker {
    pub fn new(clock: fn() -> Instant) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Permits a call, which must report its result.
    ///
    /// # Errors
    ///
    /// The call must not be made.
    pub fn permit(&self) -> Result<Permit<'_>, Open> {
        let now = (self.clock)();
        let mut state = self.state();
        if state.failures >= MAX_FAILURES {
            let rested = state.failed_at.is_none_or(|at| now.duration_since(at) >= OPEN_FOR);
            if !rested || state.is_probing {
                return Err(Open);
            }
            state.is_probing = true;
        }
        Ok(Permit { breaker: self, ended: false })
    }

    fn end(&self, responded: bool) {
        let now = (self.clock)();
        let mut state = self.state();
        state.is_probing = false;
        if responded {
            state.failures = 0;
            state.failed_at = None;
        } else {
            state.failures = state.failures.saturating_add(1);
            state.failed_at = Some(now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in progress. If it is dropped, the request's time ended while it waited: a failure.
#[derive(Debug)]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    ended: bool,
}

impl Permit<'_> {
    /// The call ended, with or without a useful response.
    pub fn end(mut self, responded: bool) {
        self.ended = true;
        self.breaker.end(responded);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.end(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    #[expect(clippy::disallowed_methods, reason = "the start of the tests' clock")]
    fn now() -> Instant {
        NOW.get().unwrap_or_else(|| {
            NOW.set(Some(Instant::now()));
            now()
        })
    }

    fn pass(time: Duration) {
        NOW.set(Some(now() + time));
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.permit().unwrap().end(false);
        }
    }

    #[test]
    fn consecutive_failures_open_it_and_a_success_between_them_does_not() {
        let breaker = Breaker::new(now);
        fail(&breaker, MAX_FAILURES - 1);
        breaker.permit().unwrap().end(true);
        fail(&breaker, MAX_FAILURES);
        assert_eq!(breaker.permit().unwrap_err(), Open);
    }

    #[test]
    fn one_probe_at_a_time_closes_it_or_keeps_it_open() {
        let breaker = Breaker::new(now);
        fail(&breaker, MAX_FAILURES);
        pass(OPEN_FOR);
        let probe = breaker.permit().unwrap();
        assert_eq!(breaker.permit().unwrap_err(), Open, "the probe is in progress");
        probe.end(false);
        assert_eq!(breaker.permit().unwrap_err(), Open);
        pass(OPEN_FOR);
        breaker.permit().unwrap().end(true);
        fail(&breaker, MAX_FAILURES - 1);
        assert!(breaker.permit().is_ok(), "it is closed, and counts from the beginning");
    }

    #[test]
    fn call_that_the_request_abandons_is_a_failure() {
        let breaker = Breaker::new(now);
        for _ in 0..MAX_FAILURES {
            drop(breaker.permit().unwrap());
        }
        assert_eq!(breaker.permit().unwrap_err(), Open);
    }

    /// An account's environments. A request takes any idle one; a paid one is busy as long as its call
    /// to Stripe, which never responds.
    struct Account {
        environments: Vec<(Option<Breaker>, Instant)>,
        throttled: u32,
    }

    impl Account {
        fn request(&mut self, paid: bool, timeout: Duration, n: usize) {
            let now = now();
            let count = self.environments.len();
            // Lambda does not say which idle environment is used: another one each time.
            let idle = (0..count).map(|i| (i + n) % count).find(|i| self.environments[*i].1 <= now);
            let Some(index) = idle else {
                self.throttled += 1;
                return;
            };
            let (breaker, busy_until) = &mut self.environments[index];
            *busy_until = now + Duration::from_millis(50);
            let permitted = breaker.as_ref().map(Breaker::permit);
            if paid && !matches!(permitted, Some(Err(Open))) {
                *busy_until = now + timeout;
                if let Some(Ok(permit)) = permitted {
                    permit.end(false);
                }
            } else if let Some(Ok(permit)) = permitted {
                std::mem::forget(permit);
            }
        }
    }

    /// 250 paid and 250 free requests per second for two minutes on 1,000 environments, while Stripe is
    /// silent: the throttled requests of the second minute.
    fn throttled(breakers: bool) -> u32 {
        let timeout = crate::client::CHARGE_TIMEOUT;
        let environment = |_| (breakers.then(|| Breaker::new(now)), now());
        let mut account =
            Account { environments: (0..1000).map(environment).collect(), throttled: 0 };
        for n in 0..60_000 {
            if n == 30_000 {
                account.throttled = 0;
            }
            account.request(n % 2 == 0, timeout, n);
            pass(Duration::from_millis(2));
        }
        account.throttled
    }

    #[test]
    fn slow_stripe_cannot_exhaust_the_account_for_free_courses_and_the_webhook() {
        assert_eq!(throttled(true), 0);
        assert!(throttled(false) > 10_000, "without the breaker most requests are throttled");
    }
}
