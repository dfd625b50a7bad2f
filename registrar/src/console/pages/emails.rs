//! The emails that the templates make of sample data, as a phone and a desktop show them.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use email::{Message, dead_letter::Reason};
use email_templates::Language;

use crate::console::{frame::Frame, security};

#[derive(Template)]
#[template(path = "console/emails.html")]
pub(crate) struct Emails {
    frame: Frame,
    language: Language,
    shown: Vec<Email>,
}

struct Email {
    name: &'static str,
    /// Otherwise why it cannot be rendered.
    rendered: Result<Rendered, String>,
}

struct Rendered {
    subject: String,
    text: String,
    has_html: bool,
}

impl Emails {
    pub(crate) fn new(frame: Frame, language: Language) -> Self {
        let emails = email_templates::NAMES.into_iter().map(|name| Email {
            name,
            rendered: sample(name, language)
                .map(|message| Rendered {
                    subject: message.subject.as_str().to_owned(),
                    text: message.text,
                    has_html: message.html.is_some(),
                })
                .map_err(|reason| reason.text),
        });
        Self { shown: emails.collect(), frame, language }
    }
}

fn sample(name: &str, language: Language) -> Result<Message, Reason> {
    email_templates::render(name, language, &email_templates::sample(name).unwrap_or_default())
}

/// The HTML of a template's sample. `None` if there is none.
pub(crate) fn html(name: &str, language: Language) -> Option<Response> {
    let html = sample(name, language).ok()?.html?;
    Some(([security::email_policy()], Html(html)).into_response())
}
