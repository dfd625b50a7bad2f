//! Messages: a subject and its bodies.

use std::str::FromStr;

/// A subject line: 1 to 998 bytes (the line limit of RFC 5322, 2.1.1) without control characters, so
/// that it cannot smuggle in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(String);

/// Why a text is not a [`Subject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// Empty, or white space only.
    #[error("is empty")]
    Empty,
    #[error("is longer than 998 bytes")]
    TooLong,
    #[error("has a line break or another control character")]
    ControlCharacter,
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
        if text.trim().is_empty() {
            Err(InvalidSubject::Empty)
        } else if text.len() > Self::MAX_BYTES {
            Err(InvalidSubject::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(InvalidSubject::ControlCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

/// A message that is ready to be sent. The sender is configuration, and the recipient is the job's.
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
    fn a_subject_is_one_line() {
        assert!("Welcome to Rust 101".parse::<Subject>().is_ok());
        for (text, why) in [
            ("  ", InvalidSubject::Empty),
            ("a\nb", InvalidSubject::ControlCharacter),
            ("a\r\nBcc: eve@example.com", InvalidSubject::ControlCharacter),
            (&"x".repeat(999), InvalidSubject::TooLong),
        ] {
            assert_eq!(text.parse::<Subject>(), Err(why));
        }
    }
}
