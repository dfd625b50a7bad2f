//! Tables of text for a terminal of 100 columns.

use std::io::Write;

use sizing::Choice;

use crate::{Failure, text::number};

/// The maximum length of the table's lines.
pub(super) const MAX_WIDTH: usize = 100;

pub(super) fn write_choices(choices: &[Choice], out: &mut impl Write) -> Result<(), Failure> {
    let max_len = |text: fn(&Choice) -> &str| {
        choices.iter().map(|choice| text(choice).len()).max().unwrap_or_default()
    };
    let (names, values) = (max_len(|choice| choice.name), max_len(|choice| &choice.value));
    for Choice { name, value, reason } in choices {
        let (mut name, mut value) = (*name, value.as_str());
        for line in wrapped(reason, MAX_WIDTH.saturating_sub(names + values + 4)) {
            writeln!(out, "{name:<names$}  {value:>values$}  {line}")?;
            (name, value) = ("", "");
        }
    }
    Ok(())
}

/// A text that begins at the left, with its further lines indented.
pub(super) fn write_paragraph(text: &str, out: &mut impl Write) -> Result<(), Failure> {
    let mut indent = "";
    for line in wrapped(text, MAX_WIDTH - 2) {
        writeln!(out, "{indent}{line}")?;
        indent = "  ";
    }
    Ok(())
}

/// Whole numbers with separated thousands; below ten, one decimal place.
pub(super) fn amount(value: f64) -> String {
    if value < 9.95 && value.fract() != 0.0 { format!("{value:.1}") } else { number(value) }
}

/// Breaks the text into lines of at most `width`. A longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_never_within_one() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("extraordinary", 7), ["extraordinary"]);
    }

    #[test]
    fn small_amounts_have_a_decimal_place() {
        for (value, text) in
            [(4.966, "5.0"), (5.0, "5"), (0.25, "0.2"), (9.96, "10"), (25_000.4, "25,000")]
        {
            assert_eq!(amount(value), text);
        }
    }
}
