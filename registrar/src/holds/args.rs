//! The arguments of `hold`, `release` and `holds`.

use std::str::FromStr;

use crate::{period::Period, stack};

/// Stop sending emails, until `registrar release` or for a time
///
/// Jobs wait on the queue, and enrollments continue as usual. Only an operator, or the end that --for sets, ends a hold
/// that was started by an operator. With --template only jobs of that template wait, and all other emails are sent.
/// Repeating the command replaces reason and end.
#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    pub(super) stack: stack::Args,
    /// Why sending stops; `registrar holds` shows it
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Reason,
    /// How long: minutes, hours and days up to 14 days, such as 90m, 2h or 1d12h. Without it, until `registrar release`
    #[arg(long = "for", value_name = "TIME")]
    pub(super) period: Option<Period>,
    /// Hold only jobs of this template
    #[arg(long, value_name = "NAME")]
    pub(super) template: Option<TemplateName>,
    /// Print the holds as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// End all holds of all sending, including an automatic one, and resume sending
///
/// If the provider still refuses emails, the next attempt starts a new hold. Holds of single templates, and a lowered
/// limit, stay.
#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(super) stack: stack::Args,
    /// End only the hold of this template
    #[arg(long, value_name = "NAME")]
    pub(super) template: Option<String>,
    /// Print the holds as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Show the holds in force, each with its reason, and whether the event source is on
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(super) stack: stack::Args,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// One line of 1 to 500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one line of 1 to 500 characters")]
pub(crate) struct InvalidReason;

impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        if (1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReason)
        }
    }
}

/// The name of a template that the worker of this release has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TemplateName(pub(crate) &'static str);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a template that this release knows, which are: {}", email_templates::NAMES.join(", "))]
pub(crate) struct UnknownTemplate;

impl FromStr for TemplateName {
    type Err = UnknownTemplate;

    fn from_str(text: &str) -> Result<Self, UnknownTemplate> {
        let known = email_templates::NAMES.into_iter().find(|name| *name == text);
        known.map(Self).ok_or(UnknownTemplate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_line() {
        assert_eq!("  why not ".parse(), Ok(Reason("why not".to_owned())));
        for text in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert_eq!(text.parse::<Reason>(), Err(InvalidReason));
        }
    }

    #[test]
    fn unknown_template_is_refused_with_the_known_ones() {
        assert_eq!("enrollment-refund".parse(), Ok(TemplateName("enrollment-refund")));
        let error = "enrolment-refund".parse::<TemplateName>().unwrap_err().to_string();
        assert!(error.contains("enrollment-confirmation, enrollment-refund"), "{error}");
    }
}
