//! Students.

use email::EmailAddress;
use serde::{Deserialize, Serialize};

use crate::text::{self, InvalidLine, checked_text};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 255 visible ASCII characters")]
pub struct InvalidStudentId;

checked_text! {
    /// The platform's id of a student: 1 to 255 visible ASCII characters, like an OpenID Connect `sub`
    /// (OpenID Connect Core 1.0, section 2).
    StudentId, InvalidStudentId, |text| {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| text.to_owned()).ok_or(InvalidStudentId)
    }
}

checked_text! {
    /// A person's name: one line of 1 to 200 characters, trimmed.
    PersonName, InvalidLine, |text| text::line(text, 200)
}

/// A student, as given by the trusted caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Student {
    #[serde(rename = "student_id")]
    pub id: StudentId,
    pub email: EmailAddress,
    pub name: PersonName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn student_id_is_visible_ascii() {
        assert!("auth0|65f".parse::<StudentId>().is_ok());
        for text in ["", "a b", "a\nb", "é", &"x".repeat(256)] {
            assert_eq!(text.parse::<StudentId>(), Err(InvalidStudentId), "{text:?}");
        }
    }

    #[test]
    fn person_name_is_a_trimmed_single_line() {
        assert_eq!(" Ada Lovelace ".parse::<PersonName>().unwrap().as_str(), "Ada Lovelace");
        assert_eq!("Ada\nBcc".parse::<PersonName>(), Err(InvalidLine::ControlCharacter));
        assert_eq!(" ".parse::<PersonName>(), Err(InvalidLine::Empty));
        assert_eq!("é".repeat(201).parse::<PersonName>(), Err(InvalidLine::TooLong(200)));
    }
}
