//! The data of each template, and its files.

use askama::Template;
use email::{
    Message,
    dead_letter::{INVALID_DATA, Reason},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::Language;

#[derive(Deserialize)]
pub(crate) struct EnrollmentConfirmation {
    student_name: String,
    course_title: String,
}

#[derive(Deserialize)]
pub(crate) struct EnrollmentRefund {
    student_name: String,
    course_title: String,
}

/// Reads a template's data and writes its message.
pub(crate) trait Email: DeserializeOwned {
    fn read(data: &Map<String, Value>) -> Result<Self, Reason> {
        Self::deserialize(data)
            .map_err(|error| Reason::new(INVALID_DATA, format!("`data`: {error}")))
    }

    fn write(&self, language: Language) -> Result<Message, Reason>;
}

/// The files of a template in each language, all rendered from one type of data. A language that is missing does not
/// compile.
macro_rules! email {
    ($data:ident, $($language:ident: $subject:literal, $text:literal, $html:literal;)+) => {
        impl Email for $data {
            fn write(&self, language: Language) -> Result<Message, Reason> {
                match language {
                    $(Language::$language => {
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
                            subject: &'a str,
                            language: Language,
                        }

                        let subject = rendered(Subject { data: self })?;
                        let (data, subject) = (self, subject.trim());
                        Ok(Message {
                            text: rendered(Text { data })?,
                            html: Some(rendered(Html { data, subject, language })?),
                            subject: subject.parse().map_err(|why| {
                                Reason::new(INVALID_DATA, format!("the subject {why}"))
                            })?,
                        })
                    })+
                }
            }
        }
    };
}

email! { EnrollmentConfirmation,
    Arabic: "enrollment-confirmation/ar/subject.txt",
        "enrollment-confirmation/ar/body.txt",
        "enrollment-confirmation/ar/body.html";
    German: "enrollment-confirmation/de/subject.txt",
        "enrollment-confirmation/de/body.txt",
        "enrollment-confirmation/de/body.html";
    English: "enrollment-confirmation/en/subject.txt",
        "enrollment-confirmation/en/body.txt",
        "enrollment-confirmation/en/body.html";
    Spanish: "enrollment-confirmation/es/subject.txt",
        "enrollment-confirmation/es/body.txt",
        "enrollment-confirmation/es/body.html";
    Japanese: "enrollment-confirmation/ja/subject.txt",
        "enrollment-confirmation/ja/body.txt",
        "enrollment-confirmation/ja/body.html";
}

email! { EnrollmentRefund,
    Arabic: "enrollment-refund/ar/subject.txt",
        "enrollment-refund/ar/body.txt",
        "enrollment-refund/ar/body.html";
    German: "enrollment-refund/de/subject.txt",
        "enrollment-refund/de/body.txt",
        "enrollment-refund/de/body.html";
    English: "enrollment-refund/en/subject.txt",
        "enrollment-refund/en/body.txt",
        "enrollment-refund/en/body.html";
    Spanish: "enrollment-refund/es/subject.txt",
        "enrollment-refund/es/body.txt",
        "enrollment-refund/es/body.html";
    Japanese: "enrollment-refund/ja/subject.txt",
        "enrollment-refund/ja/body.txt",
        "enrollment-refund/ja/body.html";
}

fn rendered(template: impl Template) -> Result<String, Reason> {
    template.render().map_err(|error| Reason::new(INVALID_DATA, error.to_string()))
}
