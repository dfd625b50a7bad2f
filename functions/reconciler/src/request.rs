//! What a run is asked for. The schedule's event asks for nothing, and gets what is configured.

use std::{num::NonZeroU8, str::FromStr};

use enrollment::payment::IntentId;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a whole number from 1 to {}", Days::MAX)]
pub struct InvalidDays;

/// How many days back payments are compared: 1 to [`Days::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(NonZeroU8);

impl Days {
    pub const MAX: u8 = 30;

    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl TryFrom<u64> for Days {
    type Error = InvalidDays;

    fn try_from(days: u64) -> Result<Self, Self::Error> {
        let days = u8::try_from(days).ok().filter(|days| *days <= Self::MAX);
        days.and_then(NonZeroU8::new).map(Self).ok_or(InvalidDays)
    }
}

impl FromStr for Days {
    type Err = InvalidDays;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<u64>().map_err(|_| InvalidDays)?.try_into()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub days: Days,
    /// Where an earlier run ended, with the same `days`.
    pub after: Option<IntentId>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {why}")]
pub struct InvalidRequest {
    field: &'static str,
    why: String,
}

impl Request {
    /// Reads an event; other fields, such as those of the schedule's, are ignored.
    ///
    /// # Errors
    ///
    /// A field is wrong, which is named.
    pub fn read(event: &Value, configured: Days) -> Result<Self, InvalidRequest> {
        let invalid = |field, why: &dyn ToString| InvalidRequest { field, why: why.to_string() };
        if !event.is_object() {
            return Err(invalid("event", &"is not an object"));
        }
        let days = match &event["days"] {
            Value::Null => configured,
            days => {
                let days = days.as_u64().ok_or(InvalidDays).and_then(Days::try_from);
                days.map_err(|why| invalid("days", &why))?
            }
        };
        let after = match &event["after"] {
            Value::Null => None,
            after => {
                let id = after.as_str().unwrap_or_default().parse();
                let why = |why: enrollment::payment::InvalidProviderId| invalid("after", &why);
                Some(id.map_err(why)?)
            }
        };
        Ok(Self { days, after })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: &Value) -> Result<Request, String> {
        Request::read(event, "3".parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn event_of_the_schedule_gets_what_is_configured() {
        let event = include_str!("../../../events/reconcile.json");
        let request = read(&serde_json::from_str(event).unwrap()).unwrap();
        assert_eq!((request.days.get(), request.after), (3, None));
    }

    #[test]
    fn operator_may_ask_for_other_days_and_continue() {
        let request = read(&json!({"days": 30, "after": "pi_1"})).unwrap();
        assert_eq!((request.days.get(), request.after), (30, Some("pi_1".parse().unwrap())));
    }

    #[test]
    fn wrong_field_is_named() {
        for (event, named) in [
            (json!({"days": 0}), "`days` is not a whole number from 1 to 30"),
            (json!({"days": 31}), "`days`"),
            (json!({"days": "3"}), "`days`"),
            (json!({"after": ""}), "`after`"),
            (json!({"after": "a/b"}), "`after`"),
            (json!([]), "`event`"),
            (json!(7), "`event`"),
        ] {
            let why = read(&event).unwrap_err();
            assert!(why.starts_with(named), "{why}");
        }
    }
}
