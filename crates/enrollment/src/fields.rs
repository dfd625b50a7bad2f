//! The fields of a request's JSON object, with a reason for each wrong one.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display};

use serde_json::{Map, Value};

/// The reason for each wrong field, by the field's name. A reason never repeats the value.
pub type FieldErrors = BTreeMap<Cow<'static, str>, String>;

/// Reads the fields of a JSON object and collects every error, so that a caller sees all of its
/// mistakes in one response. Each method returns `None` for a wrong field.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    errors: FieldErrors,
}

impl<'a> Fields<'a> {
    pub fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, errors: FieldErrors::new() }
    }

    /// A required string.
    pub fn text<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: std::str::FromStr<Err: Display>,
    {
        self.read(field, "is not a string", Value::as_str, |text| {
            text.parse().map_err(|why: T::Err| why.to_string())
        })
    }

    /// An optional string: `None` without an error if the field is missing or `null`.
    pub fn optional_text<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: std::str::FromStr<Err: Display>,
    {
        if self.object.get(field).is_none_or(Value::is_null) { None } else { self.text(field) }
    }

    /// A required whole number, 0 or more. JSON has one type of number: 49.0 is 49.
    pub fn whole_number(&mut self, field: &'static str) -> Option<u64> {
        self.read(field, "is not a whole number from 0", whole, Ok)
    }

    /// An optional whole number: `None` without an error if the field is missing or `null`.
    pub fn optional_whole_number<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: TryFrom<u64, Error: Display>,
    {
        if self.object.get(field).is_none_or(Value::is_null) {
            return None;
        }
        self.read(field, "is not a whole number from 0", whole, |number| {
            T::try_from(number).map_err(|why| why.to_string())
        })
    }

    /// Returns the value, or all errors if there are any.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, FieldErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }

    /// Adds an error that the field's type alone does not show.
    pub fn add_error(&mut self, field: &'static str, why: impl Display) {
        self.errors.insert(field.into(), why.to_string());
    }

    pub fn has_error(&self, field: &str) -> bool {
        self.errors.contains_key(field)
    }

    fn read<R, T>(
        &mut self,
        field: &'static str,
        wrong_type: &str,
        raw: impl FnOnce(&'a Value) -> Option<R>,
        parse: impl FnOnce(R) -> Result<T, String>,
    ) -> Option<T> {
        let read = match self.object.get(field) {
            None | Some(Value::Null) => Err("is missing".to_owned()),
            Some(value) => raw(value).ok_or_else(|| wrong_type.to_owned()).and_then(parse),
        };
        read.map_err(|why| self.add_error(field, why)).ok()
    }
}

/// Up to 2^53, below which every whole number has a form of its own as a float.
fn whole(value: &Value) -> Option<u64> {
    const MAX: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=MAX).contains(n))?;
        // Adding zero takes the sign off a negative zero.
        format!("{:.0}", number + 0.0).parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_field_is_reported_in_one_response() {
        let Value::Object(object) = json!({"a": 1, "b": "not a number", "d": -1}) else {
            unreachable!("the literal is an object")
        };
        let mut fields = Fields::new(&object);
        fields.text::<u8>("a");
        fields.text::<u8>("b");
        fields.text::<u8>("c");
        fields.whole_number("d");
        assert!(fields.has_error("a") && !fields.has_error("e"));
        let errors = fields.finish(Some(())).unwrap_err();
        assert_eq!(errors["a"], "is not a string");
        assert_eq!(errors["b"], "invalid digit found in string");
        assert_eq!(errors["c"], "is missing");
        assert_eq!(errors["d"], "is not a whole number from 0");
    }

    #[test]
    fn whole_number_may_be_written_as_a_float() {
        for (value, expected) in [
            (json!(49.0), Some(49)),
            (json!(0.0), Some(0)),
            (json!(-0.0), Some(0)),
            (json!(4.9e3), Some(4900)),
            (json!(49.5), None),
            (json!(-1.0), None),
            (json!(1e300), None),
            (json!("49"), None),
        ] {
            assert_eq!(whole(&value), expected, "{value}");
        }
    }
}
