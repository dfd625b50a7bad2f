//! A mailer that sends nothing.

use std::{fmt, sync::Mutex};

use super::{
    calls::{Calls, lock},
    services::{ses_address_refusal, ses_header_refusal},
};
use crate::{
    address::EmailAddress,
    dead_letter::Reason,
    job::{Headers, JobId, Unsubscribe},
    mailer::{Mailer, Outcome},
    message::Message,
};

type Decide = Box<dyn Fn(&JobId) -> Outcome + Send + Sync>;

/// A mailer that decides each attempt's outcome by its job.
///
/// The outcome is decided when an attempt begins, and returned after the pause of [`Calls`].
pub struct MemoryMailer {
    decide: Decide,
    attempts: Mutex<Vec<String>>,
    renewals: Mutex<u32>,
    /// Only its pause is used: every failure is an outcome.
    pub calls: Calls,
}

impl fmt::Debug for MemoryMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryMailer").field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

/// The provider accepts the email.
pub fn accepted() -> Outcome {
    Outcome::Accepted { ses_message_id: "m".to_owned() }
}

/// Accepts everything.
impl Default for MemoryMailer {
    fn default() -> Self {
        Self {
            decide: Box::new(|_| accepted()),
            attempts: Mutex::default(),
            renewals: Mutex::default(),
            calls: Calls::default(),
        }
    }
}

impl MemoryMailer {
    /// From now on, this rule decides. It may panic, like an adapter with a bug.
    pub fn decide_by(&mut self, decide: impl Fn(&JobId) -> Outcome + Send + Sync + 'static) {
        self.decide = Box::new(decide);
    }

    /// From now on, attempts for this job have this outcome. All others have the same outcome as before.
    pub fn decide_for(&mut self, job_id: &str, outcome: Outcome) {
        let before = std::mem::replace(&mut self.decide, Box::new(|_| accepted()));
        let job_id = job_id.to_owned();
        self.decide_by(move |id| if id.as_str() == job_id { outcome.clone() } else { before(id) });
    }

    /// How often the connections were left.
    pub fn renewals(&self) -> u32 {
        *lock(&self.renewals)
    }

    /// The jobs of all attempts, in the order of the attempts.
    pub fn attempts(&self) -> Vec<String> {
        lock(&self.attempts).clone()
    }

    /// The same, and forgets them.
    pub fn take_attempts(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.attempts))
    }
}

impl Mailer for MemoryMailer {
    fn leave_connections(&self) {
        *lock(&self.renewals) += 1;
    }

    async fn send(&self, id: &JobId, to: &EmailAddress, headers: &Headers, _: &Message) -> Outcome {
        lock(&self.attempts).push(id.to_string());
        let mut addresses = [to].into_iter().chain(&headers.reply_to);
        let mut lines = headers.unsubscribe.iter().flat_map(Unsubscribe::headers);
        let refusal = addresses
            .find_map(|address| ses_address_refusal(&address.for_provider()))
            .or_else(|| lines.find_map(|(name, value)| ses_header_refusal(name, value)));
        let outcome = match refusal {
            Some((code, why)) => Outcome::Rejected(Reason::new(code, why)),
            None => (self.decide)(id),
        };
        self.calls.pause().await;
        outcome
    }
}
