//! The part of a batch that an invocation cannot send in time. It is returned at the start, not at the end, so that
//! another worker can send it meanwhile.
//!
//! A returned message is received again, and SQS counts it, so it is returned for as long as no slot can take it. Of a
//! batch that is too large, the messages that were received first are sent first. `testing/simulation.rs` counts the
//! receives, also with batches a thousand times too large.

use std::{cmp::Reverse, time::Duration};

use email::retry::MAX_DELAY;
use time::OffsetDateTime;

use crate::worker::Received;

/// The order in which messages are sent if not all can be: first received first, and then by receives.
pub(crate) type Seniority = (Reverse<bool>, Option<OffsetDateTime>, Reverse<u32>);

/// The seniority of a message. A message without a time comes after the others.
pub(crate) fn seniority(message: &Received) -> Seniority {
    let first = message.first_received_at;
    (Reverse(first.is_some()), first, Reverse(message.receives))
}

/// Divides a batch into what is handled now and what is returned. If more than `max` items need a permit, the `max`
/// most senior of them are handled. Items without a seniority need no permit, and are always handled.
pub(crate) fn divide<T>(
    items: Vec<T>,
    max: u128,
    seniority: impl Fn(&T) -> Option<Seniority>,
) -> (Vec<T>, Vec<T>) {
    let (mut waiting, mut handled): (Vec<T>, Vec<T>) = (Vec::new(), Vec::new());
    let need = items.iter().filter(|item| seniority(item).is_some()).count();
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    if need <= max {
        return (items, waiting);
    }
    for item in items {
        let list = if seniority(&item).is_some() { &mut waiting } else { &mut handled };
        list.push(item);
    }
    waiting.sort_by_key(&seniority);
    let surplus = waiting.split_off(max);
    handled.append(&mut waiting);
    (handled, surplus)
}

/// How long the `n`th item of the surplus (from 0) stays hidden: until a slot can take it. Each of the `slots` sends
/// `max` items in the time `lasts`, so while all are busy, one of them is free every `lasts / slots`.
///
/// If all were visible again at once, the next worker would receive them all, and again return most of them: each of a
/// thousand messages would be received a thousand times. The delay is at most [`MAX_DELAY`], so that a higher limit
/// takes effect soon.
pub(crate) fn delay(n: usize, max: u128, slots: u32, lasts: Duration) -> Duration {
    let places = (n as u128).saturating_add(max);
    let per_round = max.saturating_mul(u128::from(slots)).max(1);
    let nanos = lasts.as_nanos().saturating_mul(places) / per_round;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn received(first: Option<i64>, receives: u32) -> Received {
        Received {
            sqs_message_id: String::new(),
            receipt_handle: String::new(),
            body: String::new(),
            receives,
            sent_at: None,
            trace: None,
            was_letter: None,
            first_received_at: first.map(|at| OffsetDateTime::from_unix_timestamp(at).unwrap()),
        }
    }

    #[test]
    fn message_that_was_received_first_is_the_most_senior() {
        let order = [(Some(1), 3), (Some(2), 900), (Some(2), 1), (None, 9), (None, 1)]
            .map(|(at, n)| seniority(&received(at, n)));
        assert!(order.is_sorted());
    }

    #[test]
    fn surplus_becomes_visible_when_a_slot_is_free() {
        let lasts = Duration::from_secs(40);
        let delays = |slots| [0, 1, 2, 3, 4].map(|n| delay(n, 2, slots, lasts).as_secs());
        assert_eq!(delays(2), [20, 30, 40, 50, 60]);
        assert_eq!(delays(20), [2, 3, 4, 5, 6]);
        assert_eq!(delay(999, 1, 2, lasts), MAX_DELAY);
        assert_eq!(delay(0, 0, 2, lasts), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn handled_are_the_most_senior_and_all_that_need_no_permit(
            items in proptest::collection::vec(proptest::option::of(0_u32..5), 0..40),
            max in 0_u128..50,
        ) {
            let rank = |item: &Option<u32>| item.map(|n| (Reverse(true), None, Reverse(n)));
            let (handled, surplus) = divide(items.clone(), max, rank);
            prop_assert_eq!(handled.len() + surplus.len(), items.len());
            let need = items.iter().flatten().count() as u128;
            prop_assert_eq!(handled.iter().flatten().count() as u128, need.min(max));
            prop_assert!(surplus.iter().all(Option::is_some));
            let least = handled.iter().filter_map(rank).max();
            prop_assert!(surplus.iter().filter_map(rank).all(|rank| Some(rank) >= least));
            if surplus.is_empty() {
                prop_assert_eq!(handled, items, "in their order");
            }
        }
    }
}
