//! The rules: what needs a person, and whom a backlog makes wait.

use std::time::Duration;

use email::{
    deadline::MAX_WAIT,
    hold::{FORGOTTEN, HoldCause},
};
use time::OffsetDateTime;

use crate::text::{letters, on_one_line};

use super::facts::{Api, Facts, Unfinished};

/// Alarms about what other lines of the status say already. A hold for the daily quota needs nobody, and its
/// alarm is not a concern of its own.
const SAID_ALREADY: [&str; 5] = [
    "EmailHeldAlarm",
    "LimitLoweredAlarm",
    "TemplateHeldAlarm",
    "DeadLetterAlarm",
    "EmailFeedbackDeadLetterAlarm",
];

/// When the queue is empty if no job comes. `None` while sending is stopped.
pub(crate) fn drained_at(facts: &Facts) -> Option<OffsetDateTime> {
    let sending = &facts.sending;
    let duration = sending.pace.duration_of(sending.depth.total());
    if sending.is_stopped() { None } else { facts.now.checked_add(duration.try_into().ok()?) }
}

/// What stays as it is until a person acts, each with what to do.
pub(crate) fn concerns(facts: &Facts) -> Vec<String> {
    let mut concerns = Vec::new();
    concerns.extend(api(&facts.api));
    concerns.extend(account(facts));
    concerns.extend(holds(facts));
    concerns.extend(backlog(facts));
    concerns.extend(dead_letters(facts));
    concerns.extend(enrollments(facts));
    concerns.extend(alarms(facts));
    concerns
}

fn api(api: &Api) -> Option<String> {
    match api {
        Api::Responded { status, .. } if *status < 400 => None,
        Api::Responded { status, .. } => {
            Some(format!("the API responded with {status}: read the log of enroll"))
        }
        Api::Silent { .. } => Some(
            "the API did not respond: check the address (--api-url), and the log of enroll".into(),
        ),
    }
}

fn account(facts: &Facts) -> Option<String> {
    let account = facts.account.as_ref()?;
    if account.is_shut_down {
        Some("SES has suspended the account: open a case in the SES console".into())
    } else if !account.sending_enabled {
        Some("sending is paused for the SES account: enable it in the SES console".into())
    } else {
        None
    }
}

fn holds(facts: &Facts) -> Vec<String> {
    let holds = &facts.sending.holds;
    // What has an end needs nobody.
    let operator = holds.operator.as_ref().filter(|hold| hold.until.is_none()).map(|hold| {
        let reason = on_one_line(&hold.reason);
        format!("an operator holds sending ({reason}): `registrar release` ends it")
    });
    let templates = holds.templates.iter().filter(|(_, hold)| hold.until.is_none());
    let templates = templates.map(|(template, hold)| {
        let reason = on_one_line(&hold.reason);
        format!(
            "an operator holds the template {template} ({reason}): `registrar release --template \
             {template}` ends it"
        )
    });
    let lowered = holds.lowered_without_end(facts.now).filter(|age| *age >= FORGOTTEN);
    let lowered = lowered.map(|_| {
        "the limit has been lowered for more than a day: `registrar limit` shows why, and `registrar \
         limit --reset` ends it"
            .to_owned()
    });
    let machine = holds.machine.as_ref().filter(|hold| hold.cause != HoldCause::DailyQuota);
    let machine =
        machine.map(|hold| format!("sending is held, {}: see docs/operations.md", hold.cause));
    let off = facts.sending.is_off_without_a_hold().then(|| {
        "the worker's event source was turned off by other means: `registrar hold --reason …`, then \
         `registrar release` turns it on"
            .to_owned()
    });
    operator.into_iter().chain(templates).chain(lowered).chain(machine).chain(off).collect()
}

/// A backlog of which a part would expire before it is sent.
fn backlog(facts: &Facts) -> Option<String> {
    let sending = &facts.sending;
    let duration: Duration = sending.pace.duration_of(sending.depth.total());
    (duration > MAX_WAIT).then(|| {
        "the backlog takes longer than the week that a job waits at most: raise the limit".into()
    })
}

fn dead_letters(facts: &Facts) -> Vec<String> {
    let mut concerns = Vec::new();
    let count = |total: u64| usize::try_from(total).unwrap_or(usize::MAX);
    let emails = facts.dead_letters.total();
    if emails > 0 {
        let emails = letters(count(emails));
        concerns.push(format!("dead emails, {emails}: `registrar dead-letters list`"));
    }
    let events = facts.feedback_dead_letters.total();
    if events > 0 {
        let events = letters(count(events));
        concerns.push(format!(
            "dead delivery events, {events}: read the log of email-feedback, and redrive the queue in SQS"
        ));
    }
    concerns
}

fn enrollments(facts: &Facts) -> Vec<String> {
    let Some(Unfinished { stuck, late, all_counted, .. }) = facts.unfinished else {
        return Vec::new();
    };
    let count = |count: usize| {
        let at_least = if all_counted { "" } else { "at least " };
        let noun = if count == 1 { "enrollment" } else { "enrollments" };
        format!("{at_least}{count} {noun}")
    };
    let mut concerns = Vec::new();
    if stuck > 0 {
        concerns.push(format!("stuck, {}: `registrar enrollment list --stuck`", count(stuck)));
    }
    if late > 0 {
        concerns.push(format!(
            "overdue for over an hour, {}: `registrar enrollment list --overdue`",
            count(late)
        ));
    }
    concerns
}

fn alarms(facts: &Facts) -> Vec<String> {
    let unfinished = facts.unfinished.unwrap_or_default();
    let is_said = |name: &str| match name {
        "EnrollmentStuckAlarm" | "EnrollmentUnreadableAlarm" => unfinished.stuck > 0,
        "EnrollmentsOverdueAlarm" => unfinished.late > 0,
        name => SAID_ALREADY.contains(&name),
    };
    let alarms = facts.alarms.iter().filter(|alarm| !is_said(&alarm.name));
    alarms.map(|alarm| format!("{}: {}", alarm.name, on_one_line(&alarm.about))).collect()
}
