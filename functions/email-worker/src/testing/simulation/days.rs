//! Days of the worker. Each job must be sent once, and no message may reach the maximum receive count, no matter how
//! many times it was returned. `-- --nocapture` prints the number of receives per simulated day.
#![expect(clippy::disallowed_methods, reason = "tests wait on the paused clock")]

use std::{collections::BTreeMap, time::Duration};

use email::{
    JobId,
    dead_letter::Reason,
    feedback::{Event, Feedback, RecordFeedback},
    hold::{HoldCause, MAX_REJECTIONS, MAX_REJECTIONS_ON_PROBATION},
    ledger::State,
    mailer::Outcome,
    retry::MAX_UNANSWERED,
    testing::mailer::accepted,
};
use pacer::{SendLimit, Window};
use sizing::{DEFAULT_LATENCY, Plan};
use tokio::time::sleep;

use super::Simulation;
use crate::{
    testing::world::{MIDNIGHT, job},
    worker::Received,
};

const DAY: Duration = Duration::from_hours(24);

/// Refuses for a day, and then accepts.
fn for_a_day(refusal: Outcome) -> impl Fn(Duration, u64) -> Outcome {
    move |now, _| if now < DAY { refusal.clone() } else { accepted() }
}

#[tokio::test(start_paused = true)]
async fn after_a_day_long_hold_every_job_is_sent_once() {
    let simulation = Simulation::new(for_a_day(Outcome::Held(HoldCause::DailyQuota)));
    let (took, _) = simulation.run("a day's hold", 2_000, DAY).await;
    assert!(took < DAY + Duration::from_mins(45), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_day_long_hold_that_lambda_ignores_every_job_is_sent_once() {
    let mut simulation = Simulation::new(for_a_day(Outcome::Held(HoldCause::SendingPaused)));
    simulation.obeys_holds = false;
    simulation.run("a day's hold, ignored", 2_000, DAY).await;
}

/// SES rejects every email for a day, and reports nothing. Each probation costs a few dead letters, not the queue.
#[tokio::test(start_paused = true)]
async fn after_a_day_of_rejections_all_but_a_few_jobs_are_sent_once() {
    let rejection = Reason::new("MessageRejected", "The sender is broken.");
    let mut simulation = Simulation::new(for_a_day(Outcome::Rejected(rejection)));
    // 28 probations in 24 hours: after 5, 10, 20 and 40 minutes, and then each hour.
    simulation.max_letters = MAX_REJECTIONS - 1 + 28 * (MAX_REJECTIONS_ON_PROBATION - 1);
    let ends = simulation.watch_holds();
    let (took, _) = simulation.run_with("a day's rejections", 2_000, ends).await;
    assert!(took < DAY + Duration::from_hours(2), "{took:?}");
}

/// SES refuses everything for a day, and does not report why.
#[tokio::test(start_paused = true)]
async fn after_a_day_long_hold_without_a_report_every_job_is_sent_once() {
    let simulation = Simulation::new(for_a_day(Outcome::Held(HoldCause::NotPermitted)));
    simulation.run_with("a day's denial", 2_000, simulation.watch_holds()).await;
    let attempts = simulation.world.sent().len();
    assert!(attempts < 2_000 + 28 * 10, "{attempts} attempts");
}

#[tokio::test(start_paused = true)]
async fn after_a_day_long_outage_every_job_is_sent_once() {
    let refusal = Outcome::Transient { code: "ServiceUnavailable".to_owned() };
    let (took, _) = Simulation::new(for_a_day(refusal)).run("a day's outage", 500, DAY).await;
    assert!(took < DAY + Duration::from_hours(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_throttling_every_job_is_sent_once() {
    Simulation::new(for_a_day(Outcome::Throttled)).run("a day's throttling", 1_000, DAY).await;
}

#[tokio::test(start_paused = true)]
async fn with_occasional_failures_every_job_is_sent_once() {
    let weather = |_, number: u64| match number % 97 {
        0..20 => Outcome::Transient { code: "500".to_owned() },
        20..23 => Outcome::Throttled,
        23 => Outcome::Unknown { code: "Novel".to_owned() },
        _ => accepted(),
    };
    Simulation::new(weather).run("bad weather", 3_000, Duration::ZERO).await;
}

/// A brown-out: the provider accepts emails and gives no answer.
fn for_two_hours_without_answers() -> impl Fn(Duration, u64) -> Outcome {
    move |now, _| if now < Duration::from_hours(2) { Outcome::Ambiguous } else { accepted() }
}

#[tokio::test(start_paused = true)]
async fn two_hours_without_answers_cost_one_copy_if_events_arrive() {
    let simulation = Simulation::new(for_two_hours_without_answers());
    let settle = async {
        loop {
            sleep(Duration::from_secs(5)).await;
            let unsettled: Vec<JobId> = {
                let rows = simulation.world.ledger.rows();
                let rows = rows.iter().filter(|(_, row)| row.state == State::Sending);
                rows.map(|(id, _)| id.parse().unwrap()).collect()
            };
            for id in unsettled {
                if simulation.world.sent().iter().any(|sent| sent == id.as_str()) {
                    simulation.world.ledger.record(&id, &sent(&id), MIDNIGHT).await.unwrap();
                }
            }
        }
    };
    tokio::select! {
        _ = simulation.run_to_the_end("no answers, but events", 200, Duration::ZERO) => {}
        () = settle => unreachable!("it never ends"),
    }
    let mut attempts = simulation.world.sent();
    assert_eq!(attempts.len(), 200, "one attempt per job");
    attempts.sort();
    attempts.dedup();
    assert_eq!(attempts.len(), 200);
    assert!(simulation.world.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_hours_without_answers_or_events_cost_at_most_six_copies() {
    let simulation = Simulation::new(for_two_hours_without_answers());
    simulation.run_to_the_end("no answers and no events", 200, Duration::ZERO).await;
    let mut copies: BTreeMap<String, u32> = BTreeMap::new();
    for job in simulation.world.sent() {
        *copies.entry(job).or_insert(0) += 1;
    }
    assert_eq!(copies.len(), 200);
    assert!(copies.values().all(|&copies| copies <= MAX_UNANSWERED), "{copies:?}");
    let letters = simulation.world.letters();
    assert!(letters.iter().all(|letter| letter.reason.code == "outcome_unknown"));
    let known = simulation.accepted.lock().unwrap().len() + letters.len();
    assert_eq!(known, 200, "no job is lost");
}

/// The provider's event about an email that it has accepted.
fn sent(id: &JobId) -> Feedback {
    Feedback {
        job_id: Some(id.clone()),
        ses_message_id: "m".to_owned(),
        sent_at: MIDNIGHT,
        at: MIDNIGHT,
        recipients: Vec::new(),
        event: Event::Sent,
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_hold_of_thirteen_days_no_login_code_and_no_week_old_email_is_sent() {
    let hold = 13 * DAY;
    let weather = move |now, _| match now {
        now if now < hold => Outcome::Held(HoldCause::AccountSuspended),
        _ => accepted(),
    };
    let mut simulation = Simulation::new(weather);
    simulation.obeys_holds = false;
    let code = |n: usize| {
        let job = job(&format!("code-{n}"));
        let deadline = r#","deadline":"1970-01-01T00:10:00Z"}"#;
        Received { body: job.body.replace('}', deadline), ..job }
    };
    simulation.queue.lock().unwrap().put(None, (0..20).map(code));
    let sent_late = async {
        sleep(12 * DAY).await;
        simulation.queue.lock().unwrap().put(None, (0..20).map(|n| job(&format!("late-{n}"))));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = simulation.run_to_the_end("a hold of 13 days", 20, hold) => {}
        () = sent_late => unreachable!("it never ends"),
    }
    let accepted = simulation.accepted.lock().unwrap();
    assert_eq!(accepted.len(), 20);
    assert!(accepted.keys().all(|job| job.starts_with("late-")), "{accepted:?}");
    let letters = simulation.world.letters();
    assert_eq!(letters.len(), 40, "codes, and emails that had waited for more than a week");
    assert!(letters.iter().all(|letter| letter.reason.code == "expired"));
    let rows = simulation.world.ledger.rows();
    let failed = rows.iter().filter(|(_, row)| row.state == State::Failed).count();
    assert_eq!(failed, 40);
}

#[tokio::test(start_paused = true)]
async fn after_a_hold_of_six_days_every_job_is_sent_once() {
    let weather = |now, _| match now {
        now if now < 6 * DAY => Outcome::Held(HoldCause::AccountSuspended),
        _ => accepted(),
    };
    let mut simulation = Simulation::new(weather);
    simulation.obeys_holds = false;
    simulation.run("six days' hold", 40, 6 * DAY).await;
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_that_does_not_end_every_job_is_a_dead_letter_within_a_week() {
    let refusal = Outcome::Transient { code: "ServiceUnavailable".to_owned() };
    let simulation = Simulation::new(move |_, _| refusal.clone());
    let took = simulation.run_to_the_end("an endless outage", 50, Duration::ZERO).await;
    // A message with more than 100 receives is hidden for half an hour at least.
    assert!(took < 7 * DAY + Duration::from_mins(45), "{took:?}");
    let letters = simulation.world.letters();
    assert_eq!(letters.len(), 50);
    for letter in letters {
        assert_eq!(letter.reason.code, "expired");
        assert!(letter.reason.text.ends_with("its last attempt failed: ServiceUnavailable"));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_flood_every_job_is_sent_once() {
    let mut simulation = Simulation::new(|_, _| accepted());
    // Most of each batch is returned without an attempt: the limit was lowered, and nothing else.
    simulation.settings.limit = SendLimit::new(60).unwrap();
    let (took, receives) = simulation.run("a flood", 20_000, Duration::ZERO).await;
    assert!(took < Duration::from_secs(20_000 * 11 / 10), "{took:?}");
    assert!(receives < 50, "{receives}");
}

#[tokio::test(start_paused = true)]
async fn with_batches_a_thousand_times_too_large_every_job_is_sent_once() {
    let mut simulation = Simulation::new(|_, _| accepted());
    // Two per minute: an invocation sends one, and returns 999.
    simulation.settings.limit = SendLimit::new(2).unwrap();
    simulation.settings.batch_size = 1_000;
    simulation.settings.timeout = Duration::from_secs(90);
    let (took, receives) = simulation.run("far too large batches", 1_500, Duration::ZERO).await;
    // One email per interval and slot, and the time until the next one is visible.
    assert!(took < Duration::from_mins(66 * 1_500 / 60 / 2), "{took:?}");
    assert!(receives < 50, "{receives}");
}

/// A backlog with the plan for this limit per minute, while the provider refuses everything for a while.
async fn large_plan(limit: u32, jobs: usize, refusal: Outcome) {
    const OUTAGE: Duration = Duration::from_secs(100);
    let what = format!("{limit} per minute, {}", refusal.name());
    let weather = move |now, _| if now < OUTAGE { refusal.clone() } else { accepted() };
    let mut simulation = Simulation::new(weather);
    let (limit, window) = (SendLimit::new(limit).unwrap(), Window::from_secs(60).unwrap());
    simulation.settings = Plan::new(limit, window, DEFAULT_LATENCY).unwrap().settings();
    let (took, _) = simulation.run(&what, jobs, OUTAGE).await;
    // Few jobs have several attempts behind them, and wait for the longest back-off.
    assert!(took < OUTAGE + Duration::from_mins(10), "{what}: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn plan_for_30_000_per_minute_stays_below_the_in_flight_quota() {
    large_plan(30_000, 40_000, Outcome::Throttled).await;
    large_plan(30_000, 40_000, Outcome::Transient { code: "503".to_owned() }).await;
}

#[tokio::test(start_paused = true)]
async fn plan_for_100_000_per_minute_stays_below_the_in_flight_quota() {
    large_plan(100_000, 130_000, Outcome::Throttled).await;
}
