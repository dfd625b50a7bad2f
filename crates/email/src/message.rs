//! Messages: a subject and its bodies.

use std::str::FromStr;

use crate::text::{UnwantedCharacter, check_line, is_visible, normalized};

/// A subject line: 1 to 998 bytes (the line limit of RFC 5322, 2.1.1), in normal form C, without control
/// characters, so that it cannot smuggle in a header, and without invisible ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(String);

/// Why a text is not a [`Subject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// Empty, or nothing of it can be seen.
    #[error("is empty")]
    Empty,
    #[error("is longer than 998 bytes")]
    TooLong,
    #[error(transparent)]
    Character(#[from] UnwantedCharacter),
}

impl Subject {
    pub const MAX_BYTES: usize = 998;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = normalized(text);
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidSubject::TooLong);
        }
        check_line(&text)?;
        if is_visible(&text) { Ok(Self(text.into_owned())) } else { Err(InvalidSubject::Empty) }
    }
}

/// A message that is ready to be sent. The sender is configuration; the recipient and the headers are
/// the job's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub subject: Subject,
    pub text: String,
    pub html: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_visible_line() {
        assert!("Welcome to Rust 101".parse::<Subject>().is_ok());
        assert!("x".repeat(998).parse::<Subject>().is_ok());
        assert_eq!("Caf\u{65}\u{301}".parse::<Subject>().unwrap().as_str(), "Caf\u{e9}");
        let control = "has a line break or another control character";
        for (text, why) in [
            ("  ", "is empty"),
            ("\u{2800}", "is empty"),
            ("a\nb", &format!("{control} (U+000A)")),
            ("a\r\nBcc: eve@example.com", &format!("{control} (U+000D)")),
            ("a\u{2028}b", "has a line or paragraph separator (U+2028)"),
            ("a\u{202e}b", "has a character that changes the direction of text (U+202E)"),
            (&"x".repeat(999), "is longer than 998 bytes"),
        ] {
            assert_eq!(text.parse::<Subject>().unwrap_err().to_string(), why, "{text:?}");
        }
    }
}
