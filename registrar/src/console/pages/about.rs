//! One job, recipient or enrollment: why it has not been sent or granted yet, and what happened to it.

use askama::Template;
use email::{EmailAddress, JobId};
use enrollment::{CourseId, StudentId};

use crate::{
    console::{
        frame::{Frame, Notice},
        words::encoded,
    },
    outcome::Failure,
    text::to_the_second,
    why::{
        answer::{Answer, answers},
        facts::{Facts, Subject},
        timeline::events,
    },
};

#[derive(Template)]
#[template(path = "console/about.html")]
pub(crate) struct About {
    frame: Frame,
    title: String,
    answers: Vec<Answered>,
    events: Vec<Event>,
    notices: Vec<Notice>,
    /// The job is a dead letter.
    letter: Option<Letter>,
}

struct Answered {
    text: String,
    remedy: Option<String>,
    is_bad: bool,
}

struct Event {
    at: String,
    what: String,
    expected: bool,
}

struct Letter {
    id: String,
    /// For an address.
    encoded: String,
}

impl About {
    pub(crate) fn new(
        frame: Frame,
        subject: &Subject,
        read: Result<(Facts, Vec<String>), Failure>,
    ) -> Self {
        let title = match subject {
            Subject::Job(id) => format!("Email {id}"),
            Subject::Recipient(address) => format!("Recipient {}", address.as_str()),
            Subject::Enrollment(student, course) => format!("Student {student} in {course}"),
        };
        let empty = Self {
            frame,
            title,
            answers: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
            letter: None,
        };
        let (facts, notes) = match read {
            Ok(read) => read,
            Err(failure) => return Self { notices: vec![Notice::from(&failure)], ..empty },
        };
        let answers = answers(&facts);
        let letter = answers.iter().find_map(|answer| match answer {
            Answer::DeadLetter { job_id, .. } => Some(job_id),
            _ => None,
        });
        let letter = letter.map(|id| Letter { id: id.clone(), encoded: encoded(id) });
        let events = events(&facts).into_iter().map(|event| Event {
            at: to_the_second(event.at),
            what: event.what,
            expected: event.expected,
        });
        let answers = answers.iter().map(|answer| Answered {
            text: answer.to_string(),
            remedy: answer.remedy(),
            is_bad: answer.needs_person(),
        });
        Self {
            answers: answers.collect(),
            events: events.collect(),
            notices: notes.into_iter().map(Notice::of_note).collect(),
            letter,
            ..empty
        }
    }
}

/// What the operator typed: a job's id, an address, or a student's id and a course's id.
pub(crate) fn subject(what: &str) -> Result<Subject, &'static str> {
    const INVALID: &str = "name an email by its job's id, a recipient by the address, or an enrollment by the ids \
        of student and course, with a space between them";
    let words: Vec<&str> = what.split_whitespace().collect();
    match words[..] {
        [student, course] => {
            let (student, course) = (student.parse::<StudentId>(), course.parse::<CourseId>());
            student.ok().zip(course.ok()).map(|(s, c)| Subject::Enrollment(s, c)).ok_or(INVALID)
        }
        [address] if address.contains('@') => {
            address.parse::<EmailAddress>().map(Subject::Recipient).map_err(|_| INVALID)
        }
        [id] => id.parse::<JobId>().map(Subject::Job).map_err(|_| INVALID),
        _ => Err(INVALID),
    }
}
