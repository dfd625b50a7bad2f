//! Batches in a world in memory, on tokio's paused clock.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use email::ledger::State;
use enrollment::ports::Unavailable;
use pacer::{SendLimit, Share, Slack, Slots, Window};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use super::*;

/// The provider's latency.
const LATENCY: Duration = Duration::from_millis(60);

#[derive(Debug, Clone, PartialEq)]
struct Row {
    state: State,
    attempts: i64,
    claimed_until: OffsetDateTime,
}

#[derive(Default)]
struct MemoryLedger {
    rows: Mutex<BTreeMap<String, Row>>,
    down: AtomicBool,
    marks_fail: AtomicBool,
}

fn up(down: &AtomicBool) -> Result<(), Unavailable> {
    if down.load(Ordering::Relaxed) {
        Err(Unavailable::new("a test's call", "down"))
    } else {
        Ok(())
    }
}

impl Ledger for MemoryLedger {
    type Error = Unavailable;

    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        up(&self.down)?;
        sleep(Duration::from_millis(5)).await;
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(claim.job_id.to_string()).or_insert(Row {
            state: State::Sending,
            attempts: 0,
            claimed_until: OffsetDateTime::UNIX_EPOCH,
        });
        Ok(match row.state {
            State::Sent => Claimed::AlreadySent,
            State::Failed => Claimed::AlreadyFailed,
            State::Sending if row.claimed_until > claim.at => {
                Claimed::InProgress { until: row.claimed_until }
            }
            State::Sending => {
                row.attempts += 1;
                row.claimed_until = claim.until;
                Claimed::Granted { attempts: row.attempts.try_into().unwrap() }
            }
        })
    }

    async fn release(&self, claim: &Claim, used: Used) -> Result<(), Unavailable> {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(claim.job_id.as_str()).unwrap();
        row.claimed_until = OffsetDateTime::UNIX_EPOCH;
        row.attempts -= i64::from(used == Used::NotTried);
        Ok(())
    }

    async fn mark_sent(&self, id: &JobId, _: &str, _: OffsetDateTime) -> Result<(), Unavailable> {
        up(&self.marks_fail)?;
        self.rows.lock().unwrap().get_mut(id.as_str()).unwrap().state = State::Sent;
        Ok(())
    }

    async fn mark_failed(
        &self,
        id: &JobId,
        _: &Reason,
        _: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        up(&self.marks_fail)?;
        self.rows.lock().unwrap().get_mut(id.as_str()).unwrap().state = State::Failed;
        Ok(())
    }
}

/// Answers by job id; accepts what no answer is set for. The id `panic` panics.
#[derive(Default)]
struct Provider {
    answers: BTreeMap<String, Outcome>,
    sends: Mutex<Vec<(String, Instant)>>,
}

impl Mailer for Provider {
    async fn send(&self, id: &JobId, _: &email::EmailAddress, _: &Message) -> Outcome {
        self.sends.lock().unwrap().push((id.to_string(), Instant::now()));
        sleep(LATENCY).await;
        assert!(id.as_str() != "panic", "a test's panic");
        let accepted = Outcome::Accepted { message_id: "m".to_owned() };
        self.answers.get(id.as_str()).cloned().unwrap_or(accepted)
    }
}

#[derive(Default)]
struct Graveyard {
    letters: Mutex<Vec<(String, Option<String>, Reason)>>,
    down: AtomicBool,
}

impl DeadLetters for Graveyard {
    type Error = Unavailable;

    async fn keep(&self, letter: DeadLetter<'_>) -> Result<(), Unavailable> {
        up(&self.down)?;
        let job_id = letter.job_id.map(ToString::to_string);
        self.letters.lock().unwrap().push((
            letter.message_id.to_owned(),
            job_id,
            letter.reason.clone(),
        ));
        Ok(())
    }
}

#[derive(Default)]
struct Queue(Mutex<Vec<Postponed>>);

impl Postpone for Queue {
    async fn postpone(&self, messages: &[Postponed]) {
        self.0.lock().unwrap().extend_from_slice(messages);
    }
}

type World = Worker<MemoryLedger, Provider, Graveyard, Queue>;

fn world() -> World {
    Worker {
        ledger: MemoryLedger::default(),
        mailer: Provider::default(),
        dead_letters: Graveyard::default(),
        queue: Queue::default(),
    }
}

impl World {
    fn answering(mut self, id: &str, outcome: Outcome) -> Self {
        self.mailer.answers.insert(id.to_owned(), outcome);
        self
    }

    fn sent(&self) -> Vec<String> {
        self.mailer.sends.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
    }

    fn delays(&self) -> BTreeMap<String, Duration> {
        let postponed = self.queue.0.lock().unwrap();
        postponed.iter().map(|p| (p.message_id.clone(), p.after)).collect()
    }

    fn row(&self, id: &str) -> Row {
        self.ledger.rows.lock().unwrap()[id].clone()
    }
}

fn share() -> Share {
    Share::new(
        SendLimit::new(300).unwrap(),
        Window::from_secs(60).unwrap(),
        Slots::new(2).unwrap(),
        Slack::from_millis(250).unwrap(),
    )
    .unwrap()
}

fn invocation(lasts: Duration) -> Invocation {
    Invocation {
        id: "request".to_owned(),
        pacer: Driver::start(share(), Instant::now() + lasts),
        deadline: OffsetDateTime::now_utc() + lasts,
        jitter: 0.0,
    }
}

fn message(message_id: &str, body: &str) -> Received {
    Received {
        message_id: message_id.to_owned(),
        receipt_handle: format!("receipt-{message_id}"),
        body: body.to_owned(),
        receives: 1,
    }
}

fn job(id: &str) -> Received {
    let body =
        format!(r#"{{"v":1,"id":"{id}","to":"ada@example.com","subject":"Hi","text":"Hello"}}"#);
    message(&format!("m-{id}"), &body)
}

async fn handle(world: &World, batch: Vec<Received>) -> Vec<String> {
    world.handle(&invocation(Duration::from_mins(1)), batch).await
}

#[tokio::test(start_paused = true)]
async fn a_good_batch_is_sent_at_the_pace() {
    let world = world();
    let began = Instant::now();
    let failures = handle(&world, (0..20).map(|n| job(&n.to_string())).collect()).await;
    assert!(failures.is_empty());
    let sends = world.mailer.sends.lock().unwrap();
    assert_eq!(sends.len(), 20);
    for (n, (_, at)) in (1_u32..).zip(sends.iter()) {
        let due = share().interval() * n;
        let late = at.duration_since(began).checked_sub(due);
        assert!(late.is_some_and(|late| late < Duration::from_millis(50)), "send {n}: {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn poison_goes_to_the_dead_letters_and_takes_nothing_with_it() {
    let world = world();
    let batch = vec![job("a"), message("m-poison", "{"), job("b")];
    assert!(handle(&world, batch).await.is_empty());
    assert_eq!(world.sent(), ["a", "b"]);
    let letters = world.dead_letters.letters.lock().unwrap();
    let reason = Reason::new("malformed_job", "the body is not JSON (line 1, column 1)");
    assert_eq!(*letters, [("m-poison".to_owned(), None, reason)]);
}

#[tokio::test(start_paused = true)]
async fn a_job_twice_is_sent_once_and_both_messages_share_its_fate() {
    let world = world().answering("b", Outcome::Transient { code: "500".to_owned() });
    let again = |id: &str| Received { message_id: format!("again-{id}"), ..job(id) };
    let batch = vec![job("a"), again("a"), job("b"), again("b")];
    let mut failures = handle(&world, batch).await;
    failures.sort();
    assert_eq!(world.sent(), ["a", "b"]);
    assert_eq!(failures, ["again-b", "m-b"]);
    assert!(handle(&world, vec![again("a")]).await.is_empty(), "acknowledged");
    assert_eq!(world.sent(), ["a", "b"], "a redelivery burns no permit");
}

#[tokio::test(start_paused = true)]
async fn a_dead_job_burns_no_permit() {
    let unknown = r#"{"v":1,"id":"x","to":"ada@example.com","template":"novel","data":{}}"#;
    let world = world();
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.dead_letters.letters.lock().unwrap()[0].2.code, "unknown_template");
    assert_eq!(world.row("x").state, State::Failed);
    assert!(handle(&world, vec![message("m-x", unknown)]).await.is_empty());
    assert_eq!(world.dead_letters.letters.lock().unwrap().len(), 1, "kept once");
    assert!(world.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_another_is_sending_comes_back_soon_and_when_that_claim_ends_at_the_latest() {
    for (left, least, most) in [(90, 20, 20), (15, 10, 15)] {
        let world = world();
        let until = OffsetDateTime::now_utc() + Duration::from_secs(left);
        let row = Row { state: State::Sending, attempts: 1, claimed_until: until };
        world.ledger.rows.lock().unwrap().insert("a".to_owned(), row);
        assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
        let delay = world.delays()["m-a"];
        assert!((least..=most).contains(&delay.as_secs()), "{delay:?}");
        assert!(world.sent().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_stops_the_batch_and_gives_back_the_rest_uncounted() {
    for (outcome, least) in
        [(Outcome::Throttled, retry::FIRST_DELAY), (Outcome::Held(Hold::DailyQuota), HELD_FOR)]
    {
        let world = world().answering("1", outcome);
        let failures = handle(&world, (0..20).map(|n| job(&n.to_string())).collect()).await;
        assert_eq!(world.sent(), ["0", "1"]);
        assert_eq!(failures.len(), 19);
        assert!(world.delays().values().all(|&delay| delay >= least));
        assert_eq!(world.row("1").attempts, 1);
        for (id, row) in world.ledger.rows.lock().unwrap().iter() {
            assert!(id.as_str() <= "1" || row.attempts == 0, "{id} counts as tried");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_released_and_backs_off_by_its_attempts() {
    let world = world().answering("a", Outcome::Transient { code: "500".to_owned() });
    for (attempts, delay) in [(1, 30), (2, 60), (3, 120)] {
        assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
        assert_eq!(world.row("a").attempts, attempts);
        assert_eq!(world.delays()["m-a"].as_secs(), delay);
    }
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_attempt_keeps_its_claim_until_it_ends() {
    let world = world().answering("a", Outcome::Ambiguous);
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    let delay = world.delays()["m-a"];
    assert!(delay > Duration::from_mins(1) && delay <= Duration::from_secs(90), "{delay:?}");
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"]);
    assert_eq!(world.sent(), ["a"], "not tried while the claim is in force");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_job_is_kept_with_its_reason() {
    let reason = Reason::new("MessageRejected", "Address blacklisted.");
    let world = world().answering("a", Outcome::Rejected(reason.clone()));
    world.dead_letters.down.store(true, Ordering::Relaxed);
    assert_eq!(handle(&world, vec![job("a")]).await, ["m-a"], "not lost while nothing can keep it");
    world.dead_letters.down.store(false, Ordering::Relaxed);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
    let letters = world.dead_letters.letters.lock().unwrap();
    assert_eq!(*letters, [("m-a".to_owned(), Some("a".to_owned()), reason)]);
    assert_eq!(world.row("a").state, State::Failed);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_a_claim() {
    let world = world();
    world.ledger.down.store(true, Ordering::Relaxed);
    let failures = handle(&world, vec![job("a"), job("b")]).await;
    assert_eq!(failures.len(), 2);
    assert!(world.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sent_email_is_acknowledged_even_if_the_ledger_misses_it() {
    let world = world();
    world.ledger.marks_fail.store(true, Ordering::Relaxed);
    assert!(handle(&world, vec![job("a")]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_start_in_time_is_given_back_at_once_and_uncounted() {
    let world = world();
    let lasts = share().interval() * 3 + Duration::from_millis(100);
    let batch = (0..20).map(|n| job(&n.to_string())).collect();
    let failures = world.handle(&invocation(lasts), batch).await;
    assert_eq!(world.sent(), ["0", "1", "2"]);
    assert_eq!(failures.len(), 17);
    assert!(world.delays().values().all(Duration::is_zero));
    let rows = world.ledger.rows.lock().unwrap();
    assert!(rows.len() <= 3 + CLAIMS_AHEAD + 2, "{} were claimed", rows.len());
    assert_eq!(rows.values().map(|row| row.attempts).sum::<i64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_back_its_own_message_only() {
    let world = world();
    assert_eq!(handle(&world, vec![job("a"), job("panic"), job("b")]).await, ["m-panic"]);
    assert_eq!(world.sent(), ["a", "panic", "b"]);
}

/// The messages of a sample event, by the same way that the handler reads them.
fn sample(file: &std::path::Path) -> Vec<Received> {
    let event = std::fs::read_to_string(file).unwrap();
    let event: aws_lambda_events::sqs::SqsEvent = serde_json::from_str(&event).unwrap();
    event.records.into_iter().map(|record| crate::handler::received(record).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_sample_batch_is_handled() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let mut handled = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (sent, dead) = match name.as_str() {
            "emails" => (3, 0),
            "emails-with-poison" => (2, 1),
            "emails-with-duplicate" => (1, 0),
            _ => {
                assert!(!name.starts_with("emails"), "{name} is read by no test");
                continue;
            }
        };
        let world = world();
        assert!(handle(&world, sample(&path)).await.is_empty(), "{name}");
        assert_eq!(world.sent().len(), sent, "{name}");
        assert_eq!(world.dead_letters.letters.lock().unwrap().len(), dead, "{name}");
        handled += 1;
    }
    assert_eq!(handled, 3);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Accepted { message_id: "m".to_owned() }),
        1 => Just(Outcome::Throttled),
        1 => Just(Outcome::Held(Hold::SendingPaused)),
        2 => Just(Outcome::Transient { code: "500".to_owned() }),
        2 => Just(Outcome::Ambiguous),
        2 => Just(Outcome::Rejected(Reason::new("MessageRejected", "no"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every message is acknowledged or given back; what is acknowledged was accepted, or is a dead
    /// letter; and a job is tried once an invocation at most.
    #[test]
    fn nothing_is_lost(
        jobs in proptest::collection::vec((0_usize..12, outcome()), 1..40),
        dead_letters_down: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = world();
            world.dead_letters.down.store(dead_letters_down, Ordering::Relaxed);
            let mut batch = Vec::new();
            for (n, (id, outcome)) in jobs.iter().enumerate() {
                let id = format!("job-{id}");
                world.mailer.answers.entry(id.clone()).or_insert_with(|| outcome.clone());
                batch.push(Received { message_id: format!("{n}/{id}"), ..job(&id) });
            }
            let ids: Vec<String> = batch.iter().map(|m| m.message_id.clone()).collect();
            let failures = handle(&world, batch).await;
            prop_assert_eq!(failures.len(), world.delays().len());

            let mut sent = world.sent();
            let tries = sent.len();
            sent.sort();
            sent.dedup();
            prop_assert_eq!(sent.len(), tries, "a job was tried twice");

            for message_id in ids.iter().filter(|id| !failures.contains(id)) {
                let job_id = message_id.split_once('/').unwrap().1;
                prop_assert!(sent.iter().any(|id| id == job_id), "{} was lost", job_id);
                let done = match &world.mailer.answers[job_id] {
                    Outcome::Accepted { .. } => State::Sent,
                    Outcome::Rejected(_) if !dead_letters_down => State::Failed,
                    other => return Err(TestCaseError::fail(format!("{other:?} was acknowledged"))),
                };
                prop_assert_eq!(world.row(job_id).state, done);
            }
            Ok(())
        })?;
    }
}
