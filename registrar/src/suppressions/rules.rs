//! The rules: SES's list and our copy of it, as one list.

use std::collections::HashMap;

use adapters::tables::{Suppressed, SuppressionsTable};
use email::{EmailAddress, suppression::SuppressionCause};
use serde::Serialize;
use time::OffsetDateTime;

use crate::ses_list::Listed;

/// Where a suppression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum On {
    Both,
    /// Our copy does not have it: the next email uses a permit, and is reported as bounced.
    SesOnly,
    /// The worker removes it when it next finds the recipient there, and sends.
    CopyOnly,
}

impl On {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::SesOnly => "SES only",
            Self::CopyOnly => "copy only",
        }
    }
}

/// Who added it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    Operator,
    /// SES, or an event of SES.
    Ses,
}

impl Origin {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Ses => "SES",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Suppression {
    /// The address; only its digest, if SES does not list it.
    pub(crate) recipient: String,
    pub(crate) on: On,
    pub(crate) origin: Origin,
    pub(crate) cause: SuppressionCause,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) since: OffsetDateTime,
    /// An operator's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Both lists as one, by time.
pub(crate) fn together(listed: Vec<Listed>, copies: Vec<Suppressed>) -> Vec<Suppression> {
    let mut copies: HashMap<String, Suppressed> =
        copies.into_iter().map(|copy| (copy.recipient.clone(), copy)).collect();
    let mut all: Vec<Suppression> = listed
        .into_iter()
        .map(|listed| {
            let address = listed.address.parse::<EmailAddress>();
            let copy =
                address.ok().and_then(|address| copies.remove(&SuppressionsTable::key(&address)));
            let on = if copy.is_some() { On::Both } else { On::SesOnly };
            let reason = copy.and_then(|copy| copy.reason);
            Suppression {
                recipient: listed.address,
                on,
                origin: origin(reason.as_ref()),
                cause: listed.cause,
                since: listed.since,
                reason,
            }
        })
        .collect();
    all.extend(copies.into_values().map(|copy| Suppression {
        recipient: copy.recipient,
        on: On::CopyOnly,
        origin: origin(copy.reason.as_ref()),
        cause: copy.cause,
        since: copy.since,
        reason: copy.reason,
    }));
    all.sort_by(|one, other| (one.since, &one.recipient).cmp(&(other.since, &other.recipient)));
    all
}

fn origin(reason: Option<&String>) -> Origin {
    if reason.is_some() { Origin::Operator } else { Origin::Ses }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn listed(address: &str, seconds: i64) -> Listed {
        let cause = SuppressionCause::Complaint;
        Listed { address: address.to_owned(), cause, since: at(seconds) }
    }

    fn copy(address: &str, seconds: i64, reason: Option<&str>) -> Suppressed {
        Suppressed {
            recipient: SuppressionsTable::key(&address.parse().unwrap()),
            cause: SuppressionCause::Bounce,
            since: at(seconds),
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn recipient_on_both_lists_is_one_line_with_the_cause_of_ses() {
        let lists = together(
            vec![listed("ada@example.com", 2), listed("bob@example.com", 1)],
            vec![
                copy("Ada@example.com", 3, Some("asked for it")),
                copy("eve@example.com", 4, None),
            ],
        );
        let [bob, ada, eve] = lists.try_into().unwrap();
        assert_eq!((bob.on, bob.origin, bob.since), (On::SesOnly, Origin::Ses, at(1)));
        assert_eq!((ada.on, ada.origin), (On::Both, Origin::Operator));
        assert_eq!((ada.cause, ada.since), (SuppressionCause::Complaint, at(2)));
        assert_eq!(ada.reason.as_deref(), Some("asked for it"));
        assert_eq!((eve.on, eve.cause), (On::CopyOnly, SuppressionCause::Bounce));
        assert!(!eve.recipient.contains('@'), "the copy has no addresses");
    }
}
