//! All letters that match, as the console handles them.

use std::{future, sync::atomic::Ordering::Relaxed};

use email::{dead_letter::OUTCOME_UNKNOWN, ledger::State};

use super::{
    failed,
    place::{Place, body, lock, stored},
};
use crate::{
    dead_letters::{
        matching::{Action, Applied, DeadLetters, Handled, HandledLetters},
        selection::{Selection, Which},
    },
    outcome::Failure,
};

fn letters(place: &Place) -> DeadLetters<'_, Place, fn() -> future::Pending<()>> {
    DeadLetters { queue: place, interrupted: future::pending::<()> as fn() -> _ }
}

async fn apply(
    place: &Place,
    action: Action,
    selection: &Selection,
    confirmed: usize,
) -> Result<Applied, Failure> {
    letters(place).apply(action, selection, confirmed, (place, place)).await
}

fn done(applied: Applied) -> HandledLetters {
    let Applied::Done(handled) = applied else { panic!("{applied:?}") };
    handled
}

fn left(handled: &HandledLetters) -> Vec<&Handled> {
    handled.letters.iter().filter(|letter| letter.left).collect()
}

#[tokio::test(start_paused = true)]
async fn list_and_details_change_nothing_and_the_list_has_no_address() {
    let place = failed(25);
    lock(&place.letters).push(stored("m-x", "who@example.com is not a job", "malformed_job"));
    let listed = letters(&place).list(&Which::All.into()).await.unwrap();
    assert_eq!(listed.len(), 26);
    assert!(!format!("{listed:?}").contains('@'), "{listed:?}");
    let some = letters(&place).list(&Which::Reason("malformed_job".into()).into()).await.unwrap();
    assert_eq!(some.len(), 1);
    let details = letters(&place).details("job-3", &place).await.unwrap();
    assert_eq!(details.len(), 1);
    assert!(details[0].body.contains("ada@example.com"), "{details:?}");
    assert_eq!(details[0].ledger.as_ref().unwrap()["state"], "failed");
    assert!(letters(&place).details("nothing", &place).await.unwrap().is_empty());
    assert!(place.all_visible());
}

#[tokio::test(start_paused = true)]
async fn preview_counts_and_changes_nothing() {
    let place = failed(3);
    place.know("job-0", State::Sent);
    place.know("job-1", State::Unknown);
    let preview = letters(&place)
        .preview(Action::Redrive, &Which::All.into(), (&place, &place))
        .await
        .unwrap();
    assert_eq!(preview.len(), 3);
    let left: Vec<_> = preview.iter().filter(|letter| letter.left).map(|l| &*l.id).collect();
    assert_eq!(left, ["job-1"]);
    let purge =
        letters(&place).preview(Action::Purge, &Which::All.into(), (&place, &place)).await.unwrap();
    assert!(purge.iter().all(|letter| !letter.left && letter.text.starts_with("would be")));
    assert_eq!((place.left().len(), lock(&place.jobs).len()), (3, 0));
    assert!(place.all_visible());
}

#[tokio::test(start_paused = true)]
async fn redrive_of_what_was_confirmed_names_each_letter_that_is_left() {
    let place = failed(12);
    place.know("job-4", State::Sending);
    place.know("job-7", State::Unknown);
    let handled = done(apply(&place, Action::Redrive, &Which::All.into(), 12).await.unwrap());
    assert_eq!((handled.letters.len(), handled.failure.as_ref()), (12, None));
    let left = left(&handled);
    assert_eq!(left.iter().map(|letter| &*letter.id).collect::<Vec<_>>(), ["job-4", "job-7"]);
    assert!(left[1].text.contains("may have been sent"), "{left:?}");
    place.work();
    assert_eq!(place.sent().len(), 10);
    assert_eq!(place.left().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_changed_if_more_match_than_were_confirmed() {
    for action in [Action::Redrive, Action::Purge] {
        let place = failed(12);
        let applied = apply(&place, action, &Which::All.into(), 11).await.unwrap();
        assert_eq!(applied, Applied::Grown { now: 12 });
        assert_eq!((place.left().len(), lock(&place.jobs).len()), (12, 0));
        assert!(place.all_visible());
        // Fewer are fine: another operator may have handled some.
        let handled = done(apply(&place, action, &Which::All.into(), 13).await.unwrap());
        assert_eq!(handled.letters.len(), 12);
    }
}

#[tokio::test(start_paused = true)]
async fn purge_deletes_what_matches_and_names_what_it_could_not_delete() {
    let place = failed(3);
    lock(&place.letters).push(stored("m-x", &body("job-x"), OUTCOME_UNKNOWN));
    let unknown: Selection = Which::Reason(OUTCOME_UNKNOWN.to_owned()).into();
    let handled = done(apply(&place, Action::Purge, &unknown, 1).await.unwrap());
    assert_eq!(left(&handled), [] as [&Handled; 0]);
    assert_eq!(place.left(), ["m-0", "m-1", "m-2"]);

    place.sticky.store(true, Relaxed);
    let handled = done(apply(&place, Action::Purge, &Which::All.into(), 3).await.unwrap());
    let left = left(&handled);
    assert_eq!(left.len(), 3);
    assert!(left[0].text.starts_with("left: it could not be deleted"), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn failed_call_ends_the_action_and_what_was_done_before_it_is_named() {
    // From the second receive on, while the letters are counted.
    let place = failed(3);
    place.fail_from(2, false);
    apply(&place, Action::Redrive, &Which::All.into(), 3).await.unwrap_err();
    assert_eq!(place.left().len(), 3);

    for call in 3..40 {
        let place = failed(3);
        place.fail_from(call, false);
        let Ok(applied) = apply(&place, Action::Redrive, &Which::All.into(), 3).await else {
            continue;
        };
        let handled = done(applied);
        let done = handled.letters.iter().filter(|letter| !letter.left).count();
        assert_eq!(done, 3 - place.left().len(), "call {call}: {handled:?}");
        assert!(done == 3 || handled.failure.is_some(), "call {call}: {handled:?}");
    }
}
