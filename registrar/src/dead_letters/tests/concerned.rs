//! Messages that concern somebody, on any queue.

use std::{future, sync::atomic::Ordering::Relaxed};

use super::place::{Place, body, stored};
use crate::{
    dead_letters::{
        concerned::{Then, concerned},
        letter::Letter,
    },
    outcome::Failure,
};

fn place(messages: usize) -> Place {
    let letter = |n| stored(&format!("m-{n}"), &body(&format!("job-{n}")), "MessageRejected");
    Place::with((0..messages).map(letter))
}

/// Every tenth message.
fn is_wanted(letter: &Letter) -> bool {
    letter.message_id().ends_with('0')
}

#[tokio::test(start_paused = true)]
async fn concerned_messages_are_found_or_deleted_and_all_others_are_given_back() {
    let place = place(25);
    place.twice.store(true, Relaxed);
    let search = async |then| {
        let found = concerned(&place, usize::MAX, then, is_wanted, future::pending()).await;
        let found = found.unwrap();
        assert!(!found.is_cut_short && found.left.is_empty(), "{found:?}");
        assert!(place.all_visible());
        found.messages.len()
    };
    assert_eq!(search(Then::GiveBack).await, 3);
    assert_eq!(place.left().len(), 25);
    assert_eq!(search(Then::Delete).await, 3);
    assert_eq!(place.left().len(), 22);
    assert_eq!(search(Then::Delete).await, 0, "a repetition finds nothing more");
}

#[tokio::test(start_paused = true)]
async fn search_of_a_queue_that_never_ends_is_cut_short_and_says_so() {
    let place = place(25);
    let found = concerned(&place, 10, Then::Delete, is_wanted, future::pending()).await.unwrap();
    assert!(found.is_cut_short);
    assert!(place.left().len() > 22 && place.all_visible());
}

#[tokio::test(start_paused = true)]
async fn message_that_is_not_deleted_is_reported() {
    let place = place(1);
    place.sticky.store(true, Relaxed);
    let found = concerned(&place, 9, Then::Delete, is_wanted, future::pending()).await.unwrap();
    assert_eq!((found.messages.len(), found.left.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn interrupted_or_failed_search_gives_back_what_it_received() {
    let place = place(25);
    let interrupted = concerned(&place, 99, Then::Delete, is_wanted, future::ready(())).await;
    assert!(matches!(interrupted, Err(Failure::Interrupted)) || interrupted.is_ok());
    assert!(place.all_visible());
    place.fail_from(2, false);
    let failed = concerned(&place, 99, Then::Delete, is_wanted, future::pending()).await;
    assert!(matches!(failed, Err(Failure::Call(_))), "{failed:?}");
}
