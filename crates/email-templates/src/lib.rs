//! The email templates: one directory of `templates/` per template, with one per language, compiled in. The worker sends
//! them, and the operator's console shows them.
//!
//! Values are escaped in HTML. A subject with a line break is rejected. The text is written on its own, for readers of
//! plain text. CONTRIBUTING.md says how to add a template or a language.

mod emails;
mod language;

use email::{
    Message,
    dead_letter::{Reason, UNKNOWN_TEMPLATE},
};
use serde_json::{Map, Value};

use self::emails::{Email, EnrollmentConfirmation, EnrollmentRefund};
pub use self::language::{Language, UnknownLanguage};

/// Every name, sorted. A job may name another one: it waits for a release of the worker that has it.
pub const NAMES: [&str; 2] = ["enrollment-confirmation", "enrollment-refund"];

/// Renders a template.
///
/// # Errors
///
/// The template does not exist, or does not accept the data. The error is permanent in this release: a retry of the
/// job fails in the same way.
pub fn render(
    name: &str,
    language: Language,
    data: &Map<String, Value>,
) -> Result<Message, Reason> {
    match name {
        "enrollment-confirmation" => EnrollmentConfirmation::read(data)?.write(language),
        "enrollment-refund" => EnrollmentRefund::read(data)?.write(language),
        _ => Err(Reason::new(UNKNOWN_TEMPLATE, "this worker has no template of that name")),
    }
}

/// Data that a template accepts, to show what its emails look like. `None` if there is no such template.
pub fn sample(name: &str) -> Option<Map<String, Value>> {
    let json = match name {
        "enrollment-confirmation" => {
            include_str!("../templates/enrollment-confirmation/sample.json")
        }
        "enrollment-refund" => include_str!("../templates/enrollment-refund/sample.json"),
        _ => return None,
    };
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render_with(data: Value) -> Result<Message, Reason> {
        let Value::Object(data) = data else { unreachable!("tests give objects") };
        render("enrollment-confirmation", Language::English, &data)
    }

    #[test]
    fn confirmation_has_the_names_and_escapes_them_in_html() {
        let message = render_with(
            json!({"student_name": "Ada", "course_id": "c", "course_title": "Rust & you"}),
        )
        .unwrap();
        assert_eq!(message.subject.as_str(), "You are enrolled in Rust & you");
        assert_eq!(
            message.text,
            "Hello Ada,\n\nYou are enrolled in \"Rust & you\". Your access is open from now on.\n\n\
             Enjoy the course!"
        );
        let html = message.html.unwrap();
        assert!(html.contains("<p>Hello Ada,</p>"), "{html}");
        assert!(html.contains("<strong>Rust &#38; you</strong>"), "{html}");
    }

    #[test]
    fn refund_names_student_and_course() {
        let Value::Object(data) = json!({"student_name": "Ada", "course_title": "Rust"}) else {
            unreachable!("the literal is an object")
        };
        let message = render("enrollment-refund", Language::English, &data).unwrap();
        assert_eq!(message.subject.as_str(), "Your payment for Rust is refunded");
        assert!(message.text.contains("your payment for \"Rust\" in full"));
        assert!(message.html.unwrap().contains("<strong>Rust</strong>"));
    }

    #[test]
    fn values_are_escaped_in_html() {
        let message = render_with(
            json!({"student_name": "<script>alert(1)</script>", "course_title": "\"><img src=x>"}),
        )
        .unwrap();
        let html = message.html.unwrap();
        assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
    }

    #[test]
    fn subject_with_a_line_break_is_rejected() {
        let reason = render_with(
            json!({"student_name": "Ada", "course_title": "Rust\r\nBcc: eve@example.com"}),
        )
        .unwrap_err();
        assert_eq!(reason.code, "invalid_data");
        assert_eq!(
            reason.text,
            "the subject has a line break or another control character (U+000D)"
        );
    }

    fn directories(folder: &str) -> Vec<String> {
        let folder = format!("{}/templates/{folder}", env!("CARGO_MANIFEST_DIR"));
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let directories = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        let mut names: Vec<_> =
            directories.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn directories_are_the_templates_and_their_languages() {
        assert_eq!(directories(""), NAMES);
        for name in NAMES {
            assert_eq!(directories(name), Language::ALL.map(Language::tag), "{name}");
            let reason = render(name, Language::English, &Map::new()).unwrap_err();
            assert_ne!(reason.code, "unknown_template", "{name}");
        }
    }

    /// `INSTA_UPDATE=always cargo test -p registrar-email-templates` writes them anew.
    #[test]
    fn emails_are_as_in_the_snapshots_and_show_their_data() {
        for name in NAMES {
            let data = sample(name).unwrap();
            for language in Language::ALL {
                let Message { subject, text, html } = render(name, language, &data).unwrap();
                let html = html.unwrap();
                for value in data.values() {
                    let value = value.as_str().unwrap();
                    assert!(
                        text.contains(value) && html.contains(value),
                        "{name}.{language}: {value}"
                    );
                }
                let subject = subject.as_str();
                insta::assert_snapshot!(
                    format!("{name}.{language}"),
                    format!("Subject: {subject}\n\n{text}\n\n{html}")
                );
            }
        }
        assert_eq!(sample("novel"), None);
    }

    #[test]
    fn page_has_the_language_and_its_direction() {
        let html = |language| {
            let data = sample("enrollment-refund").unwrap();
            render("enrollment-refund", language, &data).unwrap().html.unwrap()
        };
        assert!(html(Language::Arabic).contains(r#"<html lang="ar" dir="rtl">"#));
        assert!(html(Language::Japanese).contains(r#"<html lang="ja" dir="ltr">"#));
    }

    #[test]
    fn template_that_cannot_be_rendered_is_an_error_with_its_reason() {
        assert_eq!(
            render("novel", Language::English, &Map::new()).unwrap_err().code,
            "unknown_template"
        );
        let reason = render_with(json!({"student_name": "Ada"})).unwrap_err();
        assert_eq!(reason, Reason::new("invalid_data", "`data`: missing field `course_title`"));
    }
}
