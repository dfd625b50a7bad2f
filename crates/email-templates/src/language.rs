//! The languages that every template is written in.

use std::{fmt, str::FromStr};

use email::Locale;

/// A language of the templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Arabic,
    German,
    English,
    Spanish,
    Japanese,
}

/// A text is not the tag of a [`Language`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a language of the templates")]
pub struct UnknownLanguage;

impl Language {
    /// Every language, by its tag.
    pub const ALL: [Self; 5] =
        [Self::Arabic, Self::German, Self::English, Self::Spanish, Self::Japanese];

    /// The reader's language, whatever their region, or this default if the templates are not written in it.
    pub fn for_reader(locale: Option<&Locale>, default: Self) -> Self {
        locale.and_then(|locale| locale.language().parse().ok()).unwrap_or(default)
    }

    /// ISO 639-1.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Arabic => "ar",
            Self::German => "de",
            Self::English => "en",
            Self::Spanish => "es",
            Self::Japanese => "ja",
        }
    }

    /// As HTML's `dir`.
    pub const fn direction(self) -> &'static str {
        match self {
            Self::Arabic => "rtl",
            Self::German | Self::English | Self::Spanish | Self::Japanese => "ltr",
        }
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|language| language.tag() == text).ok_or(UnknownLanguage)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_gets_their_language_in_any_region_or_the_default() {
        for (locale, language) in [
            ("de", Language::German),
            ("de-AT", Language::German),
            ("es-419", Language::Spanish),
            ("ar-Arab-EG", Language::Arabic),
            ("fr", Language::Japanese),
            ("und", Language::Japanese),
        ] {
            let locale = locale.parse().unwrap();
            assert_eq!(Language::for_reader(Some(&locale), Language::Japanese), language);
        }
        assert_eq!(Language::for_reader(None, Language::English), Language::English);
    }
}
