//! The pace of the invocations: the share of the limit, or why nothing can be sent.

use std::{cell::Cell, fmt, future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use lambda::{clock, env::InvalidVariable};
use pacer::Share;
use sizing::{Invalid, WorkerSettings};
use tokio::time::Instant;
use unavailable::Unavailable;

/// The minimum of `WorkerTimeout` in template.yaml.
const MIN_WORKER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often an environment asks for the account's rate. It changes when SES or an operator changes it, which a
/// worker that lives for hours must notice.
const ASK_EVERY: Duration = Duration::from_mins(5);
/// How soon it asks again if SES did not respond.
const ASK_AGAIN: Duration = Duration::from_mins(1);
/// SES takes one such request per second from an account (SES API Reference, `GetSendQuota`), and hold-watch asks too.
/// So all slots together ask at most every two seconds.
const MIN_INTERVAL_OF_ALL: Duration = Duration::from_secs(2);

/// Why no email can be sent with the deployed parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotSend(String);

impl fmt::Display for CannotSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotSend {}

/// The account's own rate.
pub trait AccountRate {
    /// In emails per second. `None` if there is none. `Err` if SES did not respond, after retries.
    fn ask(&self) -> impl Future<Output = Result<Option<f64>, Unavailable>>;
}

/// The pace of the invocations of this environment.
///
/// It exists for every value that the template accepts. A worker that exited at its start would alarm nobody: its
/// messages would become visible again, again and again.
#[derive(Debug)]
pub struct Pace<A> {
    settings: Result<WorkerSettings, InvalidVariable>,
    account: A,
    rate: Cell<Option<f64>>,
    ask_at: Cell<Instant>,
}

impl<A: AccountRate> Pace<A> {
    /// Asks for the account's rate. If SES does not respond, only the configured limit applies until it does.
    pub async fn start(settings: Result<WorkerSettings, InvalidVariable>, account: A) -> Self {
        let ask_at = Cell::new(clock::instant());
        let pace = Self { settings, account, rate: Cell::new(None), ask_at };
        pace.ask_if_due().await;
        if pace.rate.get().is_none() {
            pace.report();
        }
        pace
    }

    /// The share of one invocation. If the account's rate is lower than the limit, the share is that of the rate.
    ///
    /// # Errors
    ///
    /// Nothing can be sent. The error names the parameter to change.
    pub fn share(&self) -> Result<Share, CannotSend> {
        let settings = self.settings.as_ref().map_err(|why| CannotSend(why.to_string()))?;
        let share =
            self.rate.get().map_or_else(|| settings.check(), |rate| settings.share_at(rate));
        share.map_err(|why: Invalid| CannotSend(why.to_string()))
    }

    /// The function's timeout: the maximum duration of an invocation.
    pub fn timeout(&self) -> Duration {
        self.settings.as_ref().map_or(MIN_WORKER_TIMEOUT, |settings| settings.timeout)
    }

    /// Handles an invocation, and asks for the account's rate meanwhile if that is due. The response counts from the next
    /// invocation. Nothing waits for it: if the invocation ends first, the next one asks.
    pub async fn beside<T>(&self, invocation: impl Future<Output = T>) -> T {
        match select(pin!(invocation), pin!(self.ask_if_due())).await {
            Either::Left((handled, _)) => handled,
            Either::Right(((), invocation)) => invocation.await,
        }
    }

    async fn ask_if_due(&self) {
        if clock::instant() < self.ask_at.get() {
            return;
        }
        let wait = match self.account.ask().await {
            Ok(rate) => {
                self.learn(rate.filter(|&rate| rate > 0.0));
                ASK_EVERY
            }
            // The last known rate stays in force.
            Err(error) => {
                tracing::warn!(%error, rate = self.rate.get(), "the account's rate is unknown or old");
                ASK_AGAIN
            }
        };
        let slots = self.settings.as_ref().map_or(1, |settings| settings.slots.get());
        self.ask_at.set(clock::instant() + wait.max(MIN_INTERVAL_OF_ALL * slots));
    }

    fn learn(&self, rate: Option<f64>) {
        if self.rate.replace(rate) != rate {
            self.report();
        }
    }

    /// An error is reported by each invocation.
    fn report(&self) {
        let Ok(share) = self.share() else { return };
        tracing::info!(
            account_rate = self.rate.get(),
            limit = share.total(),
            window_seconds = share.window().get().as_secs_f64(),
            interval_ms = share.interval().as_secs_f64() * 1e3,
            "the effective limit, shared by all workers",
        );
    }
}

#[cfg(test)]
mod tests {
    use pacer::SendLimit;

    use super::*;
    use crate::testing::world::{RatesInTurn, settings};

    async fn quota(rate: Option<f64>) -> Result<u32, CannotSend> {
        let pace = Pace::start(Ok(settings()), RatesInTurn::new([Ok(rate)])).await;
        pace.share().map(Share::quota)
    }

    #[tokio::test(start_paused = true)]
    async fn account_rate_lowers_the_limit_and_never_raises_it() {
        for rate in [None, Some(14.0), Some(0.0)] {
            assert_eq!(quota(rate).await, Ok(150), "{rate:?}");
        }
        let share = Pace::start(Ok(settings()), RatesInTurn::new([Ok(Some(1.0))])).await.share();
        assert_eq!(share.unwrap().interval().as_millis(), 2_250, "a sandbox account");
        assert!(quota(Some(0.02)).await.is_err(), "no invocation can send");
    }

    #[tokio::test(start_paused = true)]
    async fn pace_at_which_nothing_can_be_sent_names_the_parameter() {
        let limit = SendLimit::new(1).unwrap();
        let account = || RatesInTurn::new([Ok(None)]);
        let pace = Pace::start(Ok(WorkerSettings { limit, ..settings() }), account()).await;
        let why = pace.share().unwrap_err().to_string();
        assert!(why.starts_with("SendLimit: 1 cannot be shared by 2 slots"), "{why}");

        let unreadable = InvalidVariable { name: "SEND_LIMIT", problem: "is invalid".to_owned() };
        let pace = Pace::start(Err(unreadable), account()).await;
        assert!(pace.share().unwrap_err().to_string().contains("SEND_LIMIT"));
    }

    #[tokio::test(start_paused = true)]
    async fn rate_is_asked_again_while_the_environment_lives() {
        let account = RatesInTurn::new([Ok(Some(14.0)), Ok(Some(1.0)), Err(()), Ok(Some(14.0))]);
        let pace = Pace::start(Ok(settings()), account).await;
        let interval = || pace.share().unwrap().interval().as_millis();
        assert_eq!(interval(), 401);
        pace.beside(async {}).await;
        assert_eq!(interval(), 401, "not due yet");

        // Each invocation lasts longer than the request.
        let invocation =
            || tokio::time::timeout(Duration::from_secs(40), std::future::pending::<()>());
        tokio::time::advance(ASK_EVERY).await;
        let _ = pace.beside(invocation()).await;
        assert_eq!(interval(), 2_250);
        tokio::time::advance(ASK_EVERY).await;
        let _ = pace.beside(invocation()).await;
        assert_eq!(interval(), 2_250, "SES did not respond: the last known rate");
        tokio::time::advance(ASK_AGAIN).await;
        let _ = pace.beside(invocation()).await;
        assert_eq!(interval(), 401);
    }

    #[tokio::test(start_paused = true)]
    async fn no_invocation_waits_for_the_rate() {
        let account = RatesInTurn::new([Ok(Some(14.0))]);
        let pace = Pace::start(Ok(settings()), account).await;
        tokio::time::advance(ASK_EVERY).await;
        let began = clock::instant();
        // From now on, there is no response.
        pace.beside(async {}).await;
        assert_eq!(clock::instant(), began);
    }
}
