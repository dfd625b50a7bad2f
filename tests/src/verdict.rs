//! Checks after a fault: the limit was kept, and every job was sent once or is a dead letter with its reason. The
//! evidence is the record of the proxy and what is left on AWS, not what the workers report.

use std::{
    collections::HashMap,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use email::testing::{FirstEmail, second_email_is_excused};

use crate::{
    DeployedStack,
    backlog::{Backlog, Expected, Job, recipient},
    dead_letters::DeadLetter,
    faults::{Exchange, Faults},
    processes::Kill,
    wait::within,
};

/// How long a backlog may stay on the queue. Enough for several back-offs, and for the end of some claims.
const MAX_WAIT: Duration = Duration::from_mins(5);

/// A send limit, as the values of a worker's environment variables.
#[derive(Debug, Clone)]
pub struct Limit {
    /// `SEND_LIMIT`.
    pub sends: String,
    /// `SEND_WINDOW_SECONDS`.
    pub window_seconds: String,
}

impl Limit {
    /// Fails unless `registrar audit` finds that the attempts that arrived at the provider kept the limit.
    pub fn assert_kept(&self, sends: &[Exchange]) {
        let arguments =
            ["registrar", "audit", "-", "--limit", &self.sends, "--window", &self.window_seconds];
        let cli = registrar::Cli::parse_from(arguments);
        let (mut report, mut errors) = (Vec::new(), Vec::new());
        let exit = registrar::run(&cli, csv(sends).as_bytes(), &mut report, &mut errors);
        let report = [report, errors].concat();
        assert!(exit == ExitCode::SUCCESS, "{}", String::from_utf8_lossy(&report));
    }
}

/// One time per line, in nanoseconds since 1970-01-01 UTC.
fn csv(sends: &[Exchange]) -> String {
    let line = |send: &Exchange| {
        let at = send.at.duration_since(UNIX_EPOCH).expect("the clock is after 1970");
        format!("{}\n", at.as_nanos())
    };
    std::iter::once("arrived_at\n".to_owned()).chain(sends.iter().map(line)).collect()
}

/// Waits until no job of the backlog is queued, and fails unless each has the result that it must have. Returns the
/// jobs that were sent more than once with an excuse. There are none if no worker was killed and no response of the
/// provider was lost.
pub async fn assert_sent_or_dead(
    stack: &DeployedStack,
    faults: &Faults,
    backlog: &Backlog,
    kills: &[Kill],
) -> Vec<String> {
    let tag = &backlog.tag;
    within(MAX_WAIT, &format!("an email queue without {tag}"), async || {
        stack.queued_messages(tag).await.is_empty().then_some(())
    })
    .await;
    let emails = emails_per_recipient(stack, tag).await;
    let letters = stack.take_dead_letters(tag).await;
    let exchanges = faults.exchanges();
    let mut sent_again = Vec::new();
    for job in &backlog.jobs {
        let emails = emails.get(&recipient(&job.id)).copied().unwrap_or(0);
        match job.expected {
            Expected::Sent => {
                assert_no_dead_letter(job, &letters);
                if was_sent_again(job, emails, &exchanges, kills) {
                    sent_again.push(job.id.clone());
                }
            }
            Expected::DeadLetter(code) => {
                assert_eq!(emails, 0, "{} was sent", job.body);
                assert_dead_letter(job, code, &letters);
            }
        }
    }
    sent_again
}

/// The number of emails to each recipient.
async fn emails_per_recipient(stack: &DeployedStack, tag: &str) -> HashMap<String, usize> {
    let mut emails = HashMap::new();
    for to in stack.emails_mentioning(tag).await.into_iter().flat_map(|email| email.to) {
        *emails.entry(to).or_default() += 1;
    }
    emails
}

fn assert_no_dead_letter(job: &Job, letters: &[DeadLetter]) {
    let letter = letters.iter().find(|letter| letter.body == job.body);
    assert!(letter.is_none(), "{} could have been sent: {letter:?}", job.id);
}

/// A job may have several dead letters: a worker may die after writing one and before acknowledging the message.
fn assert_dead_letter(job: &Job, code: &str, letters: &[DeadLetter]) {
    let mut kept = letters.iter().filter(|letter| letter.body == job.body).peekable();
    assert!(kept.peek().is_some(), "{} is not a dead letter", job.body);
    for letter in kept {
        assert_eq!(letter.attribute("error_code"), code, "{letter:?}");
        assert!(!letter.attribute("reason").is_empty(), "{letter:?}");
    }
}

/// Whether the job was sent more than once. Fails if it was not sent, or was sent again without an excuse.
fn was_sent_again(job: &Job, emails: usize, exchanges: &[Exchange], kills: &[Kill]) -> bool {
    let id = job.id.as_str();
    let accepted = accepted(id, exchanges);
    assert_eq!(
        emails,
        accepted.len(),
        "{id}: emails that SES has, and emails that it accepted through the proxy"
    );
    assert!(emails > 0, "{id} is lost");
    for pair in accepted.windows(2) {
        let [first, second] = pair else { continue };
        let email = first_email(first, exchanges, kills);
        assert!(second_email_is_excused(&email, &second.at), "{id} was sent again: {first:?}");
    }
    emails > 1
}

fn accepted<'a>(id: &str, exchanges: &'a [Exchange]) -> Vec<&'a Exchange> {
    let of_job = |send: &&Exchange| send.is_send() && send.job_id.as_deref() == Some(id);
    exchanges.iter().filter(of_job).filter(|send| send.was_done()).collect()
}

fn first_email(send: &Exchange, exchanges: &[Exchange], kills: &[Kill]) -> FirstEmail<SystemTime> {
    let records_it =
        |write: &&Exchange| write.marks_sent() && write.was_done() && write.job_id == send.job_id;
    let worker_killed_at = match send.process {
        Some(process) => {
            kills.iter().filter(|kill| kill.process == process).map(|kill| kill.at).min()
        }
        // It had exited before it was looked up, and here only a kill ends a process that sends.
        None => kills.first().map(|_| send.at),
    };
    FirstEmail {
        response_was_received: send.response_was_received(),
        worker_killed_at,
        recorded_as_sent_at: exchanges.iter().filter(records_it).map(|write| write.at).min(),
    }
}

#[cfg(test)]
mod tests;
