//! JSON documents with log events: the output of `aws logs filter-log-events` and `get-log-events`.

use std::borrow::Cow;

use serde::Deserialize;

/// The output has one document per page.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub(super) events: Vec<LogEvent<'a>>,
}

#[derive(Deserialize)]
pub(super) struct LogEvent<'a> {
    #[serde(borrow)]
    pub(super) message: Cow<'a, str>,
}

/// Whether the input begins with an object whose first key is `events`.
pub(super) fn is_document(input: &[u8]) -> bool {
    let rest = input.trim_ascii_start().strip_prefix(b"{").unwrap_or_default();
    rest.trim_ascii_start().starts_with(b"\"events\"")
}

pub(super) fn pages(input: &[u8]) -> impl Iterator<Item = serde_json::Result<Page<'_>>> {
    serde_json::Deserializer::from_slice(input).into_iter()
}
