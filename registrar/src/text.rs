//! Writing for a terminal.

use std::io;

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// Where lines are broken that go to no terminal.
const WIDTH: usize = 100;

/// The columns of the terminal that standard output is, or a usual number of them.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(WIDTH, |(width, _)| width.0.into())
}

/// The text without anything that a terminal would obey: an escape sequence in somebody's message
/// must not move the operator's cursor. Line breaks become spaces.
pub(crate) fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The same for a text of several lines.
pub(crate) fn on_lines(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c };
    text.chars().map(shown).collect()
}

/// At most so many characters, with an ellipsis where some are missing.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The text with every word that could be an email address masked: providers repeat recipients in
/// their refusals.
pub(crate) fn without_addresses(text: &str) -> String {
    let mask = |word: &str| if word.contains('@') { "***".to_owned() } else { word.to_owned() };
    text.split(' ').map(mask).collect::<Vec<_>>().join(" ")
}

/// A moment, for people who compare moments.
pub(crate) fn to_the_minute(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let (hour, minute, _) = at.to_hms();
    format!("{}T{hour:02}:{minute:02}Z", at.date())
}

/// A moment as it is stored.
pub(crate) fn in_full(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

/// `1 letter`, `2 letters`.
pub(crate) fn letters(count: usize) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shortened_by_characters() {
        assert_eq!(shortened("naïve", 5), "naïve");
        assert_eq!(shortened("naïve idea", 6), "naïve…");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn nothing_in_a_text_is_obeyed_by_a_terminal() {
        assert_eq!(on_one_line("a\u{1b}[2Jb\nc\u{9b}d"), "a [2Jb c d");
        assert_eq!(on_lines("a\n\tb\r\u{7f}"), "a\n\tb  ");
    }

    #[test]
    fn addresses_are_masked() {
        let text = "Email address is not verified in EU-WEST-1: <ada@example.com>, and so on";
        let masked = "Email address is not verified in EU-WEST-1: *** and so on";
        assert_eq!(without_addresses(text), masked);
    }
}
