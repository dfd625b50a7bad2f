//! Durations in messages for people.

use std::time::Duration;

/// Seconds from one second up, milliseconds below, with at most one decimal place.
pub(crate) fn human(duration: Duration) -> String {
    let (value, unit) = if duration >= Duration::from_secs(1) || duration.is_zero() {
        (duration.as_secs_f64(), "s")
    } else {
        (duration.as_secs_f64() * 1000.0, "ms")
    };
    let rounded = format!("{value:.1}");
    format!("{} {unit}", rounded.strip_suffix(".0").unwrap_or(&rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit_and_at_most_one_decimal_place() {
        for (duration, text) in [
            (Duration::ZERO, "0 s"),
            (Duration::from_nanos(401_666_667), "401.7 ms"),
            (Duration::from_mins(1), "60 s"),
            (Duration::from_millis(40_166), "40.2 s"),
        ] {
            assert_eq!(human(duration), text);
        }
    }
}
