//! What must be true when it is over, by what passed the proxy and what is left in the world,
//! whatever the workers say: the limit was kept, and every job was sent once or is kept with its
//! reason.

use std::{
    collections::HashMap,
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use clap::Parser;

use crate::{
    World,
    backlog::{Backlog, End, Job, address},
    faults::{Faults, Passed},
    outside::within,
    processes::Kill,
    stack::Stack,
    world::DeadLetter,
};

/// How long a backlog may take to be done with: some back-offs, and the end of some claims.
const PATIENCE: Duration = Duration::from_mins(5);

/// A send limit, in the words of the variables that a worker reads it from.
#[derive(Debug, Clone)]
pub struct Limit {
    /// `SEND_LIMIT`.
    pub sends: String,
    /// `SEND_WINDOW_SECONDS`.
    pub window_seconds: String,
}

impl Limit {
    /// The limit that the stack is deployed with.
    pub fn deployed(stack: &Stack) -> Self {
        let variable = |name: &str| stack.function_environment[name].clone();
        Self { sends: variable("SEND_LIMIT"), window_seconds: variable("SEND_WINDOW_SECONDS") }
    }

    /// Has `registrar audit` judge the attempts that arrived at the provider's door.
    pub fn was_kept(&self, sends: &[Passed]) {
        let arguments =
            ["registrar", "audit", "-", "--limit", &self.sends, "--window", &self.window_seconds];
        let cli = registrar::Cli::parse_from(arguments);
        let (mut report, mut errors) = (Vec::new(), Vec::new());
        let exit = registrar::run(&cli, csv(sends).as_bytes(), &mut report, &mut errors);
        let report = [report, errors].concat();
        assert!(exit == ExitCode::SUCCESS, "{}", String::from_utf8_lossy(&report));
    }
}

/// One moment a line, in nanoseconds since 1970.
fn csv(sends: &[Passed]) -> String {
    let line = |send: &Passed| {
        let at = send.at.duration_since(UNIX_EPOCH).expect("it is after 1970");
        format!("{}\n", at.as_nanos())
    };
    std::iter::once("arrived_at\n".to_owned()).chain(sends.iter().map(line)).collect()
}

/// Waits until the queue has none of the jobs left, and judges what became of each. Returns the jobs
/// that were sent more than once and could not but be; that is none where no worker was killed and
/// no answer of the provider's was lost.
pub async fn books_are_right(
    world: &World,
    faults: &Faults,
    backlog: &Backlog,
    kills: &[Kill],
) -> Vec<String> {
    let tag = &backlog.tag;
    within(PATIENCE, &format!("an email queue without {tag}"), async || {
        world.queued(tag).await.is_empty().then_some(())
    })
    .await;
    let emails = emails(world, tag).await;
    let letters = world.dead_letters(tag).await;
    let passed = faults.passed();
    let mut twice = Vec::new();
    for job in &backlog.jobs {
        let emails = emails.get(&address(&job.id)).copied().unwrap_or(0);
        match job.end {
            End::Sent => {
                no_letter(job, &letters);
                if was_sent(job, emails, &passed, kills) {
                    twice.push(job.id.clone());
                }
            }
            End::Dead(code) => {
                assert_eq!(emails, 0, "{} was sent", job.body);
                is_kept(job, code, &letters);
            }
        }
    }
    twice
}

/// How many emails each recipient has had.
async fn emails(world: &World, tag: &str) -> HashMap<String, usize> {
    let mut emails = HashMap::new();
    for to in world.emails_mentioning(tag).await.into_iter().flat_map(|email| email.to) {
        *emails.entry(to).or_default() += 1;
    }
    emails
}

fn no_letter(job: &Job, letters: &[DeadLetter]) {
    let letter = letters.iter().find(|letter| letter.body == job.body);
    assert!(letter.is_none(), "{} could have been sent: {letter:?}", job.id);
}

/// At least once: a worker may die between keeping a dead letter and saying so.
fn is_kept(job: &Job, code: &str, letters: &[DeadLetter]) {
    let mut kept = letters.iter().filter(|letter| letter.body == job.body).peekable();
    assert!(kept.peek().is_some(), "{} is not kept as a dead letter", job.body);
    for letter in kept {
        assert_eq!(letter.attribute("error_code"), code, "{letter:?}");
        assert!(!letter.attribute("reason").is_empty(), "{letter:?}");
    }
}

/// Whether it was sent more than once. Fails where it was not sent, or again without need.
fn was_sent(job: &Job, emails: usize, passed: &[Passed], kills: &[Kill]) -> bool {
    let id = job.id.as_str();
    let accepted = accepted(id, passed);
    assert_eq!(emails, accepted.len(), "{id}: what SES has, and what it accepted at the proxy");
    assert!(emails > 0, "{id} is lost");
    for pair in accepted.windows(2) {
        let [before, after] = pair else { continue };
        assert!(is_excused(before, after, passed, kills), "{id} was sent again: {before:?}");
    }
    emails > 1
}

fn accepted<'a>(id: &str, passed: &'a [Passed]) -> Vec<&'a Passed> {
    let of_it = |send: &&Passed| send.is_send() && send.job_id.as_deref() == Some(id);
    passed.iter().filter(of_it).filter(|send| send.was_done()).collect()
}

/// A second email cannot be avoided where the first one was accepted and nobody could tell the ledger:
/// its worker did not hear of it, or died before it had written it down.
fn is_excused(before: &Passed, after: &Passed, passed: &[Passed], kills: &[Kill]) -> bool {
    let of_it = |write: &&Passed| write.marks_sent() && write.job_id == before.job_id;
    let known = passed.iter().filter(of_it).any(|write| write.was_done() && write.at <= after.at);
    let died = |kill: &Kill| Some(kill.process) == before.process && kill.at <= after.at;
    !known && (!before.was_answered() || kills.iter().any(died))
}

#[cfg(test)]
mod tests;
