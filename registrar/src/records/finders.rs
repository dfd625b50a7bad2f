//! What of a text matters: whether it mentions a send, or may hide one that is escaped, encoded or compressed.

use memchr::{memchr, memmem::Finder};

use super::{json::GZIP_IN_BASE64, log::EVENT};

/// RFC 1952, section 2.3.1.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

pub(super) struct Finders {
    mention: Finder<'static>,
    /// Of an ASCII character.
    escape: Finder<'static>,
    /// The end of the keys of base64.
    data: Finder<'static>,
    gzip_in_base64: Finder<'static>,
    object_in_base64: Finder<'static>,
    object_in_csv: Finder<'static>,
    attempt_times: [Finder<'static>; 2],
}

impl Finders {
    pub(super) fn new() -> Self {
        Self {
            mention: Finder::new(EVENT),
            escape: Finder::new(r"\u00"),
            data: Finder::new(r#"ata""#),
            gzip_in_base64: Finder::new(GZIP_IN_BASE64),
            object_in_base64: Finder::new(r#""ey"#),
            object_in_csv: Finder::new(r#"{"""#),
            attempt_times: [Finder::new("started_at_us"), Finder::new("ended_at_us")],
        }
    }

    /// Where the text first names the event of a send.
    pub(super) fn mention(&self, text: &[u8]) -> Option<usize> {
        self.mention.find(text)
    }

    pub(super) fn gzip_in_base64(&self, text: &[u8]) -> Option<usize> {
        self.gzip_in_base64.find(text)
    }

    /// Whether the text names a field that only a record of a send has.
    pub(super) fn has_attempt_time(&self, text: &[u8]) -> bool {
        self.attempt_times.iter().any(|time| time.find(text).is_some())
    }

    /// Whether the text may have a send that is escaped, encoded or compressed.
    pub(super) fn may_hide(&self, text: &[u8]) -> bool {
        self.data.find(text).is_some()
            || self.escape.find(text).is_some()
            || self.gzip_in_base64.find(text).is_some()
            || memchr(GZIP[0], text).is_some()
    }

    /// Whether the text has a send, or may have one that cannot be seen.
    pub(super) fn concerns(&self, text: &[u8]) -> bool {
        self.mention.find(text).is_some()
            || self.gzip_in_base64.find(text).is_some()
            || (self.data.find(text).is_some() && self.object_in_base64.find(text).is_some())
            || (self.escape.find(text).is_some()
                && self.mention.find(&without_escapes(text)).is_some())
    }

    pub(super) fn unreadable(&self, text: &[u8], why: &str) -> String {
        let what = match self.mention.find(text) {
            Some(_) => "mentions a send",
            None => "may hold a send",
        };
        format!("{what}, but is not a log line: {why}")
    }

    /// In CSV, each quote of a JSON object is doubled.
    pub(super) fn without_csv_quotes(&self, line: &[u8]) -> Option<Vec<u8>> {
        let object = self.object_in_csv.find(line)?;
        // A JSON object whose first key is empty.
        if line[object + self.object_in_csv.needle().len()..].trim_ascii_start().starts_with(b":") {
            return None;
        }
        let mut text = Vec::with_capacity(line.len());
        let mut bytes = line.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            text.push(byte);
            if byte == b'"' {
                bytes.next_if_eq(&b'"');
            }
        }
        Some(text)
    }
}

/// The text with the escapes of ASCII characters (`\u0073`) replaced, whatever precedes them.
fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let digits = rest.strip_prefix(br"\u00").and_then(|escape| escape.get(..2));
        let character = digits
            .and_then(|digits| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(character.unwrap_or(byte));
        rest = &rest[if character.is_some() { br"\u0000".len() } else { 1 }..];
    }
    out
}
