//! The order of a batch. SQS brings the jobs of a rare kind soon, while the queue is full of another (fair queues). In
//! their batch they come first too: otherwise they could wait for all of it.

use std::collections::BTreeMap;

/// Sorts by the number of items of the same kind, fewest first. Items of one kind keep their order, and those without a
/// kind come first.
pub(crate) fn rarest_kind_first<T>(items: &mut [T], kind: impl Fn(&T) -> Option<&str>) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for kind in items.iter().filter_map(&kind) {
        match counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => _ = counts.insert(kind.to_owned(), 1),
        }
    }
    items.sort_by_cached_key(|item| kind(item).map_or(0, |kind| counts[kind]));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Item = (Option<&'static str>, usize);

    fn sorted(mut items: Vec<Item>) -> Vec<Item> {
        rarest_kind_first(&mut items, |item| item.0);
        items
    }

    #[test]
    fn a_confirmation_comes_before_a_newsletter() {
        let (news, confirmation) = (Some("newsletter"), Some("confirmation"));
        let items = vec![(news, 0), (news, 1), (confirmation, 2), (None, 3), (news, 4)];
        let expected = [(None, 3), (confirmation, 2), (news, 0), (news, 1), (news, 4)];
        assert_eq!(sorted(items), expected);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_a_kind_keeps_its_order(
            kinds in proptest::collection::vec(proptest::sample::select(vec![None, Some("a"), Some("b")]), 0..20),
        ) {
            let items: Vec<Item> = kinds.into_iter().zip(0..).collect();
            let sorted = sorted(items.clone());
            for kind in [None, Some("a"), Some("b")] {
                let of = |items: &[Item]| -> Vec<_> {
                    items.iter().copied().filter(|item| item.0 == kind).collect()
                };
                prop_assert_eq!(of(&sorted), of(&items));
            }
        }
    }
}
