//! The language that a recipient reads.

use std::{fmt, str::FromStr};

use icu_locale_core::{LanguageIdentifier, Locale as Tag};
use serde::{Deserialize, Serialize, de::Error};

/// A language tag (BCP 47), such as `de`, `pt-BR` or `zh-Hant-TW`, in its usual case. Extensions are dropped, because they
/// say nothing about the language of a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locale(LanguageIdentifier);

/// A text is not a [`Locale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a language tag (BCP 47) of at most {} characters, such as de or pt-BR",
    Locale::MAX_LENGTH
)]
pub struct InvalidLocale;

impl Locale {
    /// "All language tags are at most 35 characters" in the forms that are in use (RFC 5646, 4.4.1).
    pub const MAX_LENGTH: usize = 35;

    /// The language alone: `pt` of `pt-BR`. `und` if the tag names none.
    pub fn language(&self) -> &str {
        self.0.language.as_str()
    }
}

impl FromStr for Locale {
    type Err = InvalidLocale;

    /// Also accepts `_` between subtags: some OpenID providers write them so (OpenID Connect Core 1.0, 5.1, `locale`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_LENGTH {
            return Err(InvalidLocale);
        }
        let tag = Tag::try_from_str(&text.replace('_', "-")).map_err(|_| InvalidLocale)?;
        Ok(Self(tag.id))
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Locale {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Locale {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_is_written_in_its_usual_case_and_without_extensions() {
        for (text, tag, language) in [
            ("de", "de", "de"),
            ("PT-br", "pt-BR", "pt"),
            ("zh_hant_TW", "zh-Hant-TW", "zh"),
            ("de-DE-u-co-phonebk", "de-DE", "de"),
            ("und", "und", "und"),
            // 35 characters.
            ("de-x-aaaaaaaa-bbbbbbbb-cccccccc-ddd", "de", "de"),
            ("sl-rozaj-biske", "sl-biske-rozaj", "sl"),
        ] {
            let locale: Locale = text.parse().unwrap();
            assert_eq!((locale.to_string().as_str(), locale.language()), (tag, language), "{text}");
            let json = serde_json::to_string(&locale).unwrap();
            assert_eq!(serde_json::from_str::<Locale>(&json).unwrap(), locale);
        }
    }

    #[test]
    fn text_that_is_no_tag_is_refused() {
        let long = "de-x-aaaaaaaa-bbbbbbbb-cccccccc-dddd";
        for text in [
            "",
            "d",
            "german language",
            "de-",
            "-de",
            "de--AT",
            "de-\u{e4}",
            "de-u->o",
            "de-u-co-\n",
            "de-u",
            "123",
            long,
        ] {
            assert_eq!(text.parse::<Locale>(), Err(InvalidLocale), "{text}");
        }
        assert!(serde_json::from_str::<Locale>("\"german language\"").is_err());
    }
}
