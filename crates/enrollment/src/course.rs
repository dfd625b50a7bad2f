//! Courses of the catalogue.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    fields::{FieldErrors, Fields},
    moment::Moment,
    money::Money,
    seats::Seats,
    text::{self, InvalidLine, checked_text},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 100 of the characters A-Z a-z 0-9 - _ .")]
pub struct InvalidCourseId;

checked_text! {
    /// A course's id: 1 to 100 of `A-Z a-z 0-9 - _ .`, beginning with a letter or digit, so that it
    /// is one plain segment of a URL's path.
    CourseId, InvalidCourseId, |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = (1..=100).contains(&text.len())
            && text.bytes().all(allowed)
            && text.as_bytes()[0].is_ascii_alphanumeric();
        fits.then(|| text.to_owned()).ok_or(InvalidCourseId)
    }
}

checked_text! {
    /// A course's title: one line of 1 to 200 characters, trimmed, in normal form C.
    Title, InvalidLine, |text| text::line(text, 200), stored: |text| text::stored_line(text, 200)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CourseState {
    Open,
    /// Takes no new students; existing enrollments stay as they are.
    Closed,
}

impl CourseState {
    pub const ALL: [Self; 2] = [Self::Open, Self::Closed];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither `open` nor `closed`")]
pub struct InvalidCourseState;

impl FromStr for CourseState {
    type Err = InvalidCourseState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(InvalidCourseState)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    #[serde(rename = "course_id")]
    pub id: CourseId,
    pub title: Title,
    #[serde(flatten)]
    pub price: Money,
    pub state: CourseState,
    /// Takes no new students before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Moment>,
    /// Takes no new students from then on. After `opens_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Moment>,
    /// How many may hold a seat at the same time; `None`: any number, and nobody holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<Seats>,
    /// The number of changes so far. An item of an earlier release has none.
    #[serde(default)]
    pub version: u32,
}

/// Why a course takes no new students at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOpen {
    #[error("this course takes no new students")]
    Closed,
    #[error("this course opens at {0}")]
    Until(Moment),
    #[error("this course closed at {0}")]
    Since(Moment),
}

impl Course {
    /// Reads a course from the fields of a request's body; the id comes from its path.
    /// It has no version yet.
    ///
    /// # Errors
    ///
    /// Every wrong field, with its reason.
    pub fn from_fields(
        id: CourseId,
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let title = fields.text("title");
        let price = Money::from_fields(&mut fields);
        let state = fields.text("state");
        let opens_at: Option<Moment> = fields.optional_text("opens_at");
        let closes_at = fields.optional_text("closes_at");
        if opens_at.is_some_and(|opens_at| closes_at.is_some_and(|at| at <= opens_at)) {
            fields.add_error("closes_at", "is not after opens_at");
        }
        let seats = fields.optional_whole_number("seats");
        let course = (|| {
            let (title, price, state) = (title?, price?, state?);
            Some(Self { id, title, price, state, opens_at, closes_at, seats, version: 0 })
        })();
        fields.finish(course)
    }

    /// Whether who begins an enrollment takes a seat.
    pub fn has_seats(&self) -> bool {
        self.seats.is_some()
    }

    /// Whether it takes new students at this time.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub fn check_open(&self, now: OffsetDateTime) -> Result<(), NotOpen> {
        if self.state == CourseState::Closed {
            return Err(NotOpen::Closed);
        }
        match (self.opens_at, self.closes_at) {
            (Some(opens_at), _) if opens_at.is_after(now) => Err(NotOpen::Until(opens_at)),
            (_, Some(closes_at)) if !closes_at.is_after(now) => Err(NotOpen::Since(closes_at)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<Course, FieldErrors> {
        let Value::Object(object) = body else { unreachable!("tests give objects") };
        Course::from_fields("rust-101".parse().unwrap(), &object)
    }

    #[test]
    fn a_course_is_read_from_flat_fields() {
        let course =
            read(json!({"title": "Rust 101", "price": 4900, "currency": "USD", "state": "open"}))
                .unwrap();
        assert!(!course.price.is_free());
        assert_eq!(
            serde_json::to_value(&course).unwrap(),
            json!({"course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open", "version": 0})
        );
    }

    /// The index of the table has the stored form as its key.
    #[test]
    fn state_is_stored_as_it_is_read() {
        for state in CourseState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(state.as_str().parse::<CourseState>().unwrap(), state);
        }
        assert!("Open".parse::<CourseState>().is_err());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors = read(json!({"title": "", "price": 1_000_000_000_000_u64, "currency": "usd"}))
            .unwrap_err();
        assert_eq!(errors["title"], "is empty, or has nothing that can be seen");
        assert_eq!(
            errors["price"],
            "is more than 999999999999, the most that can be charged in any currency"
        );
        assert_eq!(
            errors["currency"],
            "is not a currency code of three capital letters (ISO 4217)"
        );
        assert_eq!(errors["state"], "is missing");
        assert_eq!(
            read(json!({"price": 1.5})).unwrap_err()["price"],
            "is not a whole number from 0"
        );
    }

    #[test]
    fn course_is_open_from_its_opening_until_its_closing() {
        let body = json!({
            "title": "T", "price": 0, "currency": "USD", "state": "open",
            "opens_at": "1970-01-01T01:00:10+01:00", "closes_at": "1970-01-01T00:00:20Z",
        });
        let course = read(body.clone()).unwrap();
        let stored = serde_json::to_value(&course).unwrap();
        assert_eq!(stored["opens_at"], "1970-01-01T00:00:10Z");
        assert_eq!(serde_json::from_value::<Course>(stored).unwrap(), course);
        let at = |seconds| course.check_open(OffsetDateTime::from_unix_timestamp(seconds).unwrap());
        assert_eq!(at(9).unwrap_err().to_string(), "this course opens at 1970-01-01T00:00:10Z");
        assert_eq!((at(10), at(19)), (Ok(()), Ok(())));
        assert_eq!(at(20).unwrap_err().to_string(), "this course closed at 1970-01-01T00:00:20Z");
        for (closes_at, why) in [
            (json!("1970-01-01T00:00:10Z"), "is not after opens_at"),
            (json!("soon"), "is not a time of RFC 3339, such as 2027-01-31T09:00:00Z"),
            (json!(7), "is not a string"),
        ] {
            let mut body = body.clone();
            body["closes_at"] = closes_at;
            assert_eq!(read(body).unwrap_err()["closes_at"], why);
        }
        let mut closed = body;
        closed["state"] = json!("closed");
        let closed = read(closed).unwrap().check_open(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(closed, Err(NotOpen::Closed), "whatever the times");
    }

    #[test]
    fn title_that_no_email_can_carry_is_refused_and_an_earlier_one_is_read() {
        for (title, why) in [
            ("\u{ffff}Rust 101", "has a character that the email queue cannot carry (U+FFFF)"),
            ("Rust\u{2028}101", "has a line or paragraph separator (U+2028)"),
        ] {
            let body = json!({"title": title, "price": 0, "currency": "USD", "state": "open"});
            assert_eq!(read(body.clone()).unwrap_err()["title"], why);
            let mut stored = body;
            stored["course_id"] = json!("rust-101");
            let course: Course = serde_json::from_value(stored).unwrap();
            assert_eq!(course.title.as_str(), title);
        }
    }

    #[test]
    fn course_id_is_one_path_segment() {
        for text in ["", ".", "..", "-a", "a/b", "a b", "é", &"x".repeat(101)] {
            assert_eq!(text.parse::<CourseId>(), Err(InvalidCourseId), "{text:?}");
        }
        assert!("rust-101.v2_b".parse::<CourseId>().is_ok());
    }
}
