//! A worker whose every part is in memory, on tokio's paused clock.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock, read it and wait on it")]

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use email::{
    guarantee::Guarantees,
    job::JobId,
    mailer::Outcome,
    testing::{
        KeptLetter, MemoryDeadLetters, MemoryEventSource, MemoryHolds, MemoryLedger, MemoryMailer,
        MemorySuppressions, Row, mailer::accepted,
    },
};
use email_templates::Language;
use pacer::{SendLimit, Share, Slack, Slots, Window};
use sizing::WorkerSettings;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use unavailable::Unavailable;

use crate::{
    closing::Closing,
    pace::{AccountRate, Pace},
    worker::{Invocation, Parts, Postpone, Postponed, Received, Worker},
};

/// The provider's latency.
const LATENCY: Duration = Duration::from_millis(60);
/// The ledger's latency.
const LEDGER_LATENCY: Duration = Duration::from_millis(5);

/// The time at which tokio's paused clock stood at zero.
pub(crate) const MIDNIGHT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

#[derive(Default)]
pub(crate) struct Postponements(pub(crate) Mutex<Vec<Postponed>>, pub(crate) Mutex<Duration>);

impl Postpone for Postponements {
    async fn postpone(&self, messages: &[Postponed]) {
        let takes = *self.1.lock().unwrap();
        sleep(takes).await;
        self.0.lock().unwrap().extend_from_slice(messages);
    }
}

pub(crate) struct Memory;

impl Parts for Memory {
    type Ledger = MemoryLedger;
    type Suppressions = MemorySuppressions;
    type Mailer = MemoryMailer;
    type DeadLetters = MemoryDeadLetters;
    type Queue = Postponements;
    type Holds = MemoryHolds;
    type EventSource = MemoryEventSource;
}

pub(crate) type World = Worker<Memory>;

/// A world in which the provider accepts everything; an attempt for the job `panic` panics.
pub(crate) fn world() -> World {
    let world: World = Worker {
        ledger: MemoryLedger::default(),
        suppressions: MemorySuppressions::default(),
        mailer: MemoryMailer::default(),
        dead_letters: MemoryDeadLetters::default(),
        queue: Postponements::default(),
        holds: MemoryHolds::default(),
        event_source: MemoryEventSource::default(),
        guarantees: Guarantees::default(),
        default_language: Language::English,
        breaker: RefCell::default(),
        last_holds: RefCell::default(),
    };
    world.ledger.calls.wait_for(|| sleep(LEDGER_LATENCY));
    world.mailer.calls.wait_for(|| sleep(LATENCY));
    world.deciding(|id| {
        assert!(id.as_str() != "panic", "a test's panic");
        accepted()
    })
}

impl World {
    /// The same world, in which `decide` returns the outcome of every attempt.
    pub(crate) fn deciding(
        mut self,
        decide: impl Fn(&JobId) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        self.mailer.decide_by(decide);
        self
    }

    /// The same world, in which every attempt for this job has this outcome.
    pub(crate) fn answering(mut self, id: &str, outcome: Outcome) -> Self {
        self.mailer.decide_for(id, outcome);
        self
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        self.mailer.attempts()
    }

    pub(crate) fn delays(&self) -> BTreeMap<String, Duration> {
        let postponed = self.queue.0.lock().unwrap();
        postponed.iter().map(|p| (p.sqs_message_id.clone(), p.after)).collect()
    }

    pub(crate) fn row(&self, id: &str) -> Row {
        self.ledger.rows().get(id).unwrap().clone()
    }

    pub(crate) fn letters(&self) -> Vec<KeptLetter> {
        self.dead_letters.letters()
    }
}

/// The defaults of template.yaml.
pub(crate) fn settings() -> WorkerSettings {
    WorkerSettings {
        limit: SendLimit::new(300).unwrap(),
        window: Window::from_secs(60).unwrap(),
        slack: Slack::from_millis(250).unwrap(),
        slots: Slots::new(2).unwrap(),
        batch_size: 100,
        timeout: Duration::from_mins(1),
    }
}

pub(crate) fn share() -> Share {
    settings().check().unwrap()
}

pub(crate) async fn pace() -> Pace<RatesInTurn> {
    Pace::start(Ok(settings()), RatesInTurn::new([Ok(None)])).await
}

/// An account that responds with these rates, one per request, and then no more.
pub(crate) struct RatesInTurn(Mutex<VecDeque<Result<Option<f64>, ()>>>);

impl RatesInTurn {
    pub(crate) fn new(rates: impl IntoIterator<Item = Result<Option<f64>, ()>>) -> Self {
        Self(Mutex::new(rates.into_iter().collect()))
    }
}

impl AccountRate for RatesInTurn {
    async fn ask(&self) -> Result<Option<f64>, Unavailable> {
        let next = self.0.lock().unwrap().pop_front();
        sleep(LATENCY).await;
        match next {
            Some(rate) => rate.map_err(|()| Unavailable::new("asking", "down")),
            None => std::future::pending().await,
        }
    }
}

/// An invocation that begins at this time, and ends after this time.
pub(crate) fn invocation(
    id: &str,
    share: Share,
    now: OffsetDateTime,
    lasts: Duration,
) -> Invocation {
    let began = Instant::now();
    let closing = Closing::of(began, lasts);
    Invocation::begin(id.to_owned(), share, (now, began), closing, now + lasts)
}

pub(crate) fn message(sqs_message_id: &str, body: &str) -> Received {
    Received {
        sqs_message_id: sqs_message_id.to_owned(),
        receipt_handle: format!("receipt-{sqs_message_id}"),
        body: body.to_owned(),
        receives: 1,
        sent_at: None,
        first_received_at: None,
        trace: None,
        was_letter: None,
    }
}

pub(crate) fn job(id: &str) -> Received {
    job_to(id, "ada")
}

pub(crate) fn job_to_its_own_recipient(id: &str) -> Received {
    job_to(id, &format!("r-{id}"))
}

fn job_to(id: &str, to: &str) -> Received {
    let body =
        format!(r#"{{"v":1,"id":"{id}","to":"{to}@example.com","subject":"Hi","text":"Hello"}}"#);
    message(&format!("m-{id}"), &body)
}
