//! The catalogue's courses.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    fields::{FieldErrors, Fields},
    text::{self, InvalidLine, checked_text},
};

/// The text is not a [`CourseId`].
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
    /// A course's title: one line of 1 to 200 characters, without space around it.
    Title, InvalidLine, |text| text::line(text, 200)
}

/// Three capital letters, as ISO 4217 has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// The text is not a [`Currency`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a currency code of three capital letters (ISO 4217)")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(InvalidCurrency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&letter| write!(f, "{}", char::from(letter)))
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

/// An amount in minor units of a currency (cents of a dollar; whole yen); 0 is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Price(u32);

/// The number is not a [`Price`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is more than {}, the most that can be charged at once", Price::MAX)]
pub struct PriceTooHigh;

impl Price {
    /// The highest price in minor units: Stripe takes at most eight digits (Stripe API reference,
    /// `PaymentIntent.amount`).
    pub const MAX: u32 = 99_999_999;

    /// Whether nothing is to be paid.
    pub fn is_free(self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<u64> for Price {
    type Error = PriceTooHigh;

    fn try_from(minor_units: u64) -> Result<Self, Self::Error> {
        match u32::try_from(minor_units) {
            Ok(units) if units <= Self::MAX => Ok(Self(units)),
            _ => Err(PriceTooHigh),
        }
    }
}

impl From<Price> for u64 {
    fn from(price: Price) -> Self {
        price.0.into()
    }
}

/// Whether a course takes new students.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CourseState {
    /// It does.
    Open,
    /// It does not; who is enrolled stays so.
    Closed,
}

/// The text is not a [`CourseState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither `open` nor `closed`")]
pub struct InvalidCourseState;

impl FromStr for CourseState {
    type Err = InvalidCourseState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(InvalidCourseState),
        }
    }
}

/// A course of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// Its id.
    #[serde(rename = "course_id")]
    pub id: CourseId,
    /// What it is called.
    pub title: Title,
    /// What it costs, in minor units of `currency`.
    pub price: Price,
    /// The price's currency.
    pub currency: Currency,
    /// Whether it takes new students.
    pub state: CourseState,
}

impl Course {
    /// Reads a course from the fields of a request's body; the id comes from its path.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, with the reason.
    pub fn from_fields(
        id: CourseId,
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(object);
        let title = fields.text("title");
        let amount = fields.whole_number("price");
        let currency = fields.text("currency");
        let state = fields.text("state");
        let price = amount.and_then(|amount| {
            Price::try_from(amount).map_err(|why| fields.complain("price", why)).ok()
        });
        let course = (|| {
            Some(Self { id, title: title?, price: price?, currency: currency?, state: state? })
        })();
        fields.finish(course)
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
    fn reads_a_course() {
        let course =
            read(json!({"title": "Rust 101", "price": 4900, "currency": "USD", "state": "open"}))
                .unwrap();
        assert!(!course.price.is_free());
        assert_eq!(
            serde_json::to_value(&course).unwrap(),
            json!({"course_id": "rust-101", "title": "Rust 101", "price": 4900, "currency": "USD", "state": "open"})
        );
    }

    #[test]
    fn names_every_wrong_field() {
        let errors =
            read(json!({"title": "", "price": 100_000_000, "currency": "usd"})).unwrap_err();
        assert_eq!(errors["title"], "is empty");
        assert_eq!(errors["price"], "is more than 99999999, the most that can be charged at once");
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
    fn ids_are_one_segment_of_a_path() {
        for text in ["", ".", "..", "-a", "a/b", "a b", "é", &"x".repeat(101)] {
            assert_eq!(text.parse::<CourseId>(), Err(InvalidCourseId), "{text:?}");
        }
        assert!("rust-101.v2_b".parse::<CourseId>().is_ok());
    }
}
