//! What operators did to an enrollment, and what the payment provider reported: an append-only list in its item.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    payment::ProviderObjectId,
    text::{self, InvalidLine, checked_text},
};

/// Maximum entries before an operator's next action is refused. An entry has at most 3 KB: 700 bytes of
/// [`Actor`], 2,000 of [`Reason`], and the rest. So the history stays below 300 KB, and the item below
/// DynamoDB's maximum of 400 KB (Developer Guide, "Constraints in Amazon DynamoDB"). Nothing is dropped.
pub const MAX_ENTRIES: usize = 100;

/// Maximum entries before entries of the payment provider are no longer added. These have at most 500 bytes. Each
/// report of the provider is logged, whether it is added or not.
pub const MAX_ENTRIES_WITH_PROVIDER: usize = 2 * MAX_ENTRIES;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 700 visible ASCII characters")]
pub struct InvalidActor;

checked_text! {
    /// Who acted: an operator's ARN, `resumer`, or `stripe`. The longest ARN of IAM has a path of 512 characters and a
    /// name of 64 (IAM User Guide, "IAM and AWS STS quotas").
    Actor, InvalidActor, |text| {
        let fits = (1..=700).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| text.to_owned()).ok_or(InvalidActor)
    }
}

impl Actor {
    /// # Panics
    ///
    /// Never: the literal is visible ASCII.
    pub(crate) fn resumer() -> Self {
        "resumer".parse().expect("visible ASCII")
    }

    /// # Panics
    ///
    /// Never: the literal is visible ASCII.
    pub(crate) fn provider() -> Self {
        "stripe".parse().expect("visible ASCII")
    }
}

checked_text! {
    /// Why an operator acted: one line of 1 to 500 characters.
    Reason, InvalidLine, |text| text::line(text, Reason::MAX_LENGTH),
    stored: |text| text::stored_line(text, Reason::MAX_LENGTH)
}

impl Reason {
    /// In characters.
    pub const MAX_LENGTH: usize = 500;
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Access without a payment.
    Granted,
    Unenrolled,
    UnenrolledWithRefund,
    /// A refund that keeps the access.
    RefundStarted,
    NameCorrected,
    AddressCorrected,
    NameAndAddressCorrected,
    EmailResent,
    /// Decided; the resumer carries it out, as the two after it.
    ResolvedByGrant,
    ResolvedByRefund,
    ResolvedByFailing,
    /// The resumer found that the payment is charged, so it is not failed.
    NotFailed,
    /// The resumer found that nothing was charged, so nothing is refunded.
    NotRefunded,
    /// A part of the charge was paid back at the provider, and not by us.
    PartlyRefundedAtProvider,
    /// With this refund the whole charge was paid back at the provider, and not by us.
    RefundedAtProvider,
    /// The student disputes the charge with the bank.
    Disputed,
    DisputeWon,
    /// The bank has paid the student back.
    DisputeLost,
    /// The bank has paid the student a part back.
    DisputeLostInPart,
    /// Over without a decision about the charge.
    DisputeClosed,
    /// What said who the student was is gone.
    Forgotten,
    /// Of a later version, which is kept as it is.
    #[serde(untagged)]
    Other(String),
}

impl What {
    /// As stored and shown.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Granted => "granted",
            Self::Unenrolled => "unenrolled",
            Self::UnenrolledWithRefund => "unenrolled_with_refund",
            Self::RefundStarted => "refund_started",
            Self::NameCorrected => "name_corrected",
            Self::AddressCorrected => "address_corrected",
            Self::NameAndAddressCorrected => "name_and_address_corrected",
            Self::EmailResent => "email_resent",
            Self::ResolvedByGrant => "resolved_by_grant",
            Self::ResolvedByRefund => "resolved_by_refund",
            Self::ResolvedByFailing => "resolved_by_failing",
            Self::NotFailed => "not_failed",
            Self::NotRefunded => "not_refunded",
            Self::PartlyRefundedAtProvider => "partly_refunded_at_provider",
            Self::RefundedAtProvider => "refunded_at_provider",
            Self::Disputed => "disputed",
            Self::DisputeWon => "dispute_won",
            Self::DisputeLost => "dispute_lost",
            Self::DisputeLostInPart => "dispute_lost_in_part",
            Self::DisputeClosed => "dispute_closed",
            Self::Forgotten => "forgotten",
            Self::Other(other) => other,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub by: Actor,
    pub what: What,
    /// The payment attempt that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// `None` for what the resumer found or the provider reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The provider's refund or dispute, if the provider reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ProviderObjectId>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entry_of_a_later_version_is_kept_as_it_is() {
        let stored = json!({
            "at": "1970-01-01T00:00:00Z", "by": "arn:aws:iam::1:user/ada", "what": "moved",
            "attempt": 2, "reason": "asked for",
        });
        let entry: Entry = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(entry.what, What::Other("moved".to_owned()));
        assert_eq!(serde_json::to_value(entry).unwrap(), stored);
    }

    #[test]
    fn stored_name_is_the_shown_one() {
        for what in [
            What::Granted,
            What::Unenrolled,
            What::UnenrolledWithRefund,
            What::RefundStarted,
            What::NameCorrected,
            What::AddressCorrected,
            What::NameAndAddressCorrected,
            What::EmailResent,
            What::ResolvedByGrant,
            What::ResolvedByRefund,
            What::ResolvedByFailing,
            What::NotFailed,
            What::NotRefunded,
            What::PartlyRefundedAtProvider,
            What::RefundedAtProvider,
            What::Disputed,
            What::DisputeWon,
            What::DisputeLost,
            What::DisputeLostInPart,
            What::DisputeClosed,
            What::Forgotten,
        ] {
            assert_eq!(serde_json::to_value(&what).unwrap(), what.as_str());
            assert_eq!(serde_json::from_value::<What>(what.as_str().into()).unwrap(), what);
            assert_eq!(what.to_string(), what.as_str());
        }
    }

    #[test]
    fn full_history_fits_into_an_item() {
        let entry = Entry {
            at: OffsetDateTime::UNIX_EPOCH,
            by: "x".repeat(700).parse().unwrap(),
            what: What::NameAndAddressCorrected,
            attempt: Some(u32::MAX),
            reason: Some("\u{1f600}".repeat(500).parse().unwrap()),
            object: None,
        };
        let size = serde_json::to_vec(&entry).unwrap().len();
        // The resumer adds one entry at most for each of the operators'.
        assert!(size * (MAX_ENTRIES + 1) < 300_000, "{size}");
        let (by, what) = (Actor::provider(), What::PartlyRefundedAtProvider);
        let object = Some("x".repeat(255).parse().unwrap());
        let reported = Entry { by, what, reason: None, object, ..entry };
        let more = serde_json::to_vec(&reported).unwrap().len();
        assert!(more < 500, "{more}");
        let all = size * MAX_ENTRIES + more * (MAX_ENTRIES_WITH_PROVIDER - MAX_ENTRIES);
        assert!(all < 350_000, "{all}");
        assert_eq!(MAX_ENTRIES_WITH_PROVIDER, 200);
    }

    #[test]
    fn reason_and_actor_are_checked() {
        assert_eq!(" Asked by phone ".parse::<Reason>().unwrap().as_str(), "Asked by phone");
        for text in ["", " ", "a\nb", &"x".repeat(501)] {
            assert!(text.parse::<Reason>().is_err(), "{text:?}");
        }
        assert!("arn:aws:sts::1:assumed-role/support/ada".parse::<Actor>().is_ok());
        for text in ["", "a b", &"x".repeat(701)] {
            assert_eq!(text.parse::<Actor>(), Err(InvalidActor), "{text:?}");
        }
    }
}
