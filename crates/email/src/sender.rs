//! The sender of every email: an address, and the name that a mail program shows for it.

use std::{fmt::Write as _, str::FromStr};

use crate::{
    address::EmailAddress,
    text::{UnwantedCharacter, check_line, is_visible, normalized},
};

/// A display name: one visible line in normal form C, without white space around it, so that it cannot smuggle in a
/// header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderName(String);

/// Why a text is not a [`SenderName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSenderName {
    /// Empty, or nothing of it can be seen.
    #[error("is empty")]
    Empty,
    #[error(transparent)]
    Character(#[from] UnwantedCharacter),
}

impl FromStr for SenderName {
    type Err = InvalidSenderName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_line(text)?;
        let name = normalized(text.trim());
        if is_visible(&name) { Ok(Self(name.into_owned())) } else { Err(InvalidSenderName::Empty) }
    }
}

/// The sender, in the form `Name <address>` if it has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    address: EmailAddress,
    mailbox: String,
}

/// The name and the address are too long together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is too long: with the address, and encoded if it is not ASCII, it is {length} characters; at most {} are allowed",
    Sender::MAX_LENGTH
)]
pub struct SenderTooLong {
    pub length: usize,
}

impl Sender {
    /// In characters, name and address together: as many as RFC 3696, 3, counts for an address alone (64, the @, and
    /// 255). SES documents no limit of its own for the name.
    pub const MAX_LENGTH: usize = 320;

    /// # Errors
    ///
    /// The mailbox is longer than [`Sender::MAX_LENGTH`].
    pub fn new(address: EmailAddress, name: Option<&SenderName>) -> Result<Self, SenderTooLong> {
        let mailbox = match name {
            Some(SenderName(name)) => format!("{} <{}>", phrase(name), address.for_provider()),
            None => address.for_provider().into_owned(),
        };
        match mailbox.len() {
            length if length > Self::MAX_LENGTH => Err(SenderTooLong { length }),
            _ => Ok(Self { address, mailbox }),
        }
    }

    pub fn address(&self) -> &EmailAddress {
        &self.address
    }

    /// The mailbox as the provider takes it, which is ASCII: "if you want to use Unicode characters in the friendly from
    /// name, you must encode it using MIME encoded-word syntax" (SES API Reference, `SendEmail`, `Source`).
    pub fn for_provider(&self) -> &str {
        &self.mailbox
    }
}

/// The name as a `phrase` of RFC 5322, 3.2.5: atoms if they are enough, otherwise a quoted string, or encoded words if it
/// is not ASCII or would be read as encoded words.
fn phrase(name: &str) -> String {
    if !name.is_ascii() || name.contains("=?") {
        encoded_words(name)
    } else if name.split(' ').all(|atom| !atom.is_empty() && atom.chars().all(is_atom)) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// `atext` (RFC 5322, 3.2.3).
fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// RFC 2047, 2: "an encoded-word may not be more than 75 characters long".
const MAX_ENCODED_WORD: usize = 75;
const PREFIX: &str = "=?UTF-8?Q?";
const SUFFIX: &str = "?=";

/// The `Q` encoding of RFC 2047, 4.2. Each word has whole characters (5, "must not be continued in the next"), and a
/// reader ignores the space between two words (6.2).
fn encoded_words(text: &str) -> String {
    let room = MAX_ENCODED_WORD - PREFIX.len() - SUFFIX.len();
    let mut words = vec![String::new()];
    for c in text.chars() {
        let encoded = q_encoded(c);
        match words.last_mut() {
            Some(word) if word.len() + encoded.len() <= room => word.push_str(&encoded),
            _ => words.push(encoded),
        }
    }
    let words: Vec<_> = words.into_iter().map(|word| format!("{PREFIX}{word}{SUFFIX}")).collect();
    words.join(" ")
}

/// In a phrase, only these characters stand for themselves (RFC 2047, 5, rule 3).
fn q_encoded(c: char) -> String {
    match c {
        ' ' => "_".to_owned(),
        c if c.is_ascii_alphanumeric() || "!*+-/".contains(c) => c.to_string(),
        c => c.encode_utf8(&mut [0; 4]).bytes().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "={byte:02X}");
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::ses_mailbox_refusal;

    fn mailbox(name: &str) -> String {
        let address = "courses@example.com".parse().unwrap();
        let sender = Sender::new(address, Some(&name.parse().unwrap())).unwrap();
        sender.for_provider().to_owned()
    }

    #[test]
    fn name_is_written_as_atoms_quoted_or_encoded() {
        for (name, phrase) in [
            ("Example Courses", "Example Courses"),
            ("  Courses ", "Courses"),
            ("O'Neil & Co", "O'Neil & Co"),
            ("Courses, Inc.", "\"Courses, Inc.\""),
            ("Two  spaces", "\"Two  spaces\""),
            (r#"The "best" \o/"#, r#""The \"best\" \\o/""#),
            ("Eve <eve@example.com>", "\"Eve <eve@example.com>\""),
            ("Akademie M\u{fc}ller", "=?UTF-8?Q?Akademie_M=C3=BCller?="),
            ("Akademie Mu\u{308}ller", "=?UTF-8?Q?Akademie_M=C3=BCller?="),
            ("=?UTF-8?Q?Eve?=", "=?UTF-8?Q?=3D=3FUTF-8=3FQ=3FEve=3F=3D?="),
            (
                "\u{5c71}\u{7530}\u{5927}\u{5b66}\u{8b1b}\u{5ea7}\u{90e8}\u{9580}",
                "=?UTF-8?Q?=E5=B1=B1=E7=94=B0=E5=A4=A7=E5=AD=A6=E8=AC=9B=E5=BA=A7=E9=83=A8?= =?UTF-8?Q?=E9=96=80?=",
            ),
        ] {
            assert_eq!(mailbox(name), format!("{phrase} <courses@example.com>"), "{name}");
        }
    }

    #[test]
    fn sender_without_a_name_is_its_address() {
        let sender = Sender::new("a..b@docomo.ne.jp".parse().unwrap(), None).unwrap();
        assert_eq!(sender.for_provider(), "\"a..b\"@docomo.ne.jp");
    }

    #[test]
    fn name_that_is_not_one_visible_line_is_refused() {
        for (name, why) in [
            ("", "is empty"),
            (" \u{2800}", "is empty"),
            (
                "Courses\r\nBcc: eve@example.com",
                "has a line break or another control character (U+000D)",
            ),
            ("Courses\n", "has a line break or another control character (U+000A)"),
            ("a\u{202e}b", "has a character that changes the direction of text (U+202E)"),
        ] {
            assert_eq!(name.parse::<SenderName>().unwrap_err().to_string(), why, "{name:?}");
        }
    }

    #[test]
    fn name_and_address_have_320_characters_at_most() {
        let address: EmailAddress = "courses@example.com".parse().unwrap();
        let sender = |length: usize| {
            Sender::new(address.clone(), Some(&"x".repeat(length).parse().unwrap()))
        };
        assert_eq!(sender(298).unwrap().for_provider().len(), 320);
        assert_eq!(
            sender(299).unwrap_err().to_string(),
            "is too long: with the address, and encoded if it is not ASCII, it is 321 characters; at most 320 are allowed"
        );
    }

    /// As a mail program reads it (RFC 2047, 6.2, and RFC 5322, 3.2.4).
    fn read(phrase: &str) -> String {
        if let Some(quoted) = phrase.strip_prefix('"') {
            let mut text = String::new();
            let mut characters = quoted.strip_suffix('"').unwrap().chars();
            while let Some(c) = characters.next() {
                text.push(if c == '\\' { characters.next().unwrap() } else { c });
            }
            return text;
        }
        if !phrase.starts_with("=?") {
            return phrase.to_owned();
        }
        let words = phrase.split(' ').map(|word| {
            assert!(word.len() <= MAX_ENCODED_WORD, "{word}");
            let inner = word.strip_prefix(PREFIX).unwrap().strip_suffix(SUFFIX).unwrap();
            let mut parts = inner.split('=');
            let mut bytes = parts.next().unwrap().replace('_', " ").into_bytes();
            for part in parts {
                bytes.extend(hex::decode(&part[..2]).unwrap());
                bytes.extend(part[2..].replace('_', " ").bytes());
            }
            String::from_utf8(bytes).expect("a word has whole characters")
        });
        words.collect()
    }

    proptest! {
        #[test]
        fn any_name_is_accepted_by_the_provider_and_read_back(name in "[ -~éß山😀]{1,24}") {
            let parsed = name.parse::<SenderName>();
            prop_assume!(parsed.is_ok());
            let mailbox = mailbox(&name);
            prop_assert_eq!(ses_mailbox_refusal(&mailbox), None, "{}", mailbox);
            let phrase = mailbox.strip_suffix(" <courses@example.com>").unwrap();
            prop_assert_eq!(read(phrase), name.trim());
        }
    }
}
