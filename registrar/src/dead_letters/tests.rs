//! The commands against queues and a ledger in memory.
#![expect(clippy::disallowed_methods, reason = "tests pause the clock and wait on it")]

mod concerned;
mod filters;
mod matching;
mod place;
mod search;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use email::{dead_letter::OUTCOME_UNKNOWN, ledger::State};
use indicatif::ProgressBar;
use proptest::prelude::*;

pub(super) use self::place::{NOW, letter};
use self::place::{Place, Stored, body, lock, stored};
use super::{
    list,
    output::Output,
    purge,
    queue::VISIBILITY_TIMEOUT,
    redrive,
    selection::{Selection, Which},
    show,
    sweep::Sweep,
};
use crate::outcome::{Failure, Outcome};

/// The result of a command, and its output.
struct Ran {
    result: Result<Outcome, Failure>,
    out: String,
    err: String,
}

async fn ran<T>(
    place: &Place,
    command: impl AsyncFnOnce(
        &Sweep<'_, Place, fn() -> future::Pending<()>>,
        &Output<'_, Vec<u8>>,
        &mut Vec<u8>,
    ) -> T,
) -> (T, String, String) {
    let bar = ProgressBar::hidden();
    let sweep = Sweep { queue: place, bar: &bar, interrupted: future::pending::<()> as fn() -> _ };
    let out = Output { writer: RefCell::new(Vec::new()), bar: &bar };
    let mut err = Vec::new();
    let result = command(&sweep, &out, &mut err).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (result, text(out.writer.into_inner()), text(err))
}

async fn redrive(place: &Place, selection: impl Into<Selection>, apply: bool) -> Ran {
    redrive_as(place, selection, apply, false).await
}

async fn redrive_as(
    place: &Place,
    selection: impl Into<Selection>,
    apply: bool,
    json: bool,
) -> Ran {
    let selection = selection.into();
    let (result, out, err) = ran(place, async |sweep, out, err| {
        let report = redrive::Report::new(out, apply, json);
        redrive::run(&selection, sweep, (place, place), &report, err).await
    })
    .await;
    Ran { result, out, err }
}

async fn purge(place: &Place, selection: impl Into<Selection>, apply: bool) -> Ran {
    let selection = selection.into();
    let (result, out, err) =
        ran(place, async |sweep, out, err| purge::run(&selection, apply, sweep, out, err).await)
            .await;
    Ran { result, out, err }
}

async fn list(place: &Place, selection: impl Into<Selection>, json: bool) -> Ran {
    let selection = selection.into();
    let (result, out, err) =
        ran(place, async |sweep, out, err| list::run(&selection, json, sweep, out, err).await)
            .await;
    Ran { result, out, err }
}

async fn show(place: &Place, id: &str) -> Ran {
    let (result, out, err) =
        ran(place, async |sweep, out, err| show::run(id, sweep, place, out, err).await).await;
    Ran { result, out, err }
}

fn ids(ids: &[&str]) -> Which {
    Which::Ids(ids.iter().map(|&id| id.to_owned()).collect())
}

fn failed(count: usize) -> Place {
    let place = Place::with(
        (0..count).map(|n| stored(&format!("m-{n}"), &body(&format!("job-{n}")), "Rejected")),
    );
    (0..count).for_each(|n| place.know(&format!("job-{n}"), State::Failed));
    place
}

#[tokio::test(start_paused = true)]
async fn list_has_each_letter_once_and_no_address() {
    let place = failed(25);
    place.twice.store(true, Relaxed);
    lock(&place.letters).push(stored("m-x", "who@example.com is not a job", "malformed_job"));
    lock(&place.letters)
        .push(Stored { attributes: BTreeMap::new(), ..stored("m-y", &body("job-y"), "") });

    let Ran { result, out, .. } = list(&place, Which::All, false).await;
    assert_eq!(result.unwrap(), Outcome::Fine);
    assert_eq!(out.lines().count(), 1 + 27 + 1, "{out}");
    assert!(out.contains("\njob-y  "), "{out}");
    assert!(out.contains("\nm-x  "), "{out}");
    assert!(!out.contains('@'), "{out}");
    assert!(out.contains("2026-11-25T04:19Z  1970-01-01T00:00Z  "), "{out}");
    assert!(
        out.ends_with("27 letters: 25 Rejected, 1 malformed_job, 1 too_many_receives\n"),
        "{out}"
    );
    assert!(place.all_visible());

    let Ran { out, err, .. } =
        list(&place, Which::Reason("too_many_receives".to_owned()), true).await;
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&line["id"], &line["message_id"]), (&"job-y".into(), &"m-y".into()));
    assert!(line.get("attempts").is_none(), "{line}");
    assert_eq!(err, "1 letter: 1 too_many_receives\n");
}

#[tokio::test(start_paused = true)]
async fn show_finds_a_letter_by_each_of_its_ids() {
    let place = failed(2);
    for id in ["job-1", "m-1", "original of m-1"] {
        let Ran { result, out, .. } = show(&place, id).await;
        assert_eq!(result.unwrap(), Outcome::Fine);
        for expected in [
            "letter m-1\n",
            "  error_code        Rejected\n",
            "  SentTimestamp  1970-01-01T00:00:01Z\n",
            "  state             failed\n",
            "  \"to\": \"ada@example.com\"",
        ] {
            assert!(out.contains(expected), "no {expected} in {out}");
        }
        assert!(!out.contains("m-0"), "{out}");
    }
    let Ran { result, err, .. } = show(&place, "job-7").await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    assert_eq!(err, "no dead letter has the id job-7\n");
}

#[tokio::test(start_paused = true)]
async fn dry_run_changes_nothing() {
    let place = failed(12);
    let before = place.ledger.rows().clone();
    let Ran { result, out, .. } = redrive(&place, Which::All, false).await;
    assert_eq!(result.unwrap(), Outcome::Fine);
    assert!(out.contains("job-3  would be put back on the queue (was Rejected)\n"), "{out}");
    assert!(out.ends_with("nothing was changed, --apply makes the changes\n"), "{out}");
    let Ran { out, .. } = purge(&place, Which::All, false).await;
    assert!(out.contains("would delete 12 letters"), "{out}");

    assert_eq!(place.left().len(), 12);
    assert!(place.all_visible());
    assert_eq!((lock(&place.jobs).len(), &*place.ledger.rows()), (0, &before));
}

#[tokio::test(start_paused = true)]
async fn redrive_of_all_letters_sends_each_email_once() {
    let place = failed(95);
    place.twice.store(true, Relaxed);
    let Ran { result, out, .. } = redrive(&place, Which::All, true).await;
    assert_eq!(result.unwrap(), Outcome::Fine);
    assert!(out.ends_with("redriven: 95 letters; deleted as already sent: 0; left: 0\n"), "{out}");
    assert_eq!(lock(&place.jobs).len(), 95);
    assert!(place.left().is_empty());
    place.work();
    assert_eq!(place.sent().len(), 95);

    let Ran { result, out, .. } = redrive(&place, ids(&["job-1"]), true).await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    assert!(out.starts_with("\nleft or failed:\njob-1  no dead letter has this id\n"), "{out}");
}

#[tokio::test(start_paused = true)]
async fn letters_that_cannot_be_redriven_are_left_with_the_reason() {
    let place = Place::with([
        stored("m-1", &body("sent"), "Rejected"),
        stored("m-2", &body("claimed"), "Rejected"),
        stored("m-3", "not a job", "malformed_job"),
        stored("m-4", &body("unsure"), OUTCOME_UNKNOWN),
        stored("m-5", &body("fixed"), "Rejected"),
        stored("m-6", &body("fixed"), "Rejected"),
    ]);
    place.know("sent", State::Delivered);
    place.know("claimed", State::Sending);
    place.know("unsure", State::Unknown);
    place.know("fixed", State::Failed);

    let Ran { result, out, .. } = redrive(&place, Which::All, true).await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    for expected in [
        "sent  already sent (delivered): the letter is deleted\n",
        "claimed  left: a worker has claimed it until 2200-01-01T00:00Z; retry",
        "m-3  left: the body is not JSON",
        "unsure  left: it may have been sent; to send it anyway",
        "fixed  put back on the queue (was Rejected)\n",
        "fixed  left: its job was just redriven by another letter",
        "redriven: 1 letter; deleted as already sent: 1; left: 4 (1 of them may have been sent)\n",
    ] {
        assert!(out.contains(expected), "no {expected} in {out}");
    }
    assert_eq!(place.left(), ["m-2", "m-3", "m-4", "m-6"]);
    assert!(place.all_visible());
    place.work();

    let dry = redrive(&place, ids(&["unsure"]), false).await;
    assert!(dry.out.contains("MAY SEND A SECOND EMAIL"), "{}", dry.out);
    redrive(&place, Which::Reason(OUTCOME_UNKNOWN.to_owned()), true).await.result.unwrap();
    place.work();
    assert_eq!(place.sent(), ["fixed", "unsure"]);
    assert_eq!(place.left(), ["m-2", "m-3", "m-6"]);
}

#[tokio::test(start_paused = true)]
async fn letter_that_cannot_be_deleted_is_reported_and_sends_no_second_email() {
    let place = failed(1);
    place.sticky.store(true, Relaxed);
    let Ran { result, out, .. } = redrive(&place, Which::All, true).await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    assert!(out.contains("could not be deleted (InternalError)"), "{out}");
    let Ran { result, out, .. } = purge(&place, Which::All, true).await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    assert!(out.contains("job-0  left: it could not be deleted (InternalError)\n"), "{out}");

    place.work();
    place.sticky.store(false, Relaxed);
    redrive(&place, Which::All, true).await.result.unwrap();
    place.work();
    assert_eq!((place.sent(), place.left()), (vec!["job-0".to_owned()], vec![]));
}

#[tokio::test(start_paused = true)]
async fn purge_deletes_only_the_selected_letters() {
    let place = failed(30);
    let Ran { result, out, .. } = purge(&place, ids(&["job-1", "m-2"]), true).await;
    assert_eq!(result.unwrap(), Outcome::Fine);
    assert!(
        out.ends_with("deleted: 2 letters; left: 0; the ledger keeps a job's reason for 90 days\n")
    );
    assert_eq!(place.left().len(), 28);
    assert!(place.all_visible());
    purge(&place, Which::Reason("other".to_owned()), true).await.result.unwrap();
    assert_eq!(place.left().len(), 28);
    purge(&place, Which::All, true).await.result.unwrap();
    assert_eq!(place.left().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn letters_stay_hidden_during_a_long_sweep() {
    let place = failed(20);
    let slow = Cell::new(0);
    let bar = ProgressBar::hidden();
    let sweep = Sweep { queue: &place, bar: &bar, interrupted: future::pending::<()> };
    let visited = RefCell::new(Vec::new());
    let report = sweep
        .visit_all(async |letters, _| {
            visited
                .borrow_mut()
                .extend(letters.into_iter().map(|letter| letter.receipt.message_id));
            // More letters come, slowly.
            let n = slow.get();
            if n < 8 {
                slow.set(n + 1);
                tokio::time::sleep(VISIBILITY_TIMEOUT * 2 / 3).await;
                lock(&place.letters).push(stored(&format!("new-{n}"), "{}", "malformed_job"));
            }
            Ok(())
        })
        .await;
    report.outcome(false).unwrap();
    let mut visited = visited.into_inner();
    let all = visited.len();
    visited.sort();
    visited.dedup();
    assert_eq!((visited.len(), all), (28, 28), "a letter was visited twice");
    for letter in &*lock(&place.letters) {
        assert_eq!(letter.receives, 1, "{} was not kept hidden", letter.message_id);
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_sweep_gives_back_the_received_letters() {
    let place = failed(300);
    let bar = ProgressBar::hidden();
    let asked = Cell::new(false);
    let interrupted = async || {
        if asked.replace(true) {
            future::pending::<()>().await;
        } else {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    let sweep = Sweep { queue: &place, bar: &bar, interrupted };
    let visits = Cell::new(0);
    let report = sweep
        .visit_all(async |_, _| {
            visits.set(visits.get() + 1);
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        })
        .await;
    let mut notes = Vec::new();
    report.write_notes(&mut notes).unwrap();
    assert!(notes.starts_with(b"interrupted: ") && notes.ends_with(b"are unchanged\n"));
    assert!(!report.is_complete());
    assert_eq!(report.outcome(false).unwrap(), Outcome::LettersLeft);
    assert_eq!(visits.get(), 3 * 8, "visits in progress end, and no other begins");
    assert!(place.all_visible());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whichever calls fail, no job is lost, and after another run without failures every email has been
    /// sent once.
    #[test]
    fn redrive_after_crashes_sends_every_email_once(
        count in 1usize..30,
        twice: bool,
        works_between: bool,
        crashes in proptest::collection::vec((1usize..90, any::<bool>()), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let place = failed(count);
            place.twice.store(twice, Relaxed);
            for (call, late) in crashes {
                place.fail_from(call, late);
                let _ = redrive(&place, Which::All, true).await;
                // No job is lost.
                for n in 0..count {
                    let job = format!("job-{n}");
                    let is_letter = place.left().contains(&format!("m-{n}"));
                    let is_queued = lock(&place.jobs).contains(&body(&job));
                    assert!(is_letter || is_queued || place.sent().contains(&job), "{job} is lost");
                }
                if works_between {
                    place.work();
                }
                // The letters that a crash left hidden become visible.
                tokio::time::sleep(VISIBILITY_TIMEOUT).await;
            }
            place.fail_from(0, false);
            redrive(&place, Which::All, true).await.result.unwrap();
            place.work();
            let mut all: Vec<String> = (0..count).map(|n| format!("job-{n}")).collect();
            all.sort();
            assert_eq!(place.sent(), all);
            assert!(place.left().is_empty());
        });
    }

    #[test]
    fn id_selects_its_letter_and_no_other(chosen in proptest::collection::vec(0usize..20, 1..5)) {
        let named: Vec<String> = chosen.iter().map(|n| format!("job-{n}")).collect();
        let selection = Selection::from(Which::Ids(named));
        for n in 0..20 {
            let letter = letter(&format!("m-{n}"), &format!("job-{n}"), "Rejected");
            prop_assert_eq!(selection.includes(&letter), chosen.contains(&n));
        }
    }
}
