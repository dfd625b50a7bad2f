//! CSV with one time per line, or with a start and an end.

use pacer::audit::Arrival;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// `line` must not be empty.
pub(super) fn arrival(line: &[u8]) -> Result<Arrival, String> {
    let line = str::from_utf8(line).map_err(|_| "not text")?;
    let mut columns = line.split(',').map(|column| column.trim().trim_matches('"'));
    let start = parse_time(columns.next().unwrap_or_default())?;
    let arrival = match columns.next() {
        None => Arrival::at(start),
        Some(end) => Arrival::between(start, parse_time(end)?).ok_or("ends before it starts")?,
    };
    match columns.next() {
        None => Ok(arrival),
        Some(_) => Err("more than two columns: only a start and an end are expected".into()),
    }
}

/// Returns nanoseconds since 1970, from RFC 3339 or from a number.
fn parse_time(text: &str) -> Result<i64, String> {
    let unknown = || format!("{text:?} is neither RFC 3339 nor a time since 1970");
    if let Some(nanos) = since_1970(text) {
        return Ok(nanos);
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| unknown())?;
    i64::try_from(time.unix_timestamp_nanos()).map_err(|_| unknown())
}

/// The size of a number decides its unit (seconds, milliseconds, microseconds or nanoseconds): for a
/// time in this century, each unit gives a number a thousand times larger than the unit before.
fn since_1970(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().ok()?;
    let nanos_per_unit: i64 = match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    let part = fraction_of(nanos_per_unit, fraction)?;
    let part = if whole.starts_with('-') { -part } else { part };
    number.checked_mul(nanos_per_unit)?.checked_add(part)
}

/// Returns the nanoseconds of the decimals, rounded down. Floating point would not be exact.
fn fraction_of(nanos_per_unit: i64, decimals: &str) -> Option<i64> {
    let mut nanos_per_digit = nanos_per_unit;
    let mut nanos = 0;
    for digit in decimals.bytes() {
        nanos_per_digit /= 10;
        nanos += i64::from(char::from(digit).to_digit(10)?) * nanos_per_digit;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_and_rfc_3339_give_the_same_time() {
        let nanos = 1_761_955_200_123_456_000;
        for text in [
            "2025-11-01T00:00:00.123456Z",
            "2025-11-01T01:00:00.123456+01:00",
            "1761955200.123456",
            "1761955200123.456",
            "1761955200123456",
            "1761955200123456000",
        ] {
            assert_eq!(parse_time(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn time_before_1970_is_negative() {
        assert_eq!(parse_time("-1.5"), Ok(-1_500_000_000));
        assert_eq!(parse_time("-0.5"), Ok(-500_000_000));
    }
}
