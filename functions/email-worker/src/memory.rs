//! A worker in a world in memory, on tokio's paused clock, for tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use email::{
    EmailAddress, JobId, Message,
    dead_letter::{Attempts, DeadLetter, DeadLetters, Reason},
    guarantee::Guarantees,
    hold::{EventSource, HoldRecord, Holds},
    ledger::{Claim, Claimed, Grant, Ledger, State, Used},
    mailer::{Mailer, Outcome},
    suppression::{Cause, Suppressions},
};
use pacer::{SendLimit, Share, Slack, Slots, Window, driver::Driver};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use unavailable::Unavailable;

use crate::worker::{Invocation, Parts, Postpone, Postponed, Received, Worker};

/// The provider's latency.
pub(crate) const LATENCY: Duration = Duration::from_millis(60);

/// When tokio's paused clock stood at zero.
pub(crate) const MIDNIGHT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) state: State,
    pub(crate) attempts: i64,
    pub(crate) first_attempt_at: OffsetDateTime,
    pub(crate) claimed_until: OffsetDateTime,
    pub(crate) token: Option<String>,
    pub(crate) announced: bool,
}

#[derive(Default)]
pub(crate) struct MemoryLedger {
    pub(crate) rows: Mutex<BTreeMap<String, Row>>,
    pub(crate) down: AtomicBool,
    pub(crate) marks_fail: AtomicBool,
    pub(crate) announces_fail: AtomicBool,
}

fn up(down: &AtomicBool) -> Result<(), Unavailable> {
    if down.load(Ordering::Relaxed) {
        Err(Unavailable::new("a test's call", "down"))
    } else {
        Ok(())
    }
}

impl MemoryLedger {
    /// The row of a claim that is in force.
    fn with_claimed<T>(&self, claim: &Claim, then: impl FnOnce(&mut Row) -> T) -> Option<T> {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(claim.job_id.as_str())?;
        let in_force = row.state == State::Sending && row.token.as_ref() == Some(&claim.token);
        in_force.then(|| then(row))
    }

    fn give_up(&self, claim: &Claim, state: State) -> Result<(), Unavailable> {
        up(&self.marks_fail)?;
        self.with_claimed(claim, |row| {
            *row = Row { state, token: None, announced: false, ..row.clone() };
        });
        Ok(())
    }
}

impl Ledger for MemoryLedger {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        up(&self.down)?;
        sleep(Duration::from_millis(5)).await;
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(claim.job_id.to_string()).or_insert(Row {
            state: State::Sending,
            attempts: 0,
            first_attempt_at: claim.at,
            claimed_until: OffsetDateTime::UNIX_EPOCH,
            token: None,
            announced: false,
        });
        Ok(match row.state {
            State::Failed | State::Unknown => Claimed::AlreadyFailed,
            state if state.was_accepted() => Claimed::AlreadySent,
            _ if row.claimed_until > claim.at => Claimed::InProgress { until: row.claimed_until },
            _ => {
                row.attempts += 1;
                row.claimed_until = claim.until;
                row.token = Some(claim.token.clone());
                Claimed::Granted(Grant {
                    attempts: row.attempts.try_into().unwrap(),
                    first_attempt_at: row.first_attempt_at,
                    unsettled: row.announced,
                })
            }
        })
    }

    async fn announce(&self, claim: &Claim) -> Result<bool, Unavailable> {
        up(&self.announces_fail)?;
        Ok(self.with_claimed(claim, |row| row.announced = true).is_some())
    }

    async fn release(&self, claim: &Claim, used: Used) -> Result<(), Unavailable> {
        self.with_claimed(claim, |row| {
            row.claimed_until = OffsetDateTime::UNIX_EPOCH;
            row.attempts -= i64::from(used == Used::NotTried);
            (row.token, row.announced) = (None, false);
        });
        Ok(())
    }

    async fn mark_sent(&self, id: &JobId, _: &str, _: OffsetDateTime) -> Result<(), Unavailable> {
        up(&self.marks_fail)?;
        self.rows.lock().unwrap().get_mut(id.as_str()).unwrap().state = State::Sent;
        Ok(())
    }

    async fn mark_failed(
        &self,
        claim: &Claim,
        _: &Reason,
        _: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.give_up(claim, State::Failed)
    }

    async fn mark_unknown(
        &self,
        claim: &Claim,
        _: &Reason,
        _: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.give_up(claim, State::Unknown)
    }
}

/// What the provider answers, by job and by time.
type Weather = Box<dyn Fn(&JobId) -> Outcome + Send + Sync>;

pub(crate) struct Provider {
    pub(crate) weather: Weather,
    pub(crate) sends: Mutex<Vec<(String, Instant)>>,
}

pub(crate) fn accepted() -> Outcome {
    Outcome::Accepted { message_id: "m".to_owned() }
}

/// The id `panic` panics.
impl Mailer for Provider {
    async fn send(&self, id: &JobId, _: &EmailAddress, _: &Message) -> Outcome {
        self.sends.lock().unwrap().push((id.to_string(), Instant::now()));
        let outcome = (self.weather)(id);
        sleep(LATENCY).await;
        assert!(id.as_str() != "panic", "a test's panic");
        outcome
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letter {
    pub(crate) message_id: String,
    pub(crate) job_id: Option<String>,
    pub(crate) reason: Reason,
    pub(crate) attempts: Attempts,
}

#[derive(Default)]
pub(crate) struct Graveyard {
    pub(crate) letters: Mutex<Vec<Letter>>,
    pub(crate) down: AtomicBool,
}

impl DeadLetters for Graveyard {
    async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), Unavailable> {
        up(&self.down)?;
        self.letters.lock().unwrap().push(Letter {
            message_id: letter.message_id.to_owned(),
            job_id: letter.job_id.map(ToString::to_string),
            reason: letter.reason.clone(),
            attempts: letter.attempts,
        });
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Postponements(pub(crate) Mutex<Vec<Postponed>>);

impl Postpone for Postponements {
    async fn postpone(&self, messages: &[Postponed]) {
        self.0.lock().unwrap().extend_from_slice(messages);
    }
}

#[derive(Default)]
pub(crate) struct Suppressed {
    pub(crate) recipients: BTreeSet<String>,
    pub(crate) down: AtomicBool,
}

impl Suppressions for Suppressed {
    async fn find(&self, recipient: &EmailAddress) -> Result<Option<Cause>, Unavailable> {
        up(&self.down)?;
        Ok(self.recipients.contains(recipient.as_str()).then_some(Cause::Bounce))
    }
}

/// The holds' record.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) holds: Mutex<Holds>,
    pub(crate) down: AtomicBool,
}

impl HoldRecord for Record {
    async fn read(&self) -> Result<Holds, Unavailable> {
        up(&self.down)?;
        Ok(self.holds.lock().unwrap().clone())
    }

    async fn replace(&self, next: &Holds) -> Result<bool, Unavailable> {
        up(&self.down)?;
        *self.holds.lock().unwrap() = next.clone();
        Ok(true)
    }
}

/// The event source, which counts how often it was turned off.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) is_off: AtomicBool,
    pub(crate) turned_off: Mutex<u32>,
}

impl EventSource for Source {
    async fn is_on(&self) -> Result<bool, Unavailable> {
        Ok(!self.is_off.load(Ordering::Relaxed))
    }

    async fn turn(&self, on: bool) -> Result<(), Unavailable> {
        let was_off = self.is_off.swap(!on, Ordering::Relaxed);
        *self.turned_off.lock().unwrap() += u32::from(!on && !was_off);
        Ok(())
    }
}

pub(crate) struct Memory;

impl Parts for Memory {
    type Ledger = MemoryLedger;
    type Suppressions = Suppressed;
    type Mailer = Provider;
    type DeadLetters = Graveyard;
    type Queue = Postponements;
    type Holds = Record;
    type EventSource = Source;
}

pub(crate) type World = Worker<Memory>;

/// A world in which the provider accepts everything.
pub(crate) fn world() -> World {
    Worker {
        ledger: MemoryLedger::default(),
        suppressions: Suppressed::default(),
        mailer: Provider { weather: Box::new(|_| accepted()), sends: Mutex::default() },
        dead_letters: Graveyard::default(),
        queue: Postponements::default(),
        holds: Record::default(),
        event_source: Source::default(),
        guarantees: Guarantees::default(),
    }
}

impl World {
    /// The same, where the provider answers that to that job.
    pub(crate) fn answering(self, id: &str, outcome: Outcome) -> Self {
        let (id, before) = (id.to_owned(), self.mailer.weather);
        let weather: Weather =
            Box::new(move |job| if job.as_str() == id { outcome.clone() } else { before(job) });
        Self { mailer: Provider { weather, ..self.mailer }, ..self }
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        self.mailer.sends.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn delays(&self) -> BTreeMap<String, Duration> {
        let postponed = self.queue.0.lock().unwrap();
        postponed.iter().map(|p| (p.message_id.clone(), p.after)).collect()
    }

    pub(crate) fn row(&self, id: &str) -> Row {
        self.ledger.rows.lock().unwrap()[id].clone()
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.dead_letters.letters.lock().unwrap().clone()
    }
}

pub(crate) fn share() -> Share {
    Share::new(
        SendLimit::new(300).unwrap(),
        Window::from_secs(60).unwrap(),
        Slots::new(2).unwrap(),
        Slack::from_millis(250).unwrap(),
    )
    .unwrap()
}

/// An invocation that begins at that time.
pub(crate) fn invocation(
    id: &str,
    share: Share,
    now: OffsetDateTime,
    lasts: Duration,
) -> Invocation {
    let began = Instant::now();
    Invocation {
        id: id.to_owned(),
        began_at: (now, began),
        pacer: Driver::start(share, began + lasts),
        deadline: now + lasts,
    }
}

pub(crate) fn message(message_id: &str, body: &str) -> Received {
    Received {
        message_id: message_id.to_owned(),
        receipt_handle: format!("receipt-{message_id}"),
        body: body.to_owned(),
        receives: 1,
        first_received_at: None,
    }
}

pub(crate) fn job(id: &str) -> Received {
    let body =
        format!(r#"{{"v":1,"id":"{id}","to":"ada@example.com","subject":"Hi","text":"Hello"}}"#);
    message(&format!("m-{id}"), &body)
}
