//! Deliveries of events to a webhook over HTTP.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;
use time::OffsetDateTime;

use super::store::Event;
use crate::{secret::Secret, webhook};

/// Stripe waits longer, and then takes it for a failure too.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Stripe retries for three days, with exponential backoff (Stripe docs, "Receive Stripe events in your
/// webhook endpoint", "Automatic retries"). Here the first retries come within seconds.
const MAX_ATTEMPTS: u32 = 10;

/// Where events are delivered, and the secret that signs them.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `http://host:port/path`.
    pub url: String,
    /// `whsec_…`.
    pub secret: String,
}

/// An event that is not delivered yet.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) event: Event,
    pub(super) due: OffsetDateTime,
    attempts: u32,
}

impl Delivery {
    pub(super) fn new(event: Event, now: OffsetDateTime) -> Self {
        Self { event, due: now, attempts: 0 }
    }

    /// Delivers it. What is left to do: nothing after a 2xx, otherwise another attempt.
    pub(super) fn attempt(mut self, webhook: &Webhook, now: OffsetDateTime) -> Option<Self> {
        let status = post(webhook, &self.event, now).unwrap_or_default();
        if (200..300).contains(&status) {
            return None;
        }
        self.attempts += 1;
        self.due = now + Duration::from_secs(1 << self.attempts);
        Some(self).filter(|delivery| delivery.attempts < MAX_ATTEMPTS)
    }
}

/// Posts an event. The response's status.
fn post(webhook: &Webhook, event: &Event, now: OffsetDateTime) -> io::Result<u16> {
    let secret: Secret = serde_json::from_value(json!(webhook.secret)).map_err(io::Error::other)?;
    let signature = webhook::sign(&secret, event.body.as_bytes(), now);
    let rest = webhook.url.strip_prefix("http://").unwrap_or(&webhook.url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let (body, length) = (&event.body, event.body.len());
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {length}\r\nstripe-signature: {signature}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("not an HTTP response"))
}
