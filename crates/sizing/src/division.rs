//! One provider's limit, divided among several stacks that share no state.
//!
//! Each stack keeps its own limit in any window (docs/pacing.md). The limits add up to the provider's, so all stacks
//! together keep that one in any window of the same length.

use std::{cmp::Reverse, collections::BTreeSet, num::NonZeroU32, str::FromStr, time::Duration};

use pacer::{SendLimit, Window};

use crate::{Invalid, Plan};

/// A stack and its weight: `eu=2`, or `eu` for a weight of 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// What the stack is called in the division.
    pub stack: String,
    /// Its part of the sum of all weights.
    pub weight: NonZeroU32,
}

impl FromStr for Weight {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const PROBLEM: &str = "must be STACK or STACK=WEIGHT, with a whole number from 1 on";
        let (stack, weight) = text.trim().split_once('=').unwrap_or((text.trim(), "1"));
        let weight = weight.parse().map_err(|_| PROBLEM)?;
        if stack.is_empty() { Err(PROBLEM) } else { Ok(Self { stack: stack.to_owned(), weight }) }
    }
}

/// The plan for a stack's part of the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct StackPlan {
    pub stack: String,
    pub plan: Plan,
}

/// The limit cannot be divided in this way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DivisionError {
    #[error("no stack is named")]
    NoStack,
    #[error("the stack {0} is named twice")]
    NamedTwice(String),
    #[error(
        "of {limit}, nothing is left for the stack {stack}: give it a larger weight, or name fewer stacks"
    )]
    Nothing { stack: String, limit: SendLimit },
    #[error("stack {stack}, with {share} of the limit: {why}")]
    NoPlan { stack: String, share: SendLimit, why: Invalid },
}

/// Divides `limit` by weights, and plans each part. A stack's part is its exact part, rounded up or down to a whole number;
/// the parts add up to `limit`.
///
/// # Errors
///
/// A stack is named twice, or its part is too small or too large for a plan.
pub fn divide(
    limit: SendLimit,
    window: Window,
    latency: Duration,
    weights: &[Weight],
) -> Result<Vec<StackPlan>, DivisionError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = weights.iter().find(|weight| !names.insert(&weight.stack)) {
        return Err(DivisionError::NamedTwice(twice.stack.clone()));
    }
    if weights.is_empty() {
        return Err(DivisionError::NoStack);
    }
    let plan = |(weight, share): (&Weight, u32)| {
        let stack = weight.stack.clone();
        let Ok(share) = SendLimit::new(share) else {
            return Err(DivisionError::Nothing { stack, limit });
        };
        match Plan::new(share, window, latency) {
            Ok(plan) => Ok(StackPlan { stack, plan }),
            Err(why) => Err(DivisionError::NoPlan { stack, share, why }),
        }
    };
    weights.iter().zip(shares(limit.get(), weights)).map(plan).collect()
}

/// The method of the largest remainder: each exact part rounded down, and one more for those that lost most by it.
fn shares(limit: u32, weights: &[Weight]) -> Vec<u32> {
    let total: u64 = weights.iter().map(|weight| u64::from(weight.weight.get())).sum();
    let exact = |weight: &Weight| u64::from(limit) * u64::from(weight.weight.get());
    let down = |weight| u32::try_from(exact(weight) / total).unwrap_or(limit);
    let mut shares: Vec<u32> = weights.iter().map(down).collect();
    let left = limit - shares.iter().sum::<u32>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&n| Reverse(exact(&weights[n]) % total));
    for n in by_remainder.into_iter().take(left as usize) {
        shares[n] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEFAULT_LATENCY;

    fn weights(text: &str) -> Vec<Weight> {
        text.split(',').map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn parts_are_rounded_so_that_they_add_up() {
        for (limit, stacks, expected) in [
            (300, "a,b,c", &[100, 100, 100][..]),
            (100, "a,b,c", &[34, 33, 33]),
            (300, "eu=2,us=1", &[200, 100]),
            (10, "a=1,b=1,c=4", &[2, 2, 6]),
            (u32::MAX, "a=4294967295,b=4294967295", &[2_147_483_648, 2_147_483_647]),
        ] {
            assert_eq!(shares(limit, &weights(stacks)), expected, "{limit} {stacks}");
        }
    }

    #[test]
    fn error_names_the_stack() {
        let minute = Window::from_secs(60).unwrap();
        for (limit, stacks, expected) in [
            (300, "a,b,a", "the stack a is named twice"),
            (5, "a=1,b=100", "of 5, nothing is left for the stack a"),
            (5, "a,b,c", "stack c, with 1 of the limit: SendLimit: must be at least 2"),
        ] {
            let limit = SendLimit::new(limit).unwrap();
            let error = divide(limit, minute, DEFAULT_LATENCY, &weights(stacks)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        assert_eq!(
            divide(SendLimit::new(5).unwrap(), minute, DEFAULT_LATENCY, &[]),
            Err(DivisionError::NoStack)
        );
    }

    #[test]
    fn weight_is_a_whole_number_and_one_if_it_is_missing() {
        assert_eq!(weights("eu, us=2")[0].weight.get(), 1);
        for text in ["", "=2", "eu=0", "eu=1.5", "eu=-1", "eu="] {
            assert!(text.parse::<Weight>().is_err(), "{text}");
        }
    }
}
