//! Calls in memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use adapters::tables::{FoundJob, JobFilter, JobPage};
use email::{JobId, ledger::State};
use time::OffsetDateTime;

use crate::{
    clock,
    console::{
        calls::Calls,
        security::{Access, Token},
        server::Console,
        watch::Watched,
    },
    dead_letters::{
        Action, Applied, FoundLetter, Handled, HandledLetters, LetterDetails, ListedLetter,
        Selection, Which,
    },
    enrollments::{Listed, Unfinished},
    live::testing::{reading, sending},
    outcome::Failure,
    sending::{Depth, Sending},
    status::facts::{Alarm, Api, Facts},
    why::facts::{Facts as WhyFacts, JobFacts, Subject},
};

/// Markup in every text of a stack that somebody else can write.
pub(super) const MARKUP: &str = "<script>alert(1)</script>&\"'";

/// What a desk has, and what was asked of it.
#[derive(Clone, Default)]
pub(super) struct Desk {
    /// Codes of the dead letters `job-0`, `job-1`, ...
    pub(super) codes: Vec<String>,
    pub(super) unfinished: Vec<Listed>,
    /// Every call fails as AWS denies it.
    pub(super) denied: bool,
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    pub(super) fn with_letters(codes: &[&str]) -> Self {
        Self { codes: codes.iter().map(|&code| code.to_owned()).collect(), ..Self::default() }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn note(&self, call: String) -> Result<(), Failure> {
        self.asked.lock().unwrap().push(call);
        if self.denied {
            let denied = std::io::Error::other("AccessDeniedException: not authorized to perform");
            return Err(Failure::Output(denied));
        }
        Ok(())
    }

    fn matching(&self, selection: &Selection) -> Vec<ListedLetter> {
        let letters =
            self.codes.iter().enumerate().filter(|(number, code)| match &selection.which {
                Which::Ids(ids) => ids.contains(&format!("job-{number}")),
                Which::Reason(wanted) => wanted == *code,
                _ => true,
            });
        letters.map(|(number, code)| listed(number, code)).collect()
    }
}

fn listed(number: usize, code: &str) -> ListedLetter {
    let found = FoundLetter {
        id: format!("job-{number}"),
        code: code.to_owned(),
        reason: format!("refused {MARKUP}"),
        at: Some(OffsetDateTime::UNIX_EPOCH),
    };
    ListedLetter { found, attempts: Some(2), kept_at: Some(OffsetDateTime::UNIX_EPOCH) }
}

impl Calls for Desk {
    fn sending(&self) -> Result<Sending, Failure> {
        self.note("sending".into())?;
        Ok(sending(600))
    }

    fn about(&self, subject: Subject) -> Result<(WhyFacts, Vec<String>), Failure> {
        self.note(format!("about {subject:?}"))?;
        let job = match &subject {
            Subject::Job(id) => Some(JobFacts { id: id.clone(), progress: None }),
            _ => None,
        };
        let facts = WhyFacts {
            subject,
            now: clock::now(),
            enrollment: None,
            job,
            recipient: None,
            letters: self.matching(&Which::All.into()).into_iter().map(|each| each.found).collect(),
            sending: sending(600),
        };
        Ok((facts, vec![format!("something is missing {MARKUP}")]))
    }

    /// Three pages: two jobs each, of which the first has a template with markup.
    fn jobs(&self, filter: &JobFilter, after: Option<&JobId>) -> Result<JobPage, Failure> {
        self.note(format!("jobs {filter:?} after {:?}", after.map(JobId::as_str)))?;
        let page = after.map_or(0, |id| id.as_str()[4..].parse().unwrap());
        let job = |number: usize| FoundJob {
            id: format!("job-{number}").parse().unwrap(),
            state: State::Sent,
            template: (number == 0).then(|| MARKUP.to_owned()),
            attempts: 1,
            last_attempt_at: Some(OffsetDateTime::UNIX_EPOCH),
            error_code: None,
        };
        let next = (page < 2).then(|| format!("job-{}", page + 1).parse().unwrap());
        Ok(JobPage { jobs: vec![job(2 * page), job(2 * page + 1)], examined: 1_000, next })
    }

    fn letters(&self, selection: &Selection) -> Result<Vec<ListedLetter>, Failure> {
        self.note(format!("letters {selection:?}"))?;
        Ok(self.matching(selection))
    }

    fn letter(&self, id: &str) -> Result<Vec<LetterDetails>, Failure> {
        self.note(format!("letter {id}"))?;
        let letters = self.matching(&Which::Ids(vec![id.to_owned()]).into()).into_iter();
        let details = letters.map(|letter| LetterDetails {
            message_id: "m-1".into(),
            code: letter.found.code,
            reason: letter.found.reason,
            attributes: [("attempts".to_owned(), "2".to_owned())].into(),
            queue: [].into(),
            ledger: None,
            body: format!("{{\"to\": \"ada@example.com\", \"text\": \"{MARKUP}\"}}"),
        });
        Ok(details.collect())
    }

    fn preview(&self, action: Action, selection: &Selection) -> Result<Vec<Handled>, Failure> {
        self.note(format!("preview {action:?} {selection:?}"))?;
        let handled = self.matching(selection).into_iter().map(|letter| Handled {
            left: letter.found.code == "left",
            text: format!("would be handled {MARKUP}"),
            id: letter.found.id,
        });
        Ok(handled.collect())
    }

    fn apply(
        &self,
        action: Action,
        selection: &Selection,
        confirmed: usize,
    ) -> Result<Applied, Failure> {
        self.note(format!("apply {action:?} {:?} {confirmed}", selection.which))?;
        let letters = self.matching(selection);
        if letters.len() > confirmed {
            return Ok(Applied::Grown { now: letters.len() });
        }
        let letters = letters.into_iter().map(|letter| Handled {
            left: letter.found.code == "left",
            text: format!("handled {MARKUP}"),
            id: letter.found.id,
        });
        let failure = Some(format!("it failed {MARKUP}"));
        Ok(Applied::Done(HandledLetters { letters: letters.collect(), failure }))
    }

    fn unfinished(&self) -> Result<Unfinished, Failure> {
        self.note("unfinished".into())?;
        Ok(Unfinished { enrollments: self.unfinished.clone(), more: false })
    }

    fn hold(&self, reason: &str) -> Result<String, Failure> {
        self.note(format!("hold {reason}"))?;
        Ok(format!("held by an operator: {reason}\n"))
    }

    fn release(&self) -> Result<String, Failure> {
        self.note("release".into())?;
        Ok("ended\n".to_owned())
    }
}

/// Facts of a stack with a backlog and a dead letter.
pub(super) fn facts() -> Facts {
    Facts {
        stack: "registrar".into(),
        now: clock::now(),
        api: Api::Responded { status: 200, milliseconds: 12 },
        sending: sending(600),
        account: None,
        sent_per_minute: None,
        dead_letters: Depth { visible: 1, ..Depth::default() },
        feedback_dead_letters: Depth::default(),
        unfinished: None,
        recent_failures: vec![listed(0, "MessageRejected").found],
        alarms: vec![Alarm { name: "EnrollErrorAlarm".into(), since: None, about: MARKUP.into() }],
    }
}

/// With a minute of readings.
pub(super) fn console(desk: Desk, port: u16) -> Console {
    let watched = Watched::default();
    {
        let mut seen = watched.seen();
        for second in (0..=60_u32).step_by(3) {
            let backlog = u64::from(600 - 5 * second);
            let mut reading = reading(second.into(), 2.0 * f64::from(second), backlog);
            reading.at = clock::now() - Duration::from_secs(u64::from(60 - second));
            reading.dead_letters = Some(Depth { visible: 1, ..Depth::default() });
            seen.history.push(reading);
        }
        seen.status = Some((facts(), Vec::new()));
    }
    Console {
        access: Access::new(Token::random(), port),
        stack: MARKUP.to_owned(),
        calls: Arc::new(desk),
        watched: Arc::new(watched),
    }
}
