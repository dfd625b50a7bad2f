//! The messages that are hidden, over all slots. SQS counts each message that was received and not deleted, and delivers
//! none beyond 120,000 (SQS Developer Guide, "Standard queue quotas"). Then the emails that could be sent wait until
//! hidden ones become visible.
//!
//! While SES throttles, a batch ends at once. If its slot received the next one at once, and every slot did so, all
//! 120,000 would be hidden within seconds. So the invocation stays for a while and receives nothing, and the messages are
//! hidden no longer than their number allows. With the plan for 300 per minute that changes nothing; the simulation of
//! the plans for 30,000 and 100,000 per minute counts what is hidden.

use std::time::Duration;

/// SQS's quota, less a tenth for messages that fail one by one, and for what the other slots do meanwhile.
const MAX_IN_FLIGHT: u64 = 120_000 - 120_000 / 10;

/// A batch that every slot receives in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) slots: u32,
    pub(crate) messages: usize,
}

impl Load {
    /// How long messages may be hidden after an invocation of this duration: while they are, each slot receives one
    /// batch per invocation.
    pub(crate) fn max_delay(self, invocation: Duration) -> Duration {
        invocation.saturating_mul(self.spare_batches())
    }

    /// How long an invocation must last so that its messages may be hidden for this time.
    pub(crate) fn min_invocation(self, delay: Duration) -> Duration {
        delay.checked_div(self.spare_batches()).unwrap_or(Duration::MAX)
    }

    /// How many batches of each slot may be hidden beside the one in progress. Whole batches, because all slots may
    /// return theirs at the same time.
    fn spare_batches(self) -> u32 {
        let messages = u64::try_from(self.messages).unwrap_or(u64::MAX).max(1);
        let in_progress = u64::from(self.slots.max(1)).saturating_mul(messages);
        u32::try_from(MAX_IN_FLIGHT / in_progress).unwrap_or(u32::MAX).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_plan_holds_nothing_back_and_a_large_one_does() {
        let throttled = email::retry::FIRST_DELAY;
        for (slots, messages, milliseconds) in [(2, 100, 55), (20, 996, 7_500)] {
            let lasts = Load { slots, messages }.min_invocation(throttled);
            assert_eq!(lasts.as_millis(), milliseconds, "{slots}");
        }
        for (slots, messages) in [(67, 991), (1000, 1000)] {
            let load = Load { slots, messages };
            assert_eq!(load.min_invocation(throttled), Duration::MAX);
            assert_eq!(load.max_delay(throttled), Duration::ZERO);
        }
    }

    proptest! {
        #[test]
        fn hidden_messages_of_all_slots_stay_below_the_quota(
            slots in 2_u32..=1000,
            messages in 1_usize..=1000,
            seconds in 1_u64..900,
        ) {
            let (load, lasts) = (Load { slots, messages }, Duration::from_secs(seconds));
            // All slots return their batches at the same time.
            let hidden = load.max_delay(lasts).as_millis().div_ceil(lasts.as_millis());
            let in_progress = u128::from(slots) * messages as u128;
            prop_assert!(in_progress * (1 + hidden) <= in_progress.max(MAX_IN_FLIGHT.into()));
        }
    }
}
