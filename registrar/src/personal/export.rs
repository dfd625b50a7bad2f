//! `registrar export`: one document with everything that the deployment keeps about a student.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use adapters::tables::PersonalData;
use email::{EmailAddress, JobId};
use enrollment::{Enrollment, StudentId};
use serde_json::Value;
use unavailable::Unavailable;

use crate::{
    aws_call::CallFailed,
    clock,
    dead_letters::Then,
    outcome::{Failure, Outcome},
    ses_list::SesList,
    session::Session,
    stack::{self, Stack},
};

use super::{
    document::{Document, Message, Stored, Suppression},
    queues,
    whom::Whom,
};

/// Export everything that is kept about a student, as one JSON document
///
/// The enrollments with their payments and history, the ledger's entries of all emails to the student's addresses, what
/// the suppression lists have, and the messages on the queues. The whole ledger is read, so this may take minutes.
/// Messages that are searched are hidden from others for seconds. The document has names and addresses: give it to the
/// student, and nobody else. Exit code: 0; 1 if something could not be searched, which the document says in `missed`;
/// 2 if the input is invalid or a call to AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    stack: stack::Args,
    /// The id of the student
    student: StudentId,
    /// An address that the student had before; repeat it for each
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<EmailAddress>,
    /// Write to this file, which must not exist yet, and which only you may read
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn export(
    args: &ExportArgs,
    session: &Session,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stack = Stack::find(&args.stack, session).await?;
    let document = gather(args, &stack, session).await?;
    match &args.output {
        Some(path) => {
            let file = private_file(path)
                .and_then(|mut file| write(&document, &mut file).and_then(|()| file.sync_all()));
            let failed = |error| Failure::OutputFile { path: path.display().to_string(), error };
            file.map_err(failed)?;
        }
        None => write(&document, out)?,
    }
    if document.is_empty() {
        writeln!(err, "note: nothing is kept about this student")?;
    }
    for missed in &document.missed {
        writeln!(err, "note: {missed}")?;
    }
    Ok(if document.missed.is_empty() { Outcome::Fine } else { Outcome::NeedsPerson })
}

async fn gather(args: &ExportArgs, stack: &Stack, session: &Session) -> Result<Document, Failure> {
    let data = stack.personal_data()?;
    let mut document = Document::new(stack.name(), args.student.as_str(), clock::now());
    let enrollments = data.enrollments_of::<Stored>(&args.student).await;
    document.enrollments =
        enrollments.map_err(|error| failed("reading the enrollments", &error))?;
    let known = Known::of(&document.enrollments, &args.addresses);
    document.missed.extend(known.unreadable.iter().map(|course| {
        format!("the enrollment in {course} cannot be read: emails of it are found by their address only")
    }));
    document.emails = emails(&data, &known, session).await?;
    let (ses, copy) = (SesList::new(stack.sdk()), stack.suppressions()?);
    for address in known.addresses.values() {
        let in_stack = copy.record(address).await;
        let in_stack = in_stack.map_err(|error| failed("reading the suppressions", &error))?;
        document.suppressions.extend(Suppression::new(address, in_stack, ses.find(address).await?));
    }
    let whom = Whom::new(known.addresses.values(), &known.jobs);
    for queue in queues::all(stack)? {
        let (found, missed) = queues::search(&queue, &whom, Then::GiveBack, session).await?;
        let messages = found.messages.into_iter().map(|letter| Message::new(queue.name, letter));
        document.messages.extend(messages);
        document.missed.extend(missed);
    }
    document.addresses =
        known.addresses.into_values().map(|each| each.as_str().to_owned()).collect();
    Ok(document)
}

/// What the enrollments say about where else to look.
struct Known {
    /// By their form in lower case, as SES compares them.
    addresses: BTreeMap<String, EmailAddress>,
    jobs: Vec<JobId>,
    /// The courses of enrollments that no version of the code can read.
    unreadable: Vec<String>,
}

impl Known {
    fn of(enrollments: &[Stored], more: &[EmailAddress]) -> Self {
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
async fn emails(
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

fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document).map_err(io::Error::from)?;
    writeln!(out)
}

/// A new file that only its owner may read.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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

    #[cfg(unix)]
    #[test]
    fn file_is_new_and_only_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;

        let directory = std::env::temp_dir().join(format!("export-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("s-1.json");
        let file = private_file(&path).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(private_file(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
