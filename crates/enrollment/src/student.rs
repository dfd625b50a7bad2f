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
        let fits = (1..=StudentId::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| text.to_owned()).ok_or(InvalidStudentId)
    }
}

impl StudentId {
    pub const MAX_LENGTH: usize = 255;
}

checked_text! {
    /// A person's name: one line of 1 to 200 characters without a link, trimmed, in normal form C.
    PersonName, InvalidLine, |text| {
        let name = text::line(text, PersonName::MAX_LENGTH)?;
        if text::has_link(&name) { Err(InvalidLine::Link) } else { Ok(name) }
    },
    stored: |text| text::stored_line(text, PersonName::MAX_LENGTH)
}

impl PersonName {
    /// In characters.
    pub const MAX_LENGTH: usize = 200;
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
        let control = "Ada\nBcc".parse::<PersonName>().unwrap_err().to_string();
        assert_eq!(control, "has a line break or another control character (U+000A)");
        assert_eq!("Win at evil.example/x".parse::<PersonName>(), Err(InvalidLine::Link));
        assert_eq!(" ".parse::<PersonName>(), Err(InvalidLine::Empty));
        // A table keeps what an earlier version accepted.
        let stored: PersonName = serde_json::from_str(r#""Win at evil.example/x\u202e""#).unwrap();
        assert_eq!(stored.as_str(), "Win at evil.example/x\u{202e}");
        assert_eq!("é".repeat(201).parse::<PersonName>(), Err(InvalidLine::TooLong(200)));
    }
}
