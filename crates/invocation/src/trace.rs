//! The trace of the work in progress, from the request through the queue to the email.
//!
//! A trace header is text from outside. One that is not valid counts as none, and is never an error.

use std::fmt;

/// More than any header of AWS has: the three usual fields take 76 bytes, and `Lineage` and `Self` some more.
const MAX_BYTES: usize = 256;

/// An X-Ray trace header, such as `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`
/// (X-Ray Developer Guide, "Tracing header").
#[derive(Clone, PartialEq, Eq)]
pub struct TraceHeader(String);

impl TraceHeader {
    /// `None` if it is not a header with a trace id. Other fields are kept as they are, because Lambda finds
    /// recursive loops by one of them (`Lineage`).
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=;-:|._".contains(&byte);
        let is_header = text.len() <= MAX_BYTES
            && text.bytes().all(is_plain)
            && text.split(';').all(|field| field.split('=').count() == 2)
            && root(text).is_some_and(is_trace_id);
        is_header.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace id, `1-5759e988-bd862e3fe1be46a994272793`.
    pub fn id(&self) -> &str {
        root(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn root(header: &str) -> Option<&str> {
    header.split(';').find_map(|field| field.strip_prefix("Root="))
}

/// A version, 8 hexadecimal digits of the time, and 24 at random.
fn is_trace_id(text: &str) -> bool {
    let is_hex = |part: &str, digits| {
        part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let parts: Vec<_> = text.split('-').collect();
    matches!(parts[..], ["1", time, random] if is_hex(time, 8) && is_hex(random, 24))
}

tokio::task_local! {
    static CURRENT: Option<TraceHeader>;
}

/// Does some work as part of a trace. Without a trace, the work stays part of the current one.
pub async fn within<T>(trace: Option<TraceHeader>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(trace.or_else(current), work).await
}

/// The trace of the work in progress.
pub fn current() -> Option<TraceHeader> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1-5759e988-bd862e3fe1be46a994272793";

    fn header(text: &str) -> Option<TraceHeader> {
        TraceHeader::parse(text)
    }

    #[test]
    fn header_is_kept_as_it_is_and_has_an_id() {
        for text in [
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            "Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0;Lineage=1:a87bd80c:1|68fd508a:5",
        ] {
            let header = header(text).unwrap();
            assert_eq!((header.as_str(), header.id()), (text, ID));
        }
    }

    #[test]
    fn text_that_is_not_a_header_is_no_trace() {
        for text in [
            "",
            ";",
            "Root=",
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-5759e988-bd862e3fe1be46a99427279g",
            "Root=1-5759e988-bd862e3fe1be46a994272793;",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1=1",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=1-5759e988-bd862e3fe1be46a994272793;User=ada@example.com",
            "Root=1-5759e988-bd862e3fe1be46a994272793\r\nX-Other: 1",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Name=\u{e9}",
            &format!("Root={ID};Lineage={}", "a".repeat(300)),
        ] {
            assert_eq!(header(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn work_has_its_own_trace_or_that_around_it() {
        let (outer, inner) =
            (header(&format!("Root={ID}")), header(&format!("Root={ID};Sampled=1")));
        assert_eq!(current(), None);
        within(outer.clone(), async {
            assert_eq!(current(), outer);
            within(inner.clone(), async { assert_eq!(current(), inner) }).await;
            within(None, async { assert_eq!(current(), outer) }).await;
            assert_eq!(current(), outer);
        })
        .await;
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn concurrent_pieces_of_work_keep_their_traces() {
        let of = |digit: u8| header(&format!("Root=1-5759e988-bd862e3fe1be46a99427279{digit}"));
        let work = |digit| {
            within(of(digit), async move {
                for _ in 0..3 {
                    assert_eq!(current(), of(digit));
                    tokio::task::yield_now().await;
                }
            })
        };
        tokio::join!(work(1), work(2), work(3));
    }
}
