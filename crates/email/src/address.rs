//! Email addresses, parsed once at the edge.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A single email address that SES can take: `local@domain`, ASCII, no display name.
///
/// SES refuses a local part that is not ASCII and wants the domain in Punycode
/// (SES API v2, `SendEmail`, "the local part must use 7-bit ASCII").
/// `Debug` masks the address, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Why a text is not an [`EmailAddress`]. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmailAddress {
    /// Not of the form `local@domain.tld`, or longer than RFC 5321 allows.
    #[error("is not an email address")]
    Malformed,
    /// Holds a character outside ASCII.
    #[error("has a character outside ASCII, which the mail provider cannot deliver to")]
    NotAscii,
}

impl EmailAddress {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rules = email_address::Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        if !text.is_ascii() {
            return Err(InvalidEmailAddress::NotAscii);
        }
        email_address::EmailAddress::parse_with_options(text, rules)
            .map(|_| Self(text.to_owned()))
            .map_err(|_| InvalidEmailAddress::Malformed)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmailAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_ordinary_addresses() {
        for text in ["ada@example.com", "a.b+tag@sub.example.co", "o'neil@example.com"] {
            assert_eq!(text.parse::<EmailAddress>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_what_ses_cannot_deliver_to() {
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "Ada <ada@example.com>",
            "ada@example.com, eve@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@[127.0.0.1]",
        ] {
            assert_eq!(
                text.parse::<EmailAddress>(),
                Err(InvalidEmailAddress::Malformed),
                "{text:?}"
            );
        }
        assert_eq!("é@example.com".parse::<EmailAddress>(), Err(InvalidEmailAddress::NotAscii));
    }

    #[test]
    fn is_masked_in_debug_output() {
        let address: EmailAddress = "ada@example.com".parse().unwrap();
        assert!(!format!("{address:?}").contains("ada"));
    }
}
