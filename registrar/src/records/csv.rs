//! CSV of moments: one a line, or a start and an end.

use pacer::audit::Arrival;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The arrival of a line that is not empty.
pub(super) fn arrival(line: &[u8]) -> Result<Arrival, String> {
    let line = str::from_utf8(line).map_err(|_| "not text")?;
    let mut columns = line.split(',').map(|column| column.trim().trim_matches('"'));
    let start = moment(columns.next().unwrap_or_default())?;
    let arrival = match columns.next() {
        None => Arrival::at(start),
        Some(end) => Arrival::between(start, moment(end)?).ok_or("ends before it starts")?,
    };
    match columns.next() {
        None => Ok(arrival),
        Some(_) => Err("more than two columns: only a start and an end are expected".into()),
    }
}

/// Nanoseconds since 1970 from RFC 3339, or from a number whose size tells its unit.
fn moment(text: &str) -> Result<i64, String> {
    let unknown = || format!("{text:?} is neither RFC 3339 nor a time since 1970");
    if let Some(nanos) = since_1970(text) {
        return Ok(nanos);
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| unknown())?;
    i64::try_from(moment.unix_timestamp_nanos()).map_err(|_| unknown())
}

/// Seconds, milliseconds, microseconds or nanoseconds: what each of them says of our century is
/// a thousand times what the one before says.
fn since_1970(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().ok()?;
    let nanos_each: i64 = match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    let part = fraction_of(nanos_each, fraction)?;
    let part = if whole.starts_with('-') { -part } else { part };
    number.checked_mul(nanos_each)?.checked_add(part)
}

/// The decimals of a number of units of `unit` nanoseconds, rounded down; exact, where floating
/// point would not be.
fn fraction_of(unit: i64, decimals: &str) -> Option<i64> {
    let mut digit_worth = unit;
    let mut nanos = 0;
    for digit in decimals.bytes() {
        digit_worth /= 10;
        nanos += i64::from(char::from(digit).to_digit(10)?) * digit_worth;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_in_each_unit_is_the_same_moment() {
        let nanos = 1_761_955_200_123_456_000;
        for text in [
            "2025-11-01T00:00:00.123456Z",
            "2025-11-01T01:00:00.123456+01:00",
            "1761955200.123456",
            "1761955200123.456",
            "1761955200123456",
            "1761955200123456000",
        ] {
            assert_eq!(moment(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn before_1970_is_a_time_too() {
        assert_eq!(moment("-1.5"), Ok(-1_500_000_000));
        assert_eq!(moment("-0.5"), Ok(-500_000_000));
    }
}
