//! Selections by time and number, and what a redrive says of the letters that it leaves.

use std::{cell::Cell, future, num::NonZeroUsize, time::Duration};

use email::ledger::State;
use indicatif::ProgressBar;
use serde_json::Value;

use super::{
    Ran, failed, ids, list,
    place::{NOW, Place, Stored, body, lock, stored},
    purge, redrive, redrive_as,
};
use crate::{
    dead_letters::{
        period::Period,
        queue::VISIBILITY_TIMEOUT,
        selection::{Selection, Which},
        sweep::Sweep,
    },
    outcome::Outcome,
};

/// Letters that were kept one minute after the other, in an order that says nothing of it.
fn kept_in_turn(count: u64) -> Place {
    let minutes = (0..count).map(|n| (n * 7 + 3) % count);
    let place = Place::with(minutes.map(|minute| Stored {
        kept_at_ms: minute * 60_000,
        ..stored(&format!("m-{minute}"), &body(&format!("job-{minute}")), "Rejected")
    }));
    (0..count).for_each(|n| place.know(&format!("job-{n}"), State::Failed));
    place
}

fn kept(since: Option<u64>, until: Option<u64>) -> Selection {
    let at = |minute: Option<u64>| minute.map(|minute| NOW + Duration::from_mins(minute));
    Selection { kept: Period { since: at(since), until: at(until) }, ..Which::All.into() }
}

fn oldest(max: usize) -> Selection {
    Selection { max: NonZeroUsize::new(max), ..Which::All.into() }
}

fn objects(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn period_selects_by_when_a_letter_was_kept() {
    let place = kept_in_turn(30);
    let Ran { out, err, .. } = list(&place, kept(Some(10), Some(13)), true).await;
    let mut listed: Vec<_> = objects(&out).iter().map(|letter| letter["id"].clone()).collect();
    listed.sort_by_key(ToString::to_string);
    assert_eq!(listed, ["job-10", "job-11", "job-12"]);
    assert_eq!(err, "3 letters: 3 Rejected\n");
    assert_eq!(objects(&out)[0]["kept_at"].as_str().map(str::len), Some(20), "{out}");

    let Ran { out, .. } = purge(&place, kept(Some(28), None), true).await;
    assert!(out.contains("deleted: 2 letters; left: 0"), "{out}");
    let reason = Selection { which: Which::Reason("Rejected".to_owned()), ..kept(None, Some(2)) };
    let Ran { out, .. } = redrive(&place, reason, true).await;
    assert!(out.ends_with("redriven: 2 letters; deleted as already sent: 0; left: 0\n"), "{out}");
    assert_eq!(lock(&place.jobs).len(), 2);
    assert_eq!(place.left().len(), 26);
    assert!(place.all_visible());
}

#[tokio::test(start_paused = true)]
async fn limit_takes_the_oldest_letters_and_leaves_the_others_unchanged() {
    let place = kept_in_turn(95);
    let Ran { result, out, err } = redrive(&place, oldest(12), true).await;
    assert_eq!(result.unwrap(), Outcome::Fine);
    assert!(out.contains("redriven: 12 letters;"), "{out}");
    assert_eq!(err, "note: 83 letters beyond --limit, none of them older, were left unchanged\n");
    place.work();
    let mut expected: Vec<_> = (0..12).map(|n| format!("job-{n}")).collect();
    expected.sort();
    assert_eq!(place.sent(), expected);
    assert!(place.all_visible());

    let Ran { out, .. } = list(&place, oldest(3), true).await;
    let ids: Vec<_> = objects(&out).iter().map(|letter| letter["id"].clone()).collect();
    assert_eq!(ids, ["job-12", "job-13", "job-14"], "the oldest first");
    let Ran { out, err, .. } =
        purge(&place, Selection { max: NonZeroUsize::new(5), ..kept(Some(90), None) }, true).await;
    assert!(out.contains("deleted: 5 letters"), "{out}");
    assert_eq!(err, "");
    assert_eq!(place.left().len(), 78);
    assert!(place.all_visible());
}

#[tokio::test(start_paused = true)]
async fn letter_whose_deadline_has_passed_is_left_unless_it_is_named() {
    let expired = body("code").replace('}', r#","deadline":"2026-11-25T04:22:30Z"}"#);
    let place = Place::with([
        stored("m-1", &expired, "expired"),
        // Without a deadline of its own it has another week.
        stored("m-2", &body("plain"), "expired"),
    ]);
    let Ran { result, out, .. } = redrive(&place, Which::All, true).await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    assert!(out.contains("code  left: its deadline 2026-11-25T04:22:30Z has passed, and"), "{out}");
    assert_eq!(place.left(), ["m-1"]);
    let Ran { result, .. } = redrive(&place, ids(&["code"]), true).await;
    assert_eq!(result.unwrap(), Outcome::Fine);
    assert_eq!((lock(&place.jobs).len(), place.left().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn letters_that_were_left_are_named_at_the_end() {
    let place = failed(40);
    lock(&place.letters).insert(0, stored("m-x", "not a job", "malformed_job"));
    let Ran { out, .. } = redrive(&place, Which::All, true).await;
    let (handled, unfinished) = out.split_once("\nleft or failed:\n").unwrap();
    assert_eq!(handled.lines().count(), 40, "{handled}");
    assert!(unfinished.starts_with("m-x  left: the body is not JSON"), "{unfinished}");
    assert_eq!(unfinished.lines().count(), 2, "{unfinished}");
}

#[tokio::test(start_paused = true)]
async fn letter_that_failed_is_named_and_is_still_on_its_queue() {
    for json in [false, true] {
        let place = failed(1);
        // After the letter was received.
        place.fail_from(2, false);
        let Ran { result, out, .. } = redrive_as(&place, Which::All, true, json).await;
        assert!(result.is_err());
        if json {
            let [letter, end] = &objects(&out)[..] else { panic!("{out}") };
            assert_eq!((&letter["id"], &letter["result"]), (&"job-0".into(), &"failed".into()));
            assert_eq!(end["summary"]["failed"], 1);
        } else {
            assert!(out.contains("left or failed:\njob-0  failed: "), "{out}");
            assert!(out.ends_with("left: 0; failed: 1\n"), "{out}");
        }
        assert_eq!(place.left(), ["m-0"]);
    }
}

#[tokio::test(start_paused = true)]
async fn json_has_an_object_per_letter_and_the_totals() {
    let place = failed(2);
    lock(&place.letters).push(stored("m-x", "not a job", "malformed_job"));
    place.know("job-1", State::Delivered);
    let Ran { result, out, .. } = redrive_as(&place, Which::All, false, true).await;
    assert_eq!(result.unwrap(), Outcome::Fine, "a dry run leaves everything");
    let dry = objects(&out);
    assert_eq!(dry.last().unwrap()["summary"]["applied"], false);

    let Ran { result, out, .. } = redrive_as(&place, Which::All, true, true).await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    let all = objects(&out);
    let (end, letters) = all.split_last().unwrap();
    let of = |id: &str| letters.iter().find(|letter| letter["id"] == id).unwrap();
    assert_eq!(letters.len(), 3, "{out}");
    for (id, outcome) in [("job-0", "redriven"), ("job-1", "already_sent"), ("m-x", "left")] {
        assert_eq!(of(id)["result"], outcome, "{out}");
    }
    assert_eq!(of("job-1")["state"], "delivered");
    assert_eq!(of("m-x")["left_because"], "malformed");
    assert_eq!(of("m-x")["message_id"], "m-x");
    let summary = &end["summary"];
    assert_eq!((&summary["applied"], &summary["redriven"]), (&true.into(), &1.into()));
    assert_eq!((&summary["already_sent"], &summary["left"]), (&1.into(), &1.into()));

    let Ran { result, out, .. } = redrive_as(&place, ids(&["job-7"]), true, true).await;
    assert_eq!(result.unwrap(), Outcome::LettersLeft);
    let [missing, end] = &objects(&out)[..] else { panic!("{out}") };
    assert_eq!((&missing["id"], &missing["result"]), (&"job-7".into(), &"not_found".into()));
    assert_eq!(end["summary"]["not_found"], 1);
}

#[tokio::test(start_paused = true)]
async fn letters_that_wait_for_their_turn_stay_hidden() {
    let place = kept_in_turn(300);
    let bar = ProgressBar::hidden();
    let sweep = Sweep { queue: &place, bar: &bar, interrupted: future::pending::<()> };
    let visited = Cell::new(0);
    let report = sweep
        .visit_selected(&oldest(250), async |letters, _| {
            assert!(lock(&place.letters).iter().all(|letter| !letter.is_visible()));
            visited.set(visited.get() + letters.len());
            tokio::time::sleep(VISIBILITY_TIMEOUT * 2 / 3).await;
            Ok(())
        })
        .await;
    assert!(report.is_complete());
    assert_eq!(visited.get(), 250);
    assert!(place.all_visible());
}
