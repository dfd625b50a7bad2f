//! Whom a message concerns.

use std::collections::BTreeSet;

use email::{EmailAddress, Job, JobId};

use crate::dead_letters::Letter;

/// One student, as the queues know them.
#[derive(Debug, Default)]
pub(super) struct Whom {
    /// In lower case, as SES compares them.
    addresses: BTreeSet<String>,
    jobs: BTreeSet<String>,
}

impl Whom {
    pub(super) fn new<'a>(
        addresses: impl IntoIterator<Item = &'a EmailAddress>,
        jobs: impl IntoIterator<Item = &'a JobId>,
    ) -> Self {
        let addresses = addresses.into_iter().map(|each| each.as_str().to_ascii_lowercase());
        let jobs = jobs.into_iter().map(|job| job.as_str().to_owned());
        Self { addresses: addresses.collect(), jobs: jobs.collect() }
    }

    /// A job concerns its recipient. What is not a job, such as an event of SES, concerns whom it names.
    pub(super) fn is_concerned_by(&self, letter: &Letter) -> bool {
        if letter.job_id().is_some_and(|id| self.jobs.contains(id.as_str())) {
            return true;
        }
        if let Ok(job) = Job::parse(&letter.body) {
            self.addresses.contains(&job.to.as_str().to_ascii_lowercase())
        } else {
            let body = letter.body.to_ascii_lowercase();
            self.addresses.iter().any(|address| names(&body, address))
        }
    }
}

/// Whether a text has this address, and not only as a part of another one: `a@x.org` is not in `da@x.org`.
fn names(text: &str, address: &str) -> bool {
    // Of an address (RFC 5322, section 3.2.3, `atext`), beside letters and digits of any script.
    let continues = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~@".contains(c);
    text.match_indices(address).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + found.len()..].chars();
        let goes_on = match after.next() {
            // It may also end a sentence.
            Some('.') => after.next().is_some_and(char::is_alphanumeric),
            Some(next) => next.is_alphanumeric() || next == '-',
            None => false,
        };
        !before.is_some_and(|c| c == '.' || continues(c)) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use email::dead_letter::attribute;
    use serde_json::json;

    use super::*;
    use crate::dead_letters::Receipt;

    fn letter(body: &str, job_id: Option<&str>) -> Letter {
        let receipt = Receipt { message_id: "m-1".to_owned(), handle: "r-1".to_owned() };
        let id = job_id.map(|id| (attribute::JOB_ID.to_owned(), id.to_owned()));
        Letter::new(receipt, body.to_owned(), id.into_iter().collect(), BTreeMap::new())
    }

    fn whom() -> Whom {
        let jobs: [JobId; 1] = ["job-1".parse().unwrap()];
        Whom::new(&["Ada@example.com".parse().unwrap()], &jobs)
    }

    #[test]
    fn address_is_found_alone_and_not_in_another_one() {
        for text in [
            "ada@example.com",
            "<ada@example.com>",
            r#"{"to":["ada@example.com"]}"#,
            "x ada@example.com.",
        ] {
            assert!(names(text, "ada@example.com"), "{text}");
        }
        for text in [
            "cada@example.com",
            "c.ada@example.com",
            "a+ada@example.com",
            "ada@example.com.au",
            "ada@example.community",
            "ada@example.com-x.org",
        ] {
            assert!(!names(text, "ada@example.com"), "{text}");
        }
    }

    #[test]
    fn job_concerns_its_recipient_and_whoever_it_was_made_for() {
        let job = |id: &str, to: &str| {
            json!({"v": 1, "id": id, "to": to, "subject": "For ada@example.com", "text": "T"})
                .to_string()
        };
        assert!(whom().is_concerned_by(&letter(&job("job-9", "ADA@example.com"), None)));
        assert!(whom().is_concerned_by(&letter(&job("job-1", "old@example.com"), None)));
        assert!(!whom().is_concerned_by(&letter(&job("job-9", "bob@example.com"), None)));
    }

    #[test]
    fn what_is_not_a_job_concerns_whom_it_names() {
        assert!(whom().is_concerned_by(&letter(r#"{"mail":{"to":"Ada@Example.com"}}"#, None)));
        assert!(whom().is_concerned_by(&letter("not a job", Some("job-1"))));
        assert!(!whom().is_concerned_by(&letter(r#"{"mail":{"to":"bob@example.com"}}"#, None)));
    }
}
