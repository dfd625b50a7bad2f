//! Stripe's webhook: its signature and its events.
//!
//! The header is `Stripe-Signature: t=<seconds since 1970>,v1=<hex>[,v1=<hex>…]`, the signature is
//! HMAC-SHA256 with the endpoint's secret over `<t>.<raw body>` (Stripe docs, "Verify webhook
//! signatures manually").

use std::time::Duration;

use enrollment::{CourseId, StudentId, payment::Intent};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use time::OffsetDateTime;

use crate::{
    object::{IntentObject, Metadata},
    secret::Secret,
};

/// Maximum age of a signature, and maximum time in the future: the default of Stripe's own libraries.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// Metadata of each refund that we make: an account may have refunds of others.
pub(crate) const REFUND_MARK: (&str, &str) = ("created_by", "registrar");

/// The call is not Stripe's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    #[error("the Stripe-Signature header is missing or malformed")]
    Malformed,
    /// None of the header's signatures fits.
    #[error("the signature is wrong")]
    Wrong,
    /// See [`TOLERANCE`].
    #[error("the signature is too old or in the future")]
    OutOfTime,
}

/// Checks that Stripe signed this body with one of these secrets, within [`TOLERANCE`] of `now`.
pub fn verify(
    secrets: &[Secret],
    header: Option<&str>,
    body: &[u8],
    now: OffsetDateTime,
) -> Result<(), Unsigned> {
    let (signed_at, signatures) = parse(header.ok_or(Unsigned::Malformed)?)?;
    let signed_with = |secret| {
        let expected = mac(secret, signed_at, body);
        // Compared in constant time.
        signatures.iter().any(|signature| expected.clone().verify_slice(signature).is_ok())
    };
    if !secrets.iter().any(signed_with) {
        return Err(Unsigned::Wrong);
    }
    if now.unix_timestamp().abs_diff(signed_at) > TOLERANCE.as_secs() {
        return Err(Unsigned::OutOfTime);
    }
    Ok(())
}

/// The `Stripe-Signature` header for this body, for tests that play Stripe.
///
/// # Panics
///
/// Never: HMAC takes keys of any length.
#[cfg(any(test, feature = "testing"))]
pub fn sign(secret: &Secret, body: &[u8], at: OffsetDateTime) -> String {
    let at = at.unix_timestamp();
    format!("t={at},v1={}", hex::encode(mac(secret, at, body).finalize().into_bytes()))
}

fn mac(secret: &Secret, signed_at: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(format!("{signed_at}.").as_bytes());
    mac.update(body);
    mac
}

fn parse(header: &str) -> Result<(i64, Vec<Vec<u8>>), Unsigned> {
    let mut signed_at = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => signed_at = value.parse().ok(),
            Some(("v1", value)) => signatures.extend(hex::decode(value).ok()),
            _ => {}
        }
    }
    Ok((signed_at.ok_or(Unsigned::Malformed)?, signatures))
}

/// An event about an intent that was created here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub student_id: StudentId,
    pub course_id: CourseId,
    pub enrollment_id: String,
    pub attempt: u32,
    /// With its status at the time of the event.
    pub intent: Intent,
}

#[derive(Deserialize)]
pub(crate) struct Envelope {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// A thin event has none (Stripe docs, "Thin events").
    pub(crate) data: Option<Data>,
}

#[derive(Deserialize)]
pub(crate) struct Data {
    pub(crate) object: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not an event")]
pub struct NotAnEvent;

/// Parses a verified body. `None`: an event of another type, or of a payment that was not made here;
/// acknowledge it.
pub fn read(body: &[u8]) -> Result<Option<Event>, NotAnEvent> {
    let Envelope { kind, data } = serde_json::from_slice(body).map_err(|_| NotAnEvent)?;
    match (kind.as_str(), data) {
        (
            "payment_intent.succeeded"
            | "payment_intent.payment_failed"
            | "payment_intent.canceled",
            Some(Data { object }),
        ) => about_intent(object),
        _ => Ok(None),
    }
}

/// An intent with the attempt that it was created for. `None`: it was not created here.
pub(crate) fn about_intent(object: serde_json::Value) -> Result<Option<Event>, NotAnEvent> {
    // Other payments of the account may be of kinds that are unknown here.
    let Ok(metadata) = Metadata::deserialize(&object["metadata"]) else { return Ok(None) };
    let Some(about) = About::read(metadata) else { return Ok(None) };
    let intent = IntentObject::deserialize(object).map_err(|_| NotAnEvent)?;
    Ok(Some(about.event(intent.intent().ok_or(NotAnEvent)?)))
}

/// The attempt that an intent was created for.
struct About {
    student_id: StudentId,
    course_id: CourseId,
    enrollment_id: String,
    attempt: u32,
}

impl About {
    /// `None`: the intent was not created here.
    fn read(metadata: Metadata) -> Option<Self> {
        Some(Self {
            student_id: metadata.student_id?.parse().ok()?,
            course_id: metadata.course_id?.parse().ok()?,
            enrollment_id: metadata.enrollment_id?,
            attempt: metadata.attempt?.parse().ok()?,
        })
    }

    fn event(self, intent: Intent) -> Event {
        let Self { student_id, course_id, enrollment_id, attempt } = self;
        Event { student_id, course_id, enrollment_id, attempt, intent }
    }
}

#[cfg(test)]
mod tests {
    use enrollment::{money::Amount, payment::IntentStatus};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn secret() -> Secret {
        serde_json::from_value(json!("whsec_test")).unwrap()
    }

    fn other_secret() -> Secret {
        serde_json::from_value(json!("whsec_other")).unwrap()
    }

    fn sign(at: i64, body: &[u8]) -> String {
        let header = super::sign(&secret(), body, OffsetDateTime::from_unix_timestamp(at).unwrap());
        header.split_once("v1=").unwrap().1.to_owned()
    }

    fn check(header: &str, body: &[u8]) -> Result<(), Unsigned> {
        let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        verify(&[other_secret(), secret()], Some(header), body, now)
    }

    #[test]
    fn signature_within_the_tolerance_is_accepted() {
        for at in [NOW, NOW - 300, NOW + 300] {
            assert_eq!(check(&format!("t={at},v1={}", sign(at, b"{}")), b"{}"), Ok(()));
        }
        let rotated = format!("t={NOW},v0=x,v1=00,v1={}", sign(NOW, b"{}"));
        assert_eq!(check(&rotated, b"{}"), Ok(()), "one of several, while a secret is rotated");
    }

    #[test]
    fn wrong_malformed_or_old_signature_is_refused() {
        let good = sign(NOW, b"{}");
        assert_eq!(check(&format!("t={NOW},v1={good}"), b"{ }"), Err(Unsigned::Wrong));
        assert_eq!(check(&format!("t={},v1={good}", NOW + 1), b"{}"), Err(Unsigned::Wrong));
        assert_eq!(check(&format!("t={NOW}"), b"{}"), Err(Unsigned::Wrong));
        assert_eq!(check(&format!("v1={good}"), b"{}"), Err(Unsigned::Malformed));
        let old = NOW - 301;
        let replayed = format!("t={old},v1={}", sign(old, b"{}"));
        assert_eq!(check(&replayed, b"{}"), Err(Unsigned::OutOfTime));
        let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        assert_eq!(verify(&[secret()], None, b"{}", now), Err(Unsigned::Malformed));
    }

    fn event(kind: &str) -> Vec<u8> {
        json!({"type": kind, "data": {"object": {
            "id": "pi_1", "status": "succeeded", "amount": 4900, "currency": "usd", "livemode": true,
            "metadata": {"student_id": "s-1", "course_id": "c", "enrollment_id": "e", "attempt": "2"},
        }}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn only_events_of_our_payments_are_read() {
        let read_event = read(&event("payment_intent.succeeded")).unwrap().unwrap();
        assert_eq!(read_event.attempt, 2);
        assert_eq!(read_event.intent.status, IntentStatus::Succeeded);
        assert_eq!(
            (read_event.intent.livemode, read_event.intent.money.amount),
            (true, amount(4900))
        );
        assert_eq!(read(&event("charge.refunded")), Ok(None), "another type");
        let foreign = json!({"type": "payment_intent.succeeded", "data": {"object": {
            "id": "pi_1", "status": "succeeded", "metadata": {},
        }}});
        assert_eq!(read(foreign.to_string().as_bytes()), Ok(None), "not made here");
        assert_eq!(read(b"{"), Err(NotAnEvent));
    }

    fn amount(units: u64) -> Amount {
        Amount::try_from(units).unwrap()
    }

    /// Case C34.
    #[test]
    fn thin_event_and_ping_are_acknowledged() {
        let ping = json!({
            "id": "evt_1", "object": "v2.core.event", "type": "v2.core.event_destination.ping",
            "related_object": {"id": "ed_1"},
        });
        assert_eq!(read(ping.to_string().as_bytes()), Ok(None));
        let thin =
            json!({"id": "evt_1", "object": "v2.core.event", "type": "payment_intent.succeeded"});
        assert_eq!(read(thin.to_string().as_bytes()), Ok(None));
    }

    proptest! {
        #[test]
        fn any_header_and_body_parse_without_panic(header in ".*", body: Vec<u8>) {
            let _ = check(&header, &body);
            let _ = read(&body);
        }
    }
}
