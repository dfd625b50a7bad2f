//! Short texts that people type, such as names and titles, and the macro for every checked text.

use email::text::{UnwantedCharacter, check_line, is_visible, normalized};

/// Why a text is not a line of 1 to `max` characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// Nothing of it can be seen.
    #[error("is empty, or has nothing that can be seen")]
    Empty,
    #[error("is longer than {0} characters")]
    TooLong(usize),
    #[error(transparent)]
    Character(#[from] UnwantedCharacter),
    #[error("has a link")]
    Link,
}

/// Trims the text, brings it into normal form C, and checks that it is a visible line of 1 to `max` characters.
pub(crate) fn line(text: &str, max: usize) -> Result<String, InvalidLine> {
    let line = stored_line(text, max)?;
    check_line(&line)?;
    if is_visible(&line) { Ok(line) } else { Err(InvalidLine::Empty) }
}

/// The same for a line in a table: written by an earlier version, it may have what is refused today.
pub(crate) fn stored_line(text: &str, max: usize) -> Result<String, InvalidLine> {
    let line = normalized(text.trim());
    if line.is_empty() {
        Err(InvalidLine::Empty)
    } else if text.trim().chars().count().min(line.chars().count()) > max {
        Err(InvalidLine::TooLong(max))
    } else {
        Ok(line.into_owned())
    }
}

/// Top-level domains under which a domain alone is a link to many mail clients. Those that are also endings
/// of names or words in some language (`co`, `in`, `it`, `me`, `st`) are not among them.
const LINKED: [&str; 23] = [
    "app", "biz", "cc", "click", "club", "cn", "com", "dev", "icu", "info", "io", "link", "live",
    "net", "online", "org", "ru", "shop", "site", "store", "top", "vip", "xyz",
];

/// Whether a mail client would make a link of a part of the line. A name is shown in an email from the
/// platform; with a link in it, anybody could send theirs in the platform's name.
pub(crate) fn has_link(line: &str) -> bool {
    let folded: String = line.chars().flat_map(folded).collect();
    let separates = |c: char| c.is_whitespace() || "<>()[]{}\"'`,;|\\*~“”‘’«»".contains(c);
    folded.contains("://") || folded.split(separates).any(is_link)
}

/// In lower case, and the full width forms of ASCII as ASCII.
fn folded(c: char) -> impl Iterator<Item = char> {
    let plain = match c {
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => '.',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    };
    plain.to_lowercase()
}

/// `www.…`, a domain with a path, port or query, a domain of a well-known kind, or `mailto:` and the like.
fn is_link(word: &str) -> bool {
    let word = word.trim_matches(|c: char| matches!(c, '.' | ':' | '!' | '?' | '-' | '–' | '—'));
    if word.starts_with("www.") {
        return true;
    }
    if let Some((scheme, rest)) = word.split_once(':')
        && matches!(
            scheme,
            "mailto" | "tel" | "sms" | "javascript" | "data" | "http" | "https" | "ftp"
        )
        && !rest.is_empty()
    {
        return true;
    }
    let end = word.find(['/', '?', '#', ':']).unwrap_or(word.len());
    let (host, rest) = word.split_at(end);
    // An address is not a link to a page; some platforms give a student's address as the name.
    let is_address = host.contains('@');
    let host = host.rsplit('@').next().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let allowed = |c: char| c.is_alphanumeric() || c == '-';
    let is_domain = labels.len() > 1
        && labels.iter().all(|label| !label.is_empty() && label.chars().all(allowed));
    let Some(top) = labels.last().filter(|_| is_domain) else { return false };
    if labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok()) {
        return true;
    }
    let is_top = top.chars().count() > 1 && !top.chars().any(|c| c.is_ascii_digit());
    (is_top && !rest.is_empty()) || (!is_address && LINKED.contains(top))
}

/// A newtype over a checked `String`, with the conversions that serde and the adapters need. Texts that are read
/// from a table are checked by `stored`, if it is given, and otherwise like all others.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $error:ty, $check:expr) => {
        $crate::text::checked_text! { $(#[$doc])* $name, $error, $check, stored: $check }
    };
    ($(#[$doc:meta])* $name:ident, $error:ty, $check:expr, stored: $stored:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(into = "String")]
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

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                let stored: fn(&str) -> Result<String, $error> = $stored;
                stored(&text).map(Self).map_err(serde::de::Error::custom)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_of_any_kind_is_found() {
        for line in [
            "Ada http://evil.example",
            "HTTPS://evil.example/x",
            "see www.evil.example",
            "Ada (WWW.evil.example)",
            "evil.example/win",
            "Ada evil.com",
            "Win at Evil.COM!",
            "evil.xyz?x=1",
            "evil.de:8080",
            "bit.ly/abc",
            "user@evil.com/path",
            "mailto:eve@evil.com",
            "javascript:alert(1)",
            "ftp://evil.example",
            "ｈｔｔｐ：／／evil.example",
            "evil。com",
            "127.0.0.1/x",
            "127.0.0.1",
            "例え.jp/x",
            "[win](evil.com)",
            "my-shop.com",
        ] {
            assert!(has_link(line), "{line}");
        }
    }

    #[test]
    fn name_with_dots_and_slashes_is_not_a_link() {
        for line in [
            "Ada Lovelace",
            "J.R.R. Tolkien",
            "St.John Smith",
            "Dr.med. Anna Müller",
            "Ada.Lovelace",
            "AC/DC",
            "S.p.A./Roma",
            "S.p.A/Roma",
            "1.b2/c",
            "R&D.com",
            "www.",
            "Ph.D.",
            "Smith, Jr.",
            "http",
            "Anna: Maria",
            "O'Neil-Müller",
            "3.5",
            "ada@example.com",
            "...",
        ] {
            assert!(!has_link(line), "{line}");
        }
    }

    #[test]
    fn line_is_trimmed_normal_and_visible() {
        assert_eq!(line("  Ame\u{301}lie ", 200).unwrap(), "Am\u{e9}lie");
        assert_eq!(line(&"e\u{301}".repeat(200), 200).unwrap().chars().count(), 200);
        for (text, why) in [
            ("\u{200b}\u{200b}", "has an invisible character (U+200B)"),
            ("\u{feff}Ada", "has an invisible character (U+FEFF)"),
            ("Ada\u{202e}gnp.exe", "has a character that changes the direction of text (U+202E)"),
            ("Rust\u{2028}101", "has a line or paragraph separator (U+2028)"),
            ("\u{ffff}Rust 101", "has a character that the email queue cannot carry (U+FFFF)"),
            ("\u{2800}", "is empty, or has nothing that can be seen"),
            ("\u{3000}", "is empty, or has nothing that can be seen"),
        ] {
            assert_eq!(line(text, 200).unwrap_err().to_string(), why, "{text:?}");
        }
    }

    #[test]
    fn stored_line_may_have_what_is_refused_today() {
        assert_eq!(stored_line("\u{ffff}Rust", 200).unwrap(), "\u{ffff}Rust");
        assert_eq!(stored_line("Ame\u{301}lie", 200).unwrap(), "Am\u{e9}lie");
    }
}
