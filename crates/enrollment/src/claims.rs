//! What a student's token says of the student.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{
    fields::{FieldErrors, Fields},
    student::{Student, StudentId},
};

/// The claims of a token whose signature, issuer, audience and time were verified (OpenID Connect Core 1.0,
/// section 5.1). Their values are checked like the fields of a trusted caller.
///
/// An error's name is the claim's, with `token.` before it, so that it is not taken for a field of the body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// The claim `sub`.
    ///
    /// # Errors
    ///
    /// Why it is not a student's id.
    pub fn student_id(&self) -> Result<StudentId, FieldErrors> {
        let mut fields = Fields::new(&self.0);
        let id = fields.text("sub");
        fields.finish(id).map_err(of_token)
    }

    /// The claims `sub`, `email` and `name`.
    ///
    /// An address that the issuer says is not verified is refused: otherwise whoever registers with another
    /// person's address makes this service write to that person. Many issuers verify every address and say
    /// nothing, so a missing `email_verified` is accepted.
    ///
    /// # Errors
    ///
    /// Every wrong claim, with its reason.
    pub fn student(&self) -> Result<Student, FieldErrors> {
        let mut fields = Fields::new(&self.0);
        let id: Option<StudentId> = fields.text("sub");
        let email = fields.text("email");
        let name = fields.text("name");
        if !self.may_have_verified_address() {
            fields.add_error(
                "email_verified",
                "is not true: the issuer has not verified the address",
            );
        }
        let student = (|| Some(Student { id: id?, email: email?, name: name? }))();
        fields.finish(student).map_err(of_token)
    }

    /// API Gateway passes claims as texts. A value that is neither true nor absent counts as false.
    fn may_have_verified_address(&self) -> bool {
        match self.0.get("email_verified") {
            None | Some(Value::Bool(true)) => true,
            Some(Value::String(text)) => text == "true",
            Some(_) => false,
        }
    }
}

fn of_token(errors: FieldErrors) -> FieldErrors {
    let named = |(claim, why)| (Cow::Owned(format!("token.{claim}")), why);
    errors.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(changes: Value) -> Claims {
        let ada = json!({"sub": "auth0|s-1", "email": "ada@example.com", "name": "Ada"});
        let (Value::Object(mut all), Value::Object(changes)) = (ada, changes) else {
            unreachable!("both are objects")
        };
        all.extend(changes);
        Claims::new(all)
    }

    #[test]
    fn student_is_who_the_token_says() {
        let student = claims(json!({"email_verified": "true"})).student().unwrap();
        assert_eq!(student.id.as_str(), "auth0|s-1");
        assert_eq!(student.email.as_str(), "ada@example.com");
        assert_eq!(student.name.as_str(), "Ada");
        assert_eq!(claims(json!({})).student_id().unwrap(), student.id);
        assert_eq!(claims(json!({})).student().unwrap(), student);
        assert_eq!(claims(json!({"email_verified": true})).student().unwrap(), student);
    }

    #[test]
    fn claim_that_no_field_may_be_is_named() {
        for (claim, value) in [
            ("sub", json!("a b")),
            ("sub", json!("x".repeat(256))),
            ("sub", Value::Null),
            ("email", json!("ada")),
            ("email", Value::Null),
            ("name", json!("Ada\nBcc")),
            ("name", json!("Win at https://evil.example")),
            ("name", json!("x".repeat(201))),
            ("name", json!(["Ada"])),
            ("email_verified", json!("false")),
            ("email_verified", json!("False")),
            ("email_verified", json!(false)),
            ("email_verified", json!("")),
        ] {
            let errors = claims(json!({claim: value})).student().unwrap_err();
            let names: Vec<_> = errors.keys().map(AsRef::as_ref).collect();
            assert_eq!(names, [format!("token.{claim}")], "{value}");
        }
        let errors = Claims::default().student().unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert_eq!(Claims::default().student_id().unwrap_err()["token.sub"], "is missing");
    }
}
