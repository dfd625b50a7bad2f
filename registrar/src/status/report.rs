//! The status as one screen, and as JSON.

use std::io::{self, Write};

use email::hold::{LoweredLimit, OperatorHold};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    sending::Sending,
    text::{about, on_one_line, shortened, terminal_width, to_the_second},
};

use super::{
    concerns::drained_at,
    facts::{Api, Facts, Unfinished},
};

pub(super) fn write_screen(
    facts: &Facts,
    concerns: &[String],
    out: &mut impl Write,
) -> io::Result<()> {
    let mut row = |name: &str, text: String| writeln!(out, "{name:<13}  {text}");
    row("stack", format!("{}, {}", facts.stack, to_the_second(facts.now)))?;
    row("API", api(&facts.api))?;
    row("queue", queue(&facts.sending))?;
    row("limit", limit(&facts.sending, facts.now))?;
    row("use", usage(facts))?;
    row("empty by", drain(facts))?;
    for line in holds(&facts.sending) {
        row("held", line)?;
    }
    let events = facts.feedback_dead_letters.total();
    row(
        "dead letters",
        format!("{} emails, {events} delivery events", facts.dead_letters.total()),
    )?;
    row("enrollments", enrollments(facts.unfinished))?;
    if facts.alarms.is_empty() {
        row("alarms", "none".to_owned())?;
    }
    for alarm in &facts.alarms {
        let since =
            alarm.since.map_or_else(String::new, |at| format!(" since {}", to_the_second(at)));
        row("alarm", format!("{}{since}", alarm.name))?;
    }
    let width = terminal_width();
    for letter in &facts.recent_failures {
        let line = format!("{}  {}  {}", letter.id, letter.code, letter.reason);
        row("failure", shortened(&line, width.saturating_sub(15).max(60)))?;
    }
    if concerns.is_empty() {
        return row("needs a person", "nothing".to_owned());
    }
    writeln!(out, "needs a person")?;
    for concern in concerns {
        writeln!(out, "  {concern}")?;
    }
    Ok(())
}

fn enrollments(unfinished: Option<Unfinished>) -> String {
    let Some(Unfinished { stuck, overdue, all_counted, .. }) = unfinished else {
        return "not known: they cannot be read".to_owned();
    };
    let at_least = if all_counted { "" } else { "at least " };
    format!("{at_least}{stuck} stuck, {at_least}{overdue} overdue")
}

fn api(api: &Api) -> String {
    match api {
        Api::Responded { status, milliseconds } => format!("{status} in {milliseconds} ms"),
        Api::Silent { error } => on_one_line(error),
    }
}

fn queue(sending: &Sending) -> String {
    let depth = sending.depth;
    format!(
        "{} jobs: {} ready, {} with a worker or waiting for a retry, {} delayed",
        depth.total(),
        depth.visible,
        depth.hidden,
        depth.delayed
    )
}

fn limit(sending: &Sending, now: OffsetDateTime) -> String {
    let pace = sending.pace;
    let seconds = pace.window.get().as_secs();
    let by_account = match pace.account_rate {
        Some(rate) => format!(", lowered by the account's {rate} per second"),
        None => String::new(),
    };
    let by_operator = sending.holds.lowered_at(now).map_or_else(String::new, lowered);
    let (limit, per_minute) = (pace.limit, pace.per_minute());
    format!("{limit} in any {seconds} s{by_account}{by_operator}; {per_minute} per minute at most")
}

fn lowered(by_operator: &LoweredLimit) -> String {
    let LoweredLimit { limit, window_seconds, since, until, reason } = by_operator;
    let (since, reason) = (to_the_second(*since), on_one_line(reason));
    let until = until.map_or_else(String::new, |at| format!(" until {}", to_the_second(at)));
    format!(
        ", lowered by an operator to {limit} in any {window_seconds} s since {since}{until} ({reason})"
    )
}

fn usage(facts: &Facts) -> String {
    let now = match facts.sent_per_minute {
        Some(sent) if facts.sending.pace.per_second > 0.0 => {
            let used = sent / (facts.sending.pace.per_second * 60.0) * 100.0;
            format!("{sent:.0} per minute in the last 5 minutes ({used:.0}%)")
        }
        Some(sent) => format!("{sent:.0} per minute in the last 5 minutes"),
        None => "no figure of the last 5 minutes".to_owned(),
    };
    let Some(account) = &facts.account else { return now };
    let sent = account.sent_last_24_hours;
    match account.daily_quota {
        Some(quota) => format!("{now}; {sent:.0} of {quota:.0} in the last 24 hours"),
        None => format!("{now}; {sent:.0} in the last 24 hours, without a quota"),
    }
}

fn drain(facts: &Facts) -> String {
    let sending = &facts.sending;
    let duration = sending.pace.duration_of(sending.depth.total());
    match drained_at(facts) {
        _ if sending.depth.total() == 0 => "it is empty".to_owned(),
        Some(at) => format!("{}, in about {}", to_the_second(at), about(duration)),
        None => format!("about {} after sending resumes", about(duration)),
    }
}

/// A line per hold; `no` without one.
pub(crate) fn holds(sending: &Sending) -> Vec<String> {
    let holds = &sending.holds;
    let operator =
        holds.operator.as_ref().map(|hold| format!("by an operator {}", since_and_reason(hold)));
    let templates = holds
        .templates
        .iter()
        .map(|(template, hold)| format!("template {template} {}", since_and_reason(hold)));
    let machine = holds
        .machine
        .as_ref()
        .map(|hold| format!("automatically since {}: {}", to_the_second(hold.since), hold.cause));
    let lines: Vec<_> = operator.into_iter().chain(machine).chain(templates).collect();
    if !lines.is_empty() {
        return lines;
    }
    let off = sending.is_off_without_a_hold();
    vec![if off { "no, but the event source is off" } else { "no" }.to_owned()]
}

fn since_and_reason(hold: &OperatorHold) -> String {
    let until = hold.until.map_or_else(String::new, |at| format!(" until {}", to_the_second(at)));
    format!("since {}{until}: {}", to_the_second(hold.since), on_one_line(&hold.reason))
}

pub(super) fn json(facts: &Facts, concerns: &[String], notes: &[String]) -> Value {
    let sending = &facts.sending;
    let account = facts.account.as_ref();
    let failures = facts.recent_failures.iter().map(|letter| {
        json!({
            "id": letter.id, "code": letter.code, "reason": letter.reason,
            "at": letter.at.map(to_the_second),
        })
    });
    json!({
        "stack": facts.stack,
        "at": to_the_second(facts.now),
        "api": facts.api,
        "queue": sending.depth,
        "limit": sending.pace.limit.get(),
        "window_seconds": sending.pace.window.get().as_secs(),
        "emails_per_minute": sending.pace.per_minute(),
        "sent_per_minute": facts.sent_per_minute,
        "sent_last_24_hours": account.map(|account| account.sent_last_24_hours),
        "daily_quota": account.and_then(|account| account.daily_quota),
        "empty_by": drained_at(facts).map(to_the_second),
        "holds": sending.holds,
        "event_source_on": sending.event_source_on,
        "dead_letters": facts.dead_letters.total(),
        "feedback_dead_letters": facts.feedback_dead_letters.total(),
        "unfinished_enrollments": facts.unfinished,
        "recent_failures": failures.collect::<Vec<_>>(),
        "alarms": facts.alarms,
        "needs_person": concerns,
        "notes": notes,
    })
}
