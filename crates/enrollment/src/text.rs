//! Short texts that people type, such as names and titles, and the macro for every checked text.

/// Why a text is not a line of 1 to `max` characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// Only white space.
    #[error("is empty")]
    Empty,
    #[error("is longer than {0} characters")]
    TooLong(usize),
    #[error("has a line break or another control character")]
    ControlCharacter,
}

/// Trims the text and checks that it is a line of 1 to `max` characters.
pub(crate) fn line(text: &str, max: usize) -> Result<String, InvalidLine> {
    let text = text.trim();
    if text.is_empty() {
        Err(InvalidLine::Empty)
    } else if text.chars().count() > max {
        Err(InvalidLine::TooLong(max))
    } else if text.chars().any(char::is_control) {
        Err(InvalidLine::ControlCharacter)
    } else {
        Ok(text.to_owned())
    }
}

/// A newtype over a checked `String`, with the conversions that serde and the adapters need.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $error:ty, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Result<String, $error> = $check;
                check(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use checked_text;
