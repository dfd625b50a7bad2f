//! Queues in memory beside the in-memory ledger; all fail together where a test wants them to.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use email::{
    Job, JobId,
    dead_letter::attribute,
    ledger::{Claim, Claimed, Entry, Reopen, Reopened, State, Timeline},
    testing::{Calls, Fate, MemoryLedger, Row},
};
use time::OffsetDateTime;
use tokio::time::Instant;
use unavailable::Unavailable;

use crate::{
    aws_call::CallFailed,
    dead_letters::{
        letter::{Letter, Receipt},
        queue::{
            Count, DeadLetterQueue, EmailQueue, MAX_ENTRIES_PER_CALL, Refused, VISIBILITY_TIMEOUT,
        },
    },
};

pub(in crate::dead_letters) const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// How long after [`NOW`] another worker's claim ends: in 2200, later than any clock of a redrive.
const CLAIM_LASTS: Duration = Duration::from_hours(84_006 * 24);

/// The body of a job.
pub(super) fn body(job: &str) -> String {
    format!(r#"{{"v":1,"id":"{job}","to":"ada@example.com","subject":"Hi","text":"Hello"}}"#)
}

/// A letter of that message id, job and error code.
pub(in crate::dead_letters) fn letter(message_id: &str, job: &str, code: &str) -> Letter {
    stored(message_id, &body(job), code).received(1)
}

pub(super) fn stored(message_id: &str, body: &str, code: &str) -> Stored {
    Stored {
        message_id: message_id.to_owned(),
        body: body.to_owned(),
        attributes: BTreeMap::from([
            (attribute::ERROR_CODE.to_owned(), code.to_owned()),
            (attribute::REASON.to_owned(), "refused <ada@example.com>, it says".to_owned()),
            (attribute::SQS_MESSAGE_ID.to_owned(), format!("original of {message_id}")),
            (attribute::ATTEMPTS.to_owned(), "2".to_owned()),
            (attribute::FIRST_ATTEMPT_AT.to_owned(), "2026-11-25T04:19:44.5Z".to_owned()),
        ]),
        kept_at_ms: 1_000,
        receives: 0,
        visible_at: None,
    }
}

/// A message of the dead-letter queue.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) message_id: String,
    pub(super) body: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) kept_at_ms: u64,
    pub(super) receives: usize,
    pub(super) visible_at: Option<Instant>,
}

impl Stored {
    pub(super) fn received(&self, receives: usize) -> Letter {
        let handle = format!("{} {receives}", self.message_id);
        let receipt = Receipt { message_id: self.message_id.clone(), handle };
        let of_queue = BTreeMap::from([("SentTimestamp".to_owned(), self.kept_at_ms.to_string())]);
        Letter::new(receipt, self.body.clone(), self.attributes.clone(), of_queue)
    }

    pub(super) fn is_visible(&self) -> bool {
        self.visible_at.is_none_or(|at| at <= Instant::now())
    }
}

/// Everything that a command works on.
pub(super) struct Place {
    pub(super) letters: Mutex<Vec<Stored>>,
    pub(super) jobs: Mutex<Vec<String>>,
    pub(super) ledger: MemoryLedger,
    pub(super) sent: Mutex<Vec<JobId>>,
    /// Delivers each letter twice, as SQS may.
    pub(super) twice: AtomicBool,
    /// Keeps letters from being deleted.
    pub(super) sticky: AtomicBool,
    /// Decides about every call, the ledger's too.
    calls: Calls,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Place {
    pub(super) fn with(letters: impl IntoIterator<Item = Stored>) -> Self {
        let calls = Calls::default();
        Self {
            letters: Mutex::new(letters.into_iter().collect()),
            jobs: Mutex::default(),
            ledger: MemoryLedger::with_calls(calls.clone()),
            sent: Mutex::default(),
            twice: AtomicBool::default(),
            sticky: AtomicBool::default(),
            calls,
        }
    }

    /// The ledger has the job, in that state after two attempts.
    pub(super) fn know(&self, job: &str, state: State) {
        let row = match state {
            State::Sending => Row::claimed("another's", NOW, NOW + CLAIM_LASTS),
            _ => Row::attempted(state, NOW),
        };
        self.ledger.rows().insert(job, Row { attempts: 2, ..row });
    }

    /// Everything fails from that call on (from 1; 0: nothing does). If `late`, that one call takes
    /// place all the same, and only its answer is lost.
    pub(super) fn fail_from(&self, call: usize, late: bool) {
        self.calls.fail_from(call, if late { Fate::AnswerLost } else { Fate::Fails });
    }

    async fn call<T>(&self, work: impl FnOnce() -> T) -> Result<T, CallFailed> {
        let called = self.calls.make("a call", "", work).await;
        called.map_err(|error| CallFailed::other("a call", &error))
    }

    pub(super) fn left(&self) -> Vec<String> {
        lock(&self.letters).iter().map(|letter| letter.message_id.clone()).collect()
    }

    pub(super) fn all_visible(&self) -> bool {
        lock(&self.letters).iter().all(Stored::is_visible)
    }

    /// The workers take the jobs on the email queue, and send what the ledger lets them.
    pub(super) fn work(&self) {
        for body in lock(&self.jobs).drain(..) {
            let job = Job::parse(&body).unwrap();
            let (job_id, content, recipient) = (job.id.clone(), job.digest(), job.to.clone());
            let token = "a worker's".to_owned();
            let until = NOW + Duration::from_secs(90);
            let mut rows = self.ledger.rows();
            let sqs_message_id = "m".to_owned();
            let claim = Claim {
                job_id: job_id.clone(),
                token,
                sqs_message_id,
                content,
                recipient,
                template: None,
                at: NOW,
                until,
            };
            if let Claimed::Granted(_) = rows.claim(&claim) {
                rows.mark_sent(&job_id, "m", NOW);
                lock(&self.sent).push(job_id);
            }
        }
    }

    pub(super) fn sent(&self) -> Vec<String> {
        let mut sent: Vec<String> = lock(&self.sent).iter().map(JobId::to_string).collect();
        sent.sort();
        sent
    }
}

impl DeadLetterQueue for Place {
    async fn count(&self) -> Result<Count, CallFailed> {
        let visible = lock(&self.letters).len().try_into().unwrap();
        Ok(Count { visible, hidden: 0 })
    }

    async fn receive(&self) -> Result<Vec<Letter>, CallFailed> {
        let letters = || {
            let twice = self.twice.load(Relaxed);
            let mut letters = lock(&self.letters);
            let visible =
                letters.iter_mut().filter(|letter| letter.is_visible()).take(MAX_ENTRIES_PER_CALL);
            let received = visible.map(|letter| {
                letter.receives += 1;
                if !twice || letter.receives % 2 == 0 {
                    letter.visible_at = Some(Instant::now() + VISIBILITY_TIMEOUT);
                }
                letter.received(letter.receives)
            });
            received.collect()
        };
        self.call(letters).await
    }

    async fn hide(
        &self,
        receipts: &[Receipt],
        duration: Duration,
    ) -> Result<Vec<Refused>, CallFailed> {
        assert!((1..=MAX_ENTRIES_PER_CALL).contains(&receipts.len()));
        self.call(|| {
            for letter in &mut *lock(&self.letters) {
                if receipts.contains(&letter.received(letter.receives).receipt) {
                    letter.visible_at = Some(Instant::now() + duration);
                }
            }
            Vec::new()
        })
        .await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Vec<Refused>, CallFailed> {
        assert!((1..=MAX_ENTRIES_PER_CALL).contains(&receipts.len()));
        self.call(|| {
            if self.sticky.load(Relaxed) {
                let refuse = |receipt: &Receipt| Refused {
                    message_id: receipt.message_id.clone(),
                    why: "InternalError".to_owned(),
                };
                return receipts.iter().map(refuse).collect();
            }
            lock(&self.letters)
                .retain(|letter| !receipts.contains(&letter.received(letter.receives).receipt));
            Vec::new()
        })
        .await
    }
}

impl EmailQueue for Place {
    async fn send(&self, body: &str) -> Result<(), CallFailed> {
        self.call(|| lock(&self.jobs).push(body.to_owned())).await
    }
}

impl Reopen for Place {
    async fn reopen(&self, id: &JobId, now: OffsetDateTime) -> Result<Reopened, Unavailable> {
        self.ledger.reopen(id, now).await
    }
}

impl Timeline for Place {
    async fn find(&self, id: &JobId) -> Result<Option<Entry>, Unavailable> {
        self.ledger.find(id).await
    }
}
