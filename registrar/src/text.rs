//! Texts for a terminal.

use std::{io, time::Duration};

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// If standard output is not a terminal.
const DEFAULT_WIDTH: usize = 100;

/// In columns.
pub(crate) fn terminal_width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(DEFAULT_WIDTH, |(width, _)| width.0.into())
}

/// Replaces control characters and line breaks with spaces: an escape sequence in a message must not
/// control the operator's terminal.
pub(crate) fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Like [`on_one_line`], but keeps line breaks and tabs.
pub(crate) fn on_lines(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c };
    text.chars().map(shown).collect()
}

/// Returns at most `max` characters, with an ellipsis if some are missing.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A whole number with separated thousands, such as `12,500`.
pub(crate) fn number(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < -0.5 { "−".to_owned() } else { String::new() };
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Masks every word that may be an email address: the provider's error messages contain recipients.
pub(crate) fn without_addresses(text: &str) -> String {
    let mask = |word: &str| if word.contains('@') { "***".to_owned() } else { word.to_owned() };
    text.split(' ').map(mask).collect::<Vec<_>>().join(" ")
}

pub(crate) fn to_the_minute(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let (hour, minute, _) = at.to_hms();
    format!("{}T{hour:02}:{minute:02}Z", at.date())
}

pub(crate) fn to_the_second(at: OffsetDateTime) -> String {
    rfc3339(at.to_offset(UtcOffset::UTC).replace_nanosecond(0).unwrap_or(at))
}

pub(crate) fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

/// In the largest unit of which there are at least two.
pub(crate) fn about(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round();
    let units = [("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)];
    match units.into_iter().find(|(_, length)| seconds >= 2.0 * length) {
        Some((unit, length)) => format!("{:.0} {unit}", seconds / length),
        None => format!("{seconds:.0} s"),
    }
}

/// `1 letter`, `2 letters`.
pub(crate) fn letters(count: usize) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

pub(crate) fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (value, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (1_000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1_500.0, "−1,500"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn shortened_text_counts_characters_and_ends_in_an_ellipsis() {
        assert_eq!(shortened("naïve", 5), "naïve");
        assert_eq!(shortened("naïve idea", 6), "naïve…");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn durations_are_in_a_unit_that_people_read() {
        for (seconds, expected) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 days")]
        {
            assert_eq!(about(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(on_one_line("a\u{1b}[2Jb\nc\u{9b}d"), "a [2Jb c d");
        assert_eq!(on_lines("a\n\tb\r\u{7f}"), "a\n\tb  ");
    }

    #[test]
    fn words_with_an_at_sign_are_masked() {
        let text = "Email address is not verified in EU-WEST-1: <ada@example.com>, and so on";
        let masked = "Email address is not verified in EU-WEST-1: *** and so on";
        assert_eq!(without_addresses(text), masked);
    }
}
