//! An operator's action, as the body of a request.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::action::{Action, Details, RefundChoice};
use crate::{
    fields::{FieldErrors, Fields},
    history::Reason,
    resolution::Resolution,
    student::StudentId,
};

/// What a request asks for. The course is in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRequest {
    pub student_id: StudentId,
    pub reason: Reason,
    pub deed: RequestedDeed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedDeed {
    /// The course's title is not part of the request.
    Grant(Details),
    Other(Action),
}

/// The field `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Grant,
    Unenroll,
    Refund,
    Correct,
    Resend,
    Resolve,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of: {0}")]
pub struct NotOneOf(&'static str);

impl FromStr for Kind {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, NotOneOf> {
        Ok(match text {
            "grant" => Self::Grant,
            "unenroll" => Self::Unenroll,
            "refund" => Self::Refund,
            "correct" => Self::Correct,
            "resend" => Self::Resend,
            "resolve" => Self::Resolve,
            _ => return Err(NotOneOf("grant, unenroll, refund, correct, resend, resolve")),
        })
    }
}

/// As in the field `refund`.
impl FromStr for RefundChoice {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, NotOneOf> {
        match text {
            "none" => Ok(Self::None),
            "full" => Ok(Self::Full),
            _ => Err(NotOneOf("none, full")),
        }
    }
}

/// The field `attempt`.
struct AttemptNumber(u32);

impl TryFrom<u64> for AttemptNumber {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        number.try_into().map(Self).map_err(|_| "is not the number of an attempt")
    }
}

/// The optional field `attempt`.
pub(super) fn attempt(fields: &mut Fields<'_>) -> Option<u32> {
    fields.optional_whole_number("attempt").map(|AttemptNumber(number)| number)
}

/// The field `resolution`.
struct How(Resolution);

impl FromStr for How {
    type Err = NotOneOf;

    fn from_str(text: &str) -> Result<Self, NotOneOf> {
        [Resolution::Grant, Resolution::Refund, Resolution::Fail]
            .into_iter()
            .find(|resolution| resolution.as_str() == text)
            .map(Self)
            .ok_or(NotOneOf("grant, refund, fail"))
    }
}

impl OperatorRequest {
    /// Reads a request from the fields of its body.
    ///
    /// # Errors
    ///
    /// Every wrong field, with its reason. A field that the action does not have is wrong, so that none is
    /// ignored that was meant to protect something.
    pub fn from_fields(object: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let (student_id, reason) = (fields.text("student_id"), fields.text("reason"));
        let kind: Option<Kind> = fields.text("action");
        let deed = kind.and_then(|kind| {
            refuse_other_fields(&mut fields, object, kind);
            read_deed(&mut fields, kind)
        });
        let request = (|| Some(Self { student_id: student_id?, reason: reason?, deed: deed? }))();
        fields.finish(request)
    }
}

fn refuse_other_fields(fields: &mut Fields<'_>, object: &Map<String, Value>, kind: Kind) {
    let own: &[&str] = match kind {
        Kind::Grant | Kind::Correct => &["name", "email"],
        Kind::Unenroll => &["attempt", "refund"],
        Kind::Refund => &["attempt"],
        Kind::Resend => &[],
        Kind::Resolve => &["resolution"],
    };
    for field in ["attempt", "refund", "name", "email", "resolution"] {
        if object.contains_key(field) && !own.contains(&field) {
            fields.add_error(field, "is not a field of this action");
        }
    }
}

fn read_deed(fields: &mut Fields<'_>, kind: Kind) -> Option<RequestedDeed> {
    let details = |fields: &mut Fields<'_>| Details {
        name: fields.optional_text("name"),
        email: fields.optional_text("email"),
    };
    Some(RequestedDeed::Other(match kind {
        Kind::Grant => return Some(RequestedDeed::Grant(details(fields))),
        Kind::Unenroll => {
            let refund = fields.optional_text("refund").unwrap_or(RefundChoice::None);
            Action::Unenroll { attempt: attempt(fields), refund }
        }
        Kind::Refund => Action::Refund { attempt: attempt(fields) },
        Kind::Correct => Action::Correct(details(fields)),
        Kind::Resend => Action::Resend,
        Kind::Resolve => {
            let How(resolution) = fields.text("resolution")?;
            Action::Resolve(resolution)
        }
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(more: Value) -> Result<RequestedDeed, FieldErrors> {
        let mut body = json!({"student_id": "s-1", "reason": "asked by phone"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = OperatorRequest::from_fields(body.as_object().unwrap())?;
        Ok(request.deed)
    }

    #[test]
    fn each_action_is_read_with_its_fields() {
        let full = json!({"action": "unenroll", "attempt": 2, "refund": "full"});
        let unenroll = Action::Unenroll { attempt: Some(2), refund: RefundChoice::Full };
        assert_eq!(read(full), Ok(RequestedDeed::Other(unenroll)));
        let kept = Action::Unenroll { attempt: None, refund: RefundChoice::None };
        for body in [json!({"action": "unenroll"}), json!({"action": "unenroll", "refund": "none"})]
        {
            assert_eq!(read(body), Ok(RequestedDeed::Other(kept.clone())));
        }
        let refund = RequestedDeed::Other(Action::Refund { attempt: Some(1) });
        assert_eq!(read(json!({"action": "refund", "attempt": 1.0})), Ok(refund));
        let resolve = RequestedDeed::Other(Action::Resolve(Resolution::Fail));
        assert_eq!(read(json!({"action": "resolve", "resolution": "fail"})), Ok(resolve));
        let details = Details { name: Some("Ada".parse().unwrap()), email: None };
        let correct = RequestedDeed::Other(Action::Correct(details.clone()));
        assert_eq!(read(json!({"action": "correct", "name": "Ada"})), Ok(correct));
        let grant = json!({"action": "grant", "name": "Ada"});
        assert_eq!(read(grant), Ok(RequestedDeed::Grant(details)));
        let resend = read(json!({"action": "resend"}));
        assert_eq!(resend, Ok(RequestedDeed::Other(Action::Resend)));
    }

    #[test]
    fn every_wrong_field_is_named_and_none_is_ignored() {
        let named = |more: Value| read(more).unwrap_err().into_keys().collect::<Vec<_>>();
        assert_eq!(named(json!({"action": "delete"})), ["action"]);
        assert_eq!(named(json!({"action": "resolve"})), ["resolution"]);
        assert_eq!(named(json!({"action": "resend", "attempt": 1})), ["attempt"]);
        assert_eq!(named(json!({"action": "refund", "attempt": "1"})), ["attempt"]);
        assert_eq!(named(json!({"action": "refund", "attempt": 4_294_967_296_u64})), ["attempt"]);
        let wrong = json!({"action": "unenroll", "refund": "half", "name": "Ada", "reason": ""});
        assert_eq!(named(wrong), ["name", "reason", "refund"]);
    }
}
