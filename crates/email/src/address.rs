//! Email addresses, parsed once, where they come in.

use std::{borrow::Cow, fmt, str::FromStr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

/// One email address that the provider accepts: `local@domain`, ASCII, no display name.
///
/// The domain is in lower case, and in Punycode if it was not ASCII, so that addresses which differ only in
/// its form are equal. The part before the @ stays as it is: only its own server knows whether case matters
/// there.
/// `Debug` masks the address, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "String")]
pub struct EmailAddress(String);

/// Why a text is not an [`EmailAddress`]. Messages name a character at most, and never repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmailAddress {
    #[error("is not an email address: {0}")]
    Malformed(&'static str),
    /// In the part before the @.
    #[error("has {} before the @, {}", Shown(*.0), why_not_local(*.0))]
    LocalCharacter(char),
    #[error("has {} in its domain, which no domain can have", Shown(*.0))]
    DomainCharacter(char),
    /// The domain cannot exist.
    #[error("has a domain that cannot exist: {0}")]
    Domain(&'static str),
}

/// A character for people: its code point, and itself if it can be seen.
struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = u32::from(self.0);
        match self.0 {
            ' ' => f.write_str("a space (U+0020)"),
            c if c.is_ascii_graphic() => write!(f, "`{c}` (U+{code:04X})"),
            c if c.is_alphanumeric() => write!(f, "{c} (U+{code:04X})"),
            _ => write!(f, "the character U+{code:04X}"),
        }
    }
}

fn why_not_local(c: char) -> &'static str {
    if c.is_ascii() {
        "which an address cannot have there"
    } else {
        "which the mail provider cannot deliver to"
    }
}

/// Domains that the public DNS never has: `invalid` and `localhost` (RFC 6761, 6.3 and 6.4), `local` (RFC
/// 6762), `onion` (RFC 7686), `alt` (RFC 9476), `internal` (ICANN's resolution 2024.07.29.06). The other
/// reserved ones, `example` and `test`, are left to tests and examples.
const NEVER_PUBLIC: [&str; 6] = ["alt", "internal", "invalid", "local", "localhost", "onion"];

/// RFC 5321, 4.5.3.1.1, and SES ("Maximum length of the local part": 64), with its quotes.
const MAX_LOCAL: usize = 64;
/// RFC 5321, 4.5.3.1.3: a path of 256 with its brackets.
const MAX_ADDRESS: usize = 254;

impl EmailAddress {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as the provider takes it. Some carriers gave out addresses with dots in a row, at the
    /// start, or before the @; in mail they are written in quotes (RFC 5321, 4.1.2, `Quoted-string`).
    pub fn for_provider(&self) -> Cow<'_, str> {
        match self.0.rsplit_once('@') {
            Some((local, domain)) if needs_quotes(local) => {
                Cow::Owned(format!("\"{local}\"@{domain}"))
            }
            _ => Cow::Borrowed(&self.0),
        }
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const TWO: InvalidEmailAddress =
            InvalidEmailAddress::Malformed("it has more than one @; give one address alone");
        let (local, domain) =
            text.rsplit_once('@').ok_or(InvalidEmailAddress::Malformed("it has no @"))?;
        let local = match local.strip_prefix('"') {
            Some(rest) => quoted(rest)?,
            None if local.contains('@') => return Err(TWO),
            None => plain(local)?,
        };
        let address = Self(format!("{local}@{}", host(domain)?));
        let on_the_wire = address.for_provider();
        let local_length = on_the_wire.rfind('@').unwrap_or_default();
        if local_length > MAX_LOCAL {
            let why = "the part before the @ is longer than 64 characters";
            Err(InvalidEmailAddress::Malformed(why))
        } else if on_the_wire.len() > MAX_ADDRESS {
            Err(InvalidEmailAddress::Malformed("it is longer than 254 characters"))
        } else {
            Ok(address)
        }
    }
}

/// `atext` (RFC 5322, 3.2.3).
fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

fn is_dotted_atom(local: &str) -> bool {
    local.chars().all(|c| is_atom(c) || c == '.')
}

fn needs_quotes(local: &str) -> bool {
    is_dotted_atom(local) && local.split('.').any(str::is_empty)
}

/// A part before the @ without quotes.
fn plain(local: &str) -> Result<String, InvalidEmailAddress> {
    if local.is_empty() {
        return Err(InvalidEmailAddress::Malformed("nothing is before the @"));
    }
    match local.chars().find(|&c| !is_atom(c) && c != '.') {
        Some(c) => Err(InvalidEmailAddress::LocalCharacter(c)),
        None => Ok(local.to_owned()),
    }
}

/// A part before the @ after its first quote. Quotes that it can do without, or that
/// [`EmailAddress::for_provider`] writes, are left out: with and without them it is the same address.
fn quoted(rest: &str) -> Result<String, InvalidEmailAddress> {
    const OPEN: InvalidEmailAddress =
        InvalidEmailAddress::Malformed("the quotes before the @ are not closed");
    let inner = rest.strip_suffix('"').ok_or(OPEN)?;
    let mut characters = inner.chars();
    let mut content = String::new();
    while let Some(c) = characters.next() {
        let c = match c {
            '"' => return Err(InvalidEmailAddress::LocalCharacter('"')),
            '\\' => characters.next().ok_or(OPEN)?,
            c => c,
        };
        if c != ' ' && !c.is_ascii_graphic() {
            return Err(InvalidEmailAddress::LocalCharacter(c));
        }
        content.push(c);
    }
    if content.is_empty() {
        Err(InvalidEmailAddress::Malformed("nothing is before the @"))
    } else if is_dotted_atom(&content) {
        Ok(content)
    } else {
        Ok(format!("\"{inner}\""))
    }
}

/// Lengths are checked later, where the reason can be given.
fn punycode(domain: &str) -> Result<Cow<'_, str>, idna::Errors> {
    let (denied, hyphens) = (AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    Uts46::new().to_ascii(domain.as_bytes(), denied, hyphens, DnsLength::Ignore)
}

/// The domain in lower case and Punycode (UTS 46), if it can be one of the public DNS.
fn host(domain: &str) -> Result<Cow<'_, str>, InvalidEmailAddress> {
    use InvalidEmailAddress::{Domain, DomainCharacter, Malformed};

    if domain.is_empty() {
        return Err(Malformed("nothing is after the @"));
    }
    if domain.starts_with('[') {
        return Err(Malformed("an IP address cannot take the place of its domain"));
    }
    let not_ldh = |c: &char| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.');
    if let Some(c) = domain.chars().find(not_ldh) {
        return Err(DomainCharacter(c));
    }
    let Ok(host) = punycode(domain) else {
        // The library does not say what is wrong.
        let labels = || domain.split('.');
        if labels().any(|label| label.starts_with('-') || label.ends_with('-')) {
            return Err(Domain("a part of it begins or ends with a hyphen"));
        }
        let alone = |c: &char| {
            let mut bytes = [0; 4];
            !c.is_ascii() && punycode(c.encode_utf8(&mut bytes)).is_err()
        };
        return Err(match domain.chars().find(alone) {
            Some(c) => DomainCharacter(c),
            None if domain.to_ascii_lowercase().contains("xn--") => {
                Domain("a part of it that begins with `xn--` is not Punycode")
            }
            None => Domain("its characters cannot stand together"),
        });
    };
    if host.split('.').any(str::is_empty) {
        return Err(Domain("it begins or ends with a dot, or has two in a row"));
    }
    // RFC 1035, 2.3.4.
    if host.split('.').any(|label| label.len() > 63) {
        return Err(Domain("a part of it is longer than 63 characters"));
    }
    if host.len() > 253 {
        return Err(Domain("it is longer than 253 characters"));
    }
    let Some((_, top)) = host.rsplit_once('.') else {
        return Err(Domain("it has no dot"));
    };
    if top.bytes().all(|c| c.is_ascii_digit()) {
        return Err(Domain("its last part is a number"));
    }
    // RFC 1123, 2.1: the highest-level label is alphabetic; RFC 5890 added those of other scripts. None has
    // one letter.
    if !top.starts_with("xn--") && (top.len() < 2 || !top.bytes().all(|c| c.is_ascii_alphabetic()))
    {
        return Err(Domain("its last part is not two letters or more"));
    }
    if NEVER_PUBLIC.contains(&top) {
        return Err(Domain("its last part is reserved and never reachable"));
    }
    Ok(host)
}

/// An address that was accepted before: by today's rules, or by those of an earlier version, which an
/// enrollment of that time keeps.
#[derive(Deserialize)]
struct Stored(String);

impl TryFrom<Stored> for EmailAddress {
    type Error = InvalidEmailAddress;

    fn try_from(Stored(text): Stored) -> Result<Self, Self::Error> {
        text.parse().or_else(|why| {
            let was_accepted =
                text.contains('@') && text.bytes().all(|b| (b' '..=b'~').contains(&b));
            if was_accepted { Ok(Self(text)) } else { Err(why) }
        })
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
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        text.parse::<EmailAddress>().map(String::from).map_err(|why| why.to_string())
    }

    #[test]
    fn ordinary_addresses_are_accepted_unchanged() {
        let longest = format!("{}@example.com", "x".repeat(64));
        for text in [
            "ada@example.com",
            "a.b+tag@sub.example.co",
            "o'neil@example.com",
            "Ada@example.com",
            "\"a b\"@example.com",
            "ada@r3---sn.example.com",
            "ada@1.example.com",
            &longest,
        ] {
            assert_eq!(parse(text).as_deref(), Ok(text));
            assert_eq!(text.parse::<EmailAddress>().unwrap().for_provider(), text);
        }
    }

    #[test]
    fn domain_is_in_lower_case_and_punycode() {
        for (text, canonical) in [
            ("Ada@EXAMPLE.Com", "Ada@example.com"),
            ("ada@b\u{fc}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
            ("ada@B\u{dc}CHER.example", "ada@xn--bcher-kva.example"),
            ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
            ("ada@例え\u{3002}jp", "ada@xn--r8jz45g.jp"),
            ("ada@example.рф", "ada@example.xn--p1ai"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn address_of_a_carrier_is_quoted_for_the_provider() {
        for (text, quoted) in [
            ("a..b@docomo.ne.jp", "\"a..b\"@docomo.ne.jp"),
            ("ab.@ezweb.ne.jp", "\"ab.\"@ezweb.ne.jp"),
            (".ab@docomo.ne.jp", "\".ab\"@docomo.ne.jp"),
        ] {
            let address: EmailAddress = text.parse().unwrap();
            assert_eq!((address.as_str(), &*address.for_provider()), (text, quoted));
            // The provider's events name it in quotes.
            assert_eq!(quoted.parse::<EmailAddress>().unwrap(), address);
        }
        assert_eq!(parse("\"ada\"@example.com").as_deref(), Ok("ada@example.com"));
    }

    fn assert_refused(cases: &[(&str, &str)]) {
        for (text, why) in cases {
            assert_eq!(parse(text), Err((*why).to_owned()), "{text:?}");
        }
    }

    #[test]
    fn refusal_says_what_is_wrong_with_the_address() {
        let long_local = format!("{}@example.com", "x".repeat(65));
        let long_quoted = format!("{}..@example.com", "x".repeat(61));
        assert_refused(&[
            ("", "is not an email address: it has no @"),
            ("ada", "is not an email address: it has no @"),
            ("ada@", "is not an email address: nothing is after the @"),
            ("@example.com", "is not an email address: nothing is before the @"),
            (
                "Ada <ada@example.com>",
                "has a space (U+0020) before the @, which an address cannot have there",
            ),
            (
                " ada@example.com",
                "has a space (U+0020) before the @, which an address cannot have there",
            ),
            (
                "ada(x)@example.com",
                "has `(` (U+0028) before the @, which an address cannot have there",
            ),
            (
                "ada@example.com, eve@example.com",
                "is not an email address: it has more than one @; give one address alone",
            ),
            (
                "ada@example.com\r\nBcc: eve@example.com",
                "is not an email address: it has more than one @; give one address alone",
            ),
            (
                "ada\n@example.com",
                "has the character U+000A before the @, which an address cannot have there",
            ),
            (
                "ada@[127.0.0.1]",
                "is not an email address: an IP address cannot take the place of its domain",
            ),
            (
                "é@example.com",
                "has é (U+00E9) before the @, which the mail provider cannot deliver to",
            ),
            (
                "ada\u{200b}@example.com",
                "has the character U+200B before the @, which the mail provider cannot deliver to",
            ),
            (
                "\"ada\"x@example.com",
                "is not an email address: the quotes before the @ are not closed",
            ),
            (
                &long_local,
                "is not an email address: the part before the @ is longer than 64 characters",
            ),
            (
                &long_quoted,
                "is not an email address: the part before the @ is longer than 64 characters",
            ),
        ]);
    }

    #[test]
    fn refusal_says_what_is_wrong_with_the_domain() {
        let long_label = format!("ada@{}.com", "x".repeat(64));
        let long_domain = format!("ada@{}com", "label.".repeat(45));
        let long_punycode = format!("ada@{}.com", "ü".repeat(63));
        assert_refused(&[
            ("ada@localhost", "has a domain that cannot exist: it has no dot"),
            ("ada@example.com ", "has a space (U+0020) in its domain, which no domain can have"),
            (
                "ada@example.com\n",
                "has the character U+000A in its domain, which no domain can have",
            ),
            ("ada@exa_mple.com", "has `_` (U+005F) in its domain, which no domain can have"),
            (
                "ada@exam\u{202e}ple.com",
                "has the character U+202E in its domain, which no domain can have",
            ),
            (
                "ada@-a.com",
                "has a domain that cannot exist: a part of it begins or ends with a hyphen",
            ),
            (
                "ada@a-.com",
                "has a domain that cannot exist: a part of it begins or ends with a hyphen",
            ),
            (
                "ada@a..com",
                "has a domain that cannot exist: it begins or ends with a dot, or has two in a row",
            ),
            (
                "ada@.com",
                "has a domain that cannot exist: it begins or ends with a dot, or has two in a row",
            ),
            (
                "ada@example.com.",
                "has a domain that cannot exist: it begins or ends with a dot, or has two in a row",
            ),
            (
                &long_label,
                "has a domain that cannot exist: a part of it is longer than 63 characters",
            ),
            (
                &long_punycode,
                "has a domain that cannot exist: a part of it is longer than 63 characters",
            ),
            (&long_domain, "has a domain that cannot exist: it is longer than 253 characters"),
            ("ada@127.0.0.1", "has a domain that cannot exist: its last part is a number"),
            (
                "ada@example.c",
                "has a domain that cannot exist: its last part is not two letters or more",
            ),
            (
                "ada@example.c0m",
                "has a domain that cannot exist: its last part is not two letters or more",
            ),
            (
                "ada@example.invalid",
                "has a domain that cannot exist: its last part is reserved and never reachable",
            ),
            (
                "ada@xn--a.com",
                "has a domain that cannot exist: a part of it that begins with `xn--` is not Punycode",
            ),
            // Left to right and right to left in one label (RFC 5893).
            (
                "ada@a\u{5d0}.com",
                "has a domain that cannot exist: its characters cannot stand together",
            ),
        ]);
    }

    #[test]
    fn address_domain_and_label_of_the_maximum_length_are_accepted() {
        // Its labels have 63 characters, but for the last two.
        let domain = |length: usize| {
            let label = "x".repeat(63);
            let rest = "x".repeat(length - 3 * 64 - ".com".len());
            format!("{label}.{label}.{label}.{rest}.com")
        };
        let longest = format!("a@{}", domain(252));
        assert_eq!(parse(&longest).as_deref(), Ok(longest.as_str()));
        // The domain can exist; no address before it can.
        assert_refused(&[(
            &format!("a@{}", domain(253)),
            "is not an email address: it is longer than 254 characters",
        )]);
    }

    #[test]
    fn stored_address_is_read_even_if_it_would_be_refused_today() {
        let read = |text: &str| serde_json::from_value::<EmailAddress>(text.into());
        assert_eq!(read("ada@EXAMPLE.com").unwrap().as_str(), "ada@example.com");
        assert_eq!(read("ada@example.c0m").unwrap().as_str(), "ada@example.c0m");
        assert!(read("ada").is_err());
        assert!(read("ada\n@example.c0m").is_err());
    }

    #[test]
    fn debug_output_masks_the_address() {
        let address: EmailAddress = "ada@example.com".parse().unwrap();
        assert!(!format!("{address:?}").contains("ada"));
    }

    proptest! {
        #[test]
        fn accepted_address_is_ascii_and_parses_to_itself(local in ".{1,12}", domain in ".{1,12}") {
            for domain in [domain.clone(), format!("{domain}.com")] {
                if let Ok(address) = format!("{local}@{domain}").parse::<EmailAddress>() {
                    prop_assert!(address.as_str().is_ascii());
                    prop_assert_eq!(address.as_str().parse(), Ok(address.clone()));
                    prop_assert_eq!(address.for_provider().parse(), Ok(address.clone()));
                }
            }
        }
    }
}
