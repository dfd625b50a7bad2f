//! The name of an SES tenant.

use std::{fmt, str::FromStr};

/// "Up to 64 alphanumeric characters, including letters, numbers, hyphens (-) and underscores (_) only" (SES API v2
/// Reference, `CreateTenant`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant(String);

const MAX_LENGTH: usize = 64;

/// A text is not a [`Tenant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_LENGTH} letters, digits, hyphens or underscores")]
pub struct InvalidTenant;

impl FromStr for Tenant {
    type Err = InvalidTenant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
        match text.len() {
            1..=MAX_LENGTH if text.bytes().all(is_allowed) => Ok(Self(text.to_owned())),
            _ => Err(InvalidTenant),
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_has_only_what_ses_accepts() {
        let longest = "x".repeat(MAX_LENGTH);
        for name in ["a", "Courses_2-eu", &longest] {
            assert_eq!(name.parse::<Tenant>().unwrap().to_string(), name);
        }
        let too_long = format!("{longest}x");
        for name in ["", "two words", "m\u{fc}ller", "a/b", &too_long] {
            assert_eq!(name.parse::<Tenant>(), Err(InvalidTenant), "{name}");
        }
    }
}
