//! Numbers, times and addresses of pages, as text.

use std::fmt::Write;

pub(super) use crate::text::number;

/// For counts, which are far below 2^52.
#[expect(clippy::cast_precision_loss)]
pub(super) fn count(value: u64) -> String {
    number(value as f64)
}

/// `1 letter`, `2 letters`, `1,200 letters`.
pub(super) fn letters(value: usize) -> String {
    let text = count(u64::try_from(value).unwrap_or(u64::MAX));
    if value == 1 { format!("{text} letter") } else { format!("{text} letters") }
}

/// A value of a query, or a segment of a path (RFC 3986, 2.3: unreserved characters).
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted() {
        assert_eq!((letters(1).as_str(), letters(1_200).as_str()), ("1 letter", "1,200 letters"));
    }

    #[test]
    fn every_other_character_is_encoded() {
        assert_eq!(encoded("a-1_b.c~"), "a-1_b.c~");
        assert_eq!(encoded("a/b?c&d=e é\"<"), "a%2Fb%3Fc%26d%3De%20%C3%A9%22%3C");
    }
}
