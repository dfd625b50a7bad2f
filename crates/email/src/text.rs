//! Texts that people type: their normal form, and the characters that they may not have.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// The text in Unicode's Normalization Form C (Unicode Standard Annex 15), so that texts which look the
/// same are the same.
pub fn normalized(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// The text without the byte order mark that some tools write before JSON. RFC 8259, section 8.1, allows
/// a reader to ignore it.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A character that a text may not have. The message names the character, and never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has {kind} (U+{:04X})", u32::from(*character))]
pub struct UnwantedCharacter {
    pub character: char,
    pub kind: Unwanted,
}

/// Why a character is unwanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwanted {
    #[error("a line break or another control character")]
    Control,
    #[error("a line or paragraph separator")]
    Separator,
    #[error("a character that changes the direction of text")]
    Direction,
    #[error("an invisible character")]
    Invisible,
    /// SQS refuses or replaces it; XML cannot have it either.
    #[error("a character that the email queue cannot carry")]
    NotCarried,
    #[error("a code point that is not a character")]
    NotACharacter,
}

/// Whether SQS accepts the character in a message's body and attributes: `#x9 | #xA | #xD | #x20 to #xD7FF |
/// #xE000 to #xFFFD | #x10000 to #x10FFFF` (Amazon SQS API Reference, `SendMessage`), which are the
/// characters of XML 1.0.
pub fn is_carried(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// Checks a text of any length and number of lines: every character can be carried.
///
/// # Errors
///
/// The first character that cannot.
pub fn check_carried(text: &str) -> Result<(), UnwantedCharacter> {
    match text.chars().find(|&c| !is_carried(c)) {
        Some(character) if character.is_control() => {
            Err(UnwantedCharacter { character, kind: Unwanted::Control })
        }
        Some(character) => Err(UnwantedCharacter { character, kind: Unwanted::NotCarried }),
        None => Ok(()),
    }
}

/// Checks a single line: no breaks, nothing invisible, nothing that changes the direction of what follows.
///
/// # Errors
///
/// The first unwanted character.
pub fn check_line(line: &str) -> Result<(), UnwantedCharacter> {
    let mut before = None;
    for character in line.chars() {
        if let Some(kind) = unwanted(character, before) {
            return Err(UnwantedCharacter { character, kind });
        }
        before = Some(character);
    }
    Ok(())
}

/// Whether anything of a checked line can be seen.
pub fn is_visible(line: &str) -> bool {
    line.chars().any(|c| {
        !c.is_whitespace()
            && !is_combining(c)
            && !is_variation_selector(c)
            && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{2800}') // the last is Braille without dots
    })
}

/// `before` is the character in front of it.
fn unwanted(c: char, before: Option<char>) -> Option<Unwanted> {
    match c {
        _ if c.is_control() => Some(Unwanted::Control),
        '\u{2028}' | '\u{2029}' => Some(Unwanted::Separator),
        // Bidi_Control (Unicode Standard Annex 9).
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(Unwanted::Direction)
        }
        '\u{fffe}' | '\u{ffff}' => Some(Unwanted::NotCarried),
        '\u{fdd0}'..='\u{fdef}' => Some(Unwanted::NotACharacter),
        _ if u32::from(c) & 0xfffe == 0xfffe => Some(Unwanted::NotACharacter),
        // Joiners and variation selectors have a meaning after some characters: in Indic and Arabic scripts,
        // ideographs and emoji. Alone, or after a Latin letter, they only make two names look the same.
        '\u{200c}' | '\u{200d}' => {
            let joins = before.is_some_and(|before| before >= '\u{590}' && !is_invisible(before));
            (!joins).then_some(Unwanted::Invisible)
        }
        _ if is_variation_selector(c) => {
            let varies = before.is_some_and(|before| {
                (!before.is_ascii() || before.is_ascii_digit() || matches!(before, '#' | '*'))
                    && !before.is_whitespace()
                    && !is_invisible(before)
            });
            (!varies).then_some(Unwanted::Invisible)
        }
        _ if is_invisible(c) => Some(Unwanted::Invisible),
        _ => None,
    }
}

/// `Default_Ignorable_Code_Point` (Unicode Character Database, DerivedCoreProperties.txt) and the other format
/// characters (category Cf) that have no shape of their own.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{70f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d159}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn is_variation_selector(c: char) -> bool {
    matches!(
        c,
        '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// The blocks of combining marks.
fn is_combining(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwanted_character_is_named() {
        for (line, why) in [
            ("a\nb", "has a line break or another control character (U+000A)"),
            ("a\u{85}b", "has a line break or another control character (U+0085)"),
            ("a\u{2028}b", "has a line or paragraph separator (U+2028)"),
            ("a\u{202e}b", "has a character that changes the direction of text (U+202E)"),
            ("a\u{61c}b", "has a character that changes the direction of text (U+061C)"),
            ("a\u{200b}b", "has an invisible character (U+200B)"),
            ("a\u{ad}b", "has an invisible character (U+00AD)"),
            ("a\u{feff}b", "has an invisible character (U+FEFF)"),
            ("a\u{e0041}b", "has an invisible character (U+E0041)"),
            ("\u{3164}", "has an invisible character (U+3164)"),
            ("\u{ffff}a", "has a character that the email queue cannot carry (U+FFFF)"),
            ("a\u{1fffe}", "has a code point that is not a character (U+1FFFE)"),
            ("a\u{fdd0}", "has a code point that is not a character (U+FDD0)"),
            // Latin letters do not join.
            ("Ada\u{200d}", "has an invisible character (U+200D)"),
            ("Ada\u{fe0f}", "has an invisible character (U+FE0F)"),
        ] {
            assert_eq!(check_line(line).unwrap_err().to_string(), why, "{line:?}");
        }
    }

    #[test]
    fn line_of_any_script_is_accepted() {
        for line in [
            "Amélie O’Neil-Müller",
            "山田\u{3000}太郎",
            "葛\u{e0100}城",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}💻 and ❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "שרה",
            "Nguyễn Thị",
        ] {
            assert_eq!(check_line(line), Ok(()), "{line:?}");
            assert!(is_visible(line));
        }
    }

    #[test]
    fn line_of_blanks_and_marks_is_not_visible() {
        for line in ["", " ", "\u{a0}", "\u{3000}", "\u{2800}", "\u{301}", " \u{2800}\u{301}"] {
            assert!(!is_visible(line), "{line:?}");
        }
    }

    #[test]
    fn carried_characters_are_those_of_the_queue() {
        for c in ['\t', '\n', '\r', ' ', '\u{7f}', '\u{d7ff}', '\u{e000}', '\u{fffd}', '\u{10ffff}']
        {
            assert!(is_carried(c), "{c:?}");
        }
        for c in ['\0', '\u{1}', '\u{b}', '\u{c}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            assert!(!is_carried(c), "{c:?}");
        }
        assert_eq!(check_carried("two\r\nlines\tand é"), Ok(()));
        let why = check_carried("a\u{fffe}").unwrap_err().to_string();
        assert_eq!(why, "has a character that the email queue cannot carry (U+FFFE)");
    }

    #[test]
    fn forms_that_look_the_same_are_the_same() {
        assert_eq!(normalized("Ame\u{301}lie"), "Am\u{e9}lie");
        assert_eq!(normalized("\u{212b}"), "\u{c5}");
        assert_eq!(without_byte_order_mark("\u{feff}{}"), "{}");
    }
}
