//! The email templates: one directory of `templates/` per template, compiled in. The worker sends them, and
//! the operator's console shows them.
//!
//! To add one: a directory with `subject.txt`, `body.txt`, `body.html` and `sample.json`, a struct for its
//! data, its name in [`NAMES`], and a line in [`render`] and in [`sample`]. Values are escaped in HTML. A
//! subject with a line break is rejected.

use askama::Template;
use email::{
    Message,
    dead_letter::{INVALID_DATA, Reason, UNKNOWN_TEMPLATE},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Every name, sorted. A job may name another one: it waits for a release of the worker that has it.
pub const NAMES: [&str; 2] = ["enrollment-confirmation", "enrollment-refund"];

/// Renders a template.
///
/// # Errors
///
/// The template does not exist, or does not accept the data. The error is permanent in this release: a retry of the
/// job fails in the same way.
pub fn render(name: &str, data: &Map<String, Value>) -> Result<Message, Reason> {
    match name {
        "enrollment-confirmation" => EnrollmentConfirmation::read(data)?.write(),
        "enrollment-refund" => EnrollmentRefund::read(data)?.write(),
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

#[derive(Deserialize)]
struct EnrollmentConfirmation {
    student_name: String,
    course_title: String,
}

#[derive(Deserialize)]
struct EnrollmentRefund {
    student_name: String,
    course_title: String,
}

/// Reads a template's data and writes its message.
trait Email: DeserializeOwned {
    fn read(data: &Map<String, Value>) -> Result<Self, Reason> {
        Self::deserialize(data)
            .map_err(|error| Reason::new(INVALID_DATA, format!("`data`: {error}")))
    }

    fn write(&self) -> Result<Message, Reason>;
}

/// The three files of a template's directory, all rendered from one type of data.
macro_rules! email {
    ($data:ident, $subject:literal, $text:literal, $html:literal) => {
        const _: () = {
            #[derive(Template)]
            #[template(path = $subject)]
            struct Subject<'a> {
                data: &'a $data,
            }

            #[derive(Template)]
            #[template(path = $text)]
            struct Text<'a> {
                data: &'a $data,
            }

            #[derive(Template)]
            #[template(path = $html)]
            struct Html<'a> {
                data: &'a $data,
            }

            impl Email for $data {
                fn write(&self) -> Result<Message, Reason> {
                    Ok(Message {
                        subject: rendered(Subject { data: self })?.trim().parse().map_err(
                            |why| Reason::new(INVALID_DATA, format!("the subject {why}")),
                        )?,
                        text: rendered(Text { data: self })?,
                        html: Some(rendered(Html { data: self })?),
                    })
                }
            }
        };
    };
}

email!(
    EnrollmentConfirmation,
    "enrollment-confirmation/subject.txt",
    "enrollment-confirmation/body.txt",
    "enrollment-confirmation/body.html"
);

email!(
    EnrollmentRefund,
    "enrollment-refund/subject.txt",
    "enrollment-refund/body.txt",
    "enrollment-refund/body.html"
);

fn rendered(template: impl Template) -> Result<String, Reason> {
    template.render().map_err(|error| Reason::new(INVALID_DATA, error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render_with(data: Value) -> Result<Message, Reason> {
        let Value::Object(data) = data else { unreachable!("tests give objects") };
        render("enrollment-confirmation", &data)
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
            "Hello Ada,\n\nyou are enrolled in \"Rust & you\". Your access is open from now on.\n\n\
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
        let message = render("enrollment-refund", &data).unwrap();
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

    #[test]
    fn names_and_template_directories_are_the_same() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut directories: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        directories.sort();
        assert_eq!(directories, NAMES);
        for name in NAMES {
            assert_ne!(render(name, &Map::new()).unwrap_err().code, "unknown_template", "{name}");
        }
    }

    #[test]
    fn every_template_has_a_sample_that_it_accepts_and_shows() {
        for name in NAMES {
            let data = sample(name).unwrap();
            let message = render(name, &data).unwrap();
            for value in data.values() {
                let value = value.as_str().unwrap();
                assert!(message.text.contains(value), "{name} does not show {value:?}");
            }
        }
        assert_eq!(sample("novel"), None);
    }

    #[test]
    fn template_that_cannot_be_rendered_is_an_error_with_its_reason() {
        assert_eq!(render("novel", &Map::new()).unwrap_err().code, "unknown_template");
        let reason = render_with(json!({"student_name": "Ada"})).unwrap_err();
        assert_eq!(reason, Reason::new("invalid_data", "`data`: missing field `course_title`"));
    }
}
