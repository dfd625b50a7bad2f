//! The breaker: rejections in a row stop sending, before they have turned the whole queue into dead letters.
//!
//! A rejection is about one email, unless the provider rejects every email and does not say so: a broken sender, a
//! broken configuration set. Then one rejection follows the other. The breaker opens after [`MAX_REJECTIONS`] of one
//! error code, to different recipients, without an accepted email in between.
//!
//! The number: if one email in 20 is rejected for itself, which is more than the bounces that SES reviews an account
//! for, a run of 10 begins once in 20^10 = 10^13 emails. If a caller enqueues nine bad addresses in a row, nothing stops.
//! A false alarm costs 5 minutes: the hold ends on probation.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use time::OffsetDateTime;

use crate::address::EmailAddress;

/// The rejections in a row that open the breaker.
pub const MAX_REJECTIONS: usize = 10;
/// As [`MAX_REJECTIONS`], from the end of a hold for rejections until the first accepted email.
pub const MAX_REJECTIONS_ON_PROBATION: usize = 3;

/// The rejections in a row that one worker has seen.
#[derive(Debug, Default)]
pub struct Breaker {
    /// The error code of the rejections in a row.
    code: String,
    /// Digests of their recipients.
    recipients: HashSet<u64>,
    /// Whether the batch in progress has opened it.
    open: bool,
    /// Whether a hold for rejections has ended, and no email was accepted since.
    on_probation: bool,
    /// The end of a hold that `on_probation` already knows.
    known_end: Option<OffsetDateTime>,
}

impl Breaker {
    /// A batch begins. `probation` is [`Holds::probation`](super::Holds::probation).
    pub fn begin(&mut self, probation: Option<OffsetDateTime>) {
        self.open = false;
        if probation.is_some() && probation != self.known_end {
            self.known_end = probation;
            self.on_probation = true;
            self.forget();
        }
    }

    /// An email was accepted.
    pub fn accepted(&mut self) {
        self.on_probation = false;
        self.forget();
    }

    /// An email was rejected. Whether the breaker is open: then the email most likely is not to blame, and should be
    /// retried after the hold.
    pub fn rejected(&mut self, code: &str, recipient: &EmailAddress) -> bool {
        if self.open {
            return true;
        }
        if self.code != code {
            self.forget();
            code.clone_into(&mut self.code);
        }
        let mut digest = DefaultHasher::new();
        recipient.hash(&mut digest);
        self.recipients.insert(digest.finish());
        let max = if self.on_probation { MAX_REJECTIONS_ON_PROBATION } else { MAX_REJECTIONS };
        if self.recipients.len() >= max {
            self.open = true;
            // Also if the hold cannot be recorded.
            self.on_probation = true;
            self.forget();
        }
        self.open
    }

    fn forget(&mut self) {
        self.code.clear();
        self.recipients.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODE: &str = "MessageRejected";
    const ENDED: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn recipient(n: usize) -> EmailAddress {
        format!("r-{n}@example.com").parse().unwrap()
    }

    /// How many rejections, of different recipients, open it.
    fn opens_after(breaker: &mut Breaker) -> usize {
        (1..=100).find(|&n| breaker.rejected(CODE, &recipient(n))).unwrap()
    }

    #[test]
    fn rejections_in_a_row_open_it_also_across_batches() {
        assert_eq!(opens_after(&mut Breaker::default()), MAX_REJECTIONS);
        let mut breaker = Breaker::default();
        for n in 1..MAX_REJECTIONS {
            breaker.begin(None);
            assert!(!breaker.rejected(CODE, &recipient(n)));
        }
        breaker.begin(None);
        assert!(breaker.rejected(CODE, &recipient(0)));
        assert!(breaker.rejected("Another", &recipient(0)), "open for the rest of the batch");
    }

    #[test]
    fn accepted_email_another_code_or_the_same_recipient_does_not_make_a_row() {
        let mut breaker = Breaker::default();
        for n in 0..100 {
            assert!(!breaker.rejected(CODE, &recipient(1)), "one recipient");
            if n % 9 == 8 {
                breaker.accepted();
            }
        }
        breaker.accepted();
        for n in 0..100 {
            assert!(!breaker.rejected(CODE, &recipient(n)));
            if n % 9 == 8 {
                breaker.accepted();
            }
        }
        breaker.accepted();
        for n in 0..100 {
            let code = if n % 9 == 8 { "BadRequestException" } else { CODE };
            assert!(!breaker.rejected(code, &recipient(n)));
        }
    }

    #[test]
    fn few_rejections_after_a_hold_open_it_again_until_an_email_is_accepted() {
        let mut other = Breaker::default();
        other.begin(Some(ENDED));
        assert_eq!(opens_after(&mut other), MAX_REJECTIONS_ON_PROBATION, "another worker's hold");
        // The hold could not be recorded.
        other.begin(None);
        assert_eq!(opens_after(&mut other), MAX_REJECTIONS_ON_PROBATION);
        other.begin(Some(ENDED));
        other.accepted();
        other.begin(Some(ENDED));
        assert_eq!(opens_after(&mut other), MAX_REJECTIONS);
        other.accepted();
        other.begin(Some(ENDED + std::time::Duration::from_mins(10)));
        assert_eq!(opens_after(&mut other), MAX_REJECTIONS_ON_PROBATION, "another end");
    }

    proptest! {
        /// Whatever happens in between: it opens exactly at a row that is long enough.
        #[test]
        fn it_opens_at_a_row_and_never_before(
            events in proptest::collection::vec((0_u8..4, 0_usize..30), 1..200),
        ) {
            let mut breaker = Breaker::default();
            let (mut row, mut max) = (HashSet::new(), MAX_REJECTIONS);
            for (what, n) in events {
                if what == 0 {
                    breaker.accepted();
                    (row, max) = (HashSet::new(), MAX_REJECTIONS);
                    continue;
                }
                row.insert(n);
                let opens = row.len() >= max;
                prop_assert_eq!(breaker.rejected(CODE, &recipient(n)), opens);
                if opens {
                    breaker.begin(None);
                    (row, max) = (HashSet::new(), MAX_REJECTIONS_ON_PROBATION);
                }
            }
        }
    }
}
