//! What is known about a student before the queues are searched.

use std::collections::BTreeMap;

use adapters::tables::PersonalData;
use email::{EmailAddress, JobId};
use enrollment::Enrollment;
use serde_json::Value;
use unavailable::Unavailable;

use crate::{aws_call::CallFailed, outcome::Failure, session::Session};

use super::document::Stored;

/// What the enrollments say about where else to look.
pub(super) struct Known {
    /// By their form in lower case, as SES compares them.
    pub(super) addresses: BTreeMap<String, EmailAddress>,
    pub(super) jobs: Vec<JobId>,
    /// The courses of enrollments that no version of the code can read.
    pub(super) unreadable: Vec<String>,
}

impl Known {
    pub(super) fn of(enrollments: &[Stored], more: &[EmailAddress]) -> Self {
        let address = |stored: &Stored| stored.get("email")?.as_str()?.parse::<EmailAddress>().ok();
        let addresses = enrollments.iter().filter_map(address).chain(more.iter().cloned());
        let addresses = addresses.map(|each| (each.as_str().to_ascii_lowercase(), each)).collect();
        let (mut jobs, mut unreadable) = (Vec::new(), Vec::new());
        for stored in enrollments {
            let enrollment = serde_json::from_value::<Enrollment>(Value::Object(stored.clone()));
            if let Ok(enrollment) = enrollment {
                jobs.extend(enrollment.job_ids());
            } else {
                let course = stored.get("course_id").and_then(Value::as_str);
                unreadable.push(course.unwrap_or_default().to_owned());
            }
        }
        Self { addresses, jobs, unreadable }
    }
}

/// The entries of the enrollments' own emails, and of all others to the student's addresses, each once.
pub(super) async fn emails(
    data: &PersonalData,
    known: &Known,
    session: &Session,
) -> Result<Vec<Stored>, Failure> {
    const READ: &str = "reading the ledger";
    let mut entries: BTreeMap<String, Stored> = BTreeMap::new();
    let mut add = |entry: Stored| {
        let id = entry.get("job_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        entries.insert(id, entry);
    };
    for id in &known.jobs {
        let entry = data.ledger_entry::<Stored>(id).await.map_err(|error| failed(READ, &error))?;
        entry.into_iter().for_each(&mut add);
    }
    let bar = session.progress_bar(0, "reading the ledger");
    for address in known.addresses.values() {
        let mut after = None;
        loop {
            let page = data.ledger_entries_to::<Stored>(address, after.as_ref());
            let page = tokio::select! {
                page = page => page.map_err(|error| failed(READ, &error))?,
                () = session.interrupted() => return Err(Failure::Interrupted),
            };
            bar.inc(1);
            page.entries.into_iter().for_each(&mut add);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    bar.finish_and_clear();
    Ok(entries.into_values().collect())
}

fn failed(operation: &'static str, error: &Unavailable) -> CallFailed {
    CallFailed::other(operation, error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(value: Value) -> Stored {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn addresses_and_jobs_come_from_the_enrollments_and_an_unreadable_one_is_named() {
        let enrollment = |course: &str, state: &str, email: &str| {
            stored(json!({
                "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1", "email": email,
                "name": "Ada", "course_id": course, "course_title": "T", "state": state,
                "created_at": "1970-01-01T00:00:00Z", "earlier_confirmations": 1, "version": 3,
            }))
        };
        let all = [
            enrollment("a", "active", "ada@example.com"),
            enrollment("b", "of a later version", "Ada@example.com"),
        ];
        let known = Known::of(&all, &["old@example.com".parse().unwrap()]);
        assert_eq!(known.addresses.len(), 2, "{:?}", known.addresses.keys());
        assert_eq!(known.unreadable, ["b"]);
        // Two confirmations, and the refund notice that it may have.
        assert_eq!(known.jobs.len(), 3);
    }
}
