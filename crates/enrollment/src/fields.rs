//! What a caller can mend: a reason for each field that is wrong.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display};

use serde_json::{Map, Value};

/// Field by field, why a request cannot be taken. It never repeats a value.
pub type FieldErrors = BTreeMap<Cow<'static, str>, String>;

/// Reads the fields of a JSON object and gathers every complaint, so that a caller hears of all its
/// mistakes at once.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    errors: FieldErrors,
}

impl<'a> Fields<'a> {
    /// A reader of that object's fields.
    pub fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, errors: FieldErrors::new() }
    }

    /// A field that must be a string of `T`'s form.
    pub fn text<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: std::str::FromStr<Err: Display>,
    {
        self.read(field, "is not a string", Value::as_str, |text| {
            text.parse().map_err(|why: T::Err| why.to_string())
        })
    }

    /// A field that may be left out, and else must be a string of `T`'s form.
    pub fn optional_text<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: std::str::FromStr<Err: Display>,
    {
        if self.object.get(field).is_none_or(Value::is_null) { None } else { self.text(field) }
    }

    /// A field that must be a whole number from 0.
    pub fn whole_number(&mut self, field: &'static str) -> Option<u64> {
        self.read(field, "is not a whole number from 0", Value::as_u64, Ok)
    }

    /// The value built of the fields, or every complaint about them.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, FieldErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }

    /// Adds a complaint that no single field's form shows.
    pub fn complain(&mut self, field: &'static str, why: impl Display) {
        self.errors.insert(field.into(), why.to_string());
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
        read.map_err(|why| self.complain(field, why)).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::CourseId;

    #[test]
    fn every_mistake_is_named_at_once() {
        let Value::Object(object) = json!({"a": 1, "b": "no spaces", "d": -1}) else {
            unreachable!("the literal is an object")
        };
        let mut fields = Fields::new(&object);
        fields.text::<CourseId>("a");
        fields.text::<CourseId>("b");
        fields.text::<CourseId>("c");
        fields.whole_number("d");
        let errors = fields.finish(Some(())).unwrap_err();
        assert_eq!(errors["a"], "is not a string");
        assert!(errors["b"].contains("1 to 100"));
        assert_eq!(errors["c"], "is missing");
        assert_eq!(errors["d"], "is not a whole number from 0");
    }
}
