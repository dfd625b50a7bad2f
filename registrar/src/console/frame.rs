//! What every page has: its place in the navigation, and how a page is rendered.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use crate::{outcome::Failure, text::on_one_line};

/// The pages of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Jobs,
    Letters,
    Enrollments,
    Holds,
    Emails,
}

impl Section {
    const ALL: [Self; 6] =
        [Self::Overview, Self::Jobs, Self::Letters, Self::Enrollments, Self::Holds, Self::Emails];

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Jobs => "jobs",
            Self::Letters => "letters",
            Self::Enrollments => "enrollments",
            Self::Holds => "holds",
            Self::Emails => "emails",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Jobs => "Jobs",
            Self::Letters => "Dead letters",
            Self::Enrollments => "Enrollments",
            Self::Holds => "Holds",
            Self::Emails => "Emails",
        }
    }
}

/// A link of the navigation.
pub(super) struct Link {
    pub(super) href: String,
    pub(super) title: &'static str,
    pub(super) is_current: bool,
}

/// What the layout of a page needs.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The path of everything, with a slash at its end.
    pub(super) base: String,
    pub(super) stack: String,
    pub(super) section: Section,
}

impl Frame {
    pub(super) fn links(&self) -> Vec<Link> {
        let link = |section: Section| Link {
            href: format!("{}{}", self.base, section.path()),
            title: section.title(),
            is_current: section == self.section,
        };
        Section::ALL.map(link).into()
    }
}

/// Why a part of a page is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) title: &'static str,
    pub(super) text: String,
}

impl From<&Failure> for Notice {
    fn from(failure: &Failure) -> Self {
        Self::of_note(failure.to_string())
    }
}

impl Notice {
    /// From the text of a failed call.
    pub(super) fn of_note(text: String) -> Self {
        let text = on_one_line(&text);
        // CallFailed says "access denied"; an adapter's error has AWS's own code.
        let is_denied = ["access denied", "AccessDenied"].iter().any(|code| text.contains(code));
        let title =
            if is_denied { "Not permitted with these credentials" } else { "Not available" };
        Self { title, text }
    }
}

/// A page.
pub(super) fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the page cannot be rendered: {error}"))
                .into_response()
        }
    }
}
