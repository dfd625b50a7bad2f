//! Email addresses, parsed once, where they come in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One email address that the provider accepts: `local@domain`, ASCII, no display name.
///
/// Amazon SES refuses a local part outside ASCII and wants the domain in Punycode (SES API v2,
/// `SendEmail`: "the local part must use 7-bit ASCII").
/// `Debug` masks the address, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Why a text is not an [`EmailAddress`]. Messages never repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmailAddress {
    /// Not of the form `local@domain.tld`, or longer than RFC 5321 allows.
    #[error("is not an email address")]
    Malformed,
    #[error("has a character outside ASCII, which the mail provider cannot deliver to")]
    NotAscii,
}

impl EmailAddress {
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
    fn ordinary_addresses_are_accepted() {
        for text in ["ada@example.com", "a.b+tag@sub.example.co", "o'neil@example.com"] {
            assert_eq!(text.parse::<EmailAddress>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn addresses_that_the_provider_refuses_are_refused() {
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
    fn debug_output_masks_the_address() {
        let address: EmailAddress = "ada@example.com".parse().unwrap();
        assert!(!format!("{address:?}").contains("ada"));
    }
}
