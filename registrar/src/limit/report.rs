//! The limits as lines, and as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::text::{on_one_line, to_the_minute};

use super::Limits;

pub(super) fn write_limits(limits: &Limits, out: &mut impl Write) -> io::Result<()> {
    let mut row = |name: &str, text: String| writeln!(out, "{name:<9}  {text}");
    let (deployed, pace) = (limits.deployed, limits.pace);
    row("deployed", format!("{} in any {} s", deployed.limit, deployed.window.get().as_secs()))?;
    row("lowered", lowered(limits))?;
    let account = match limits.account_rate {
        Some(rate) => format!("{rate} per second"),
        None => "unknown, or without a rate".to_owned(),
    };
    row("account", account)?;
    row("effective", format!("{} per minute at most", pace.per_minute()))
}

fn lowered(limits: &Limits) -> String {
    let Some(lowered) = &limits.lowered else { return "no".to_owned() };
    let (since, reason) = (to_the_minute(lowered.since), on_one_line(&lowered.reason));
    let end = match lowered.until {
        Some(until) => format!("until {}", to_the_minute(until)),
        None => "until `registrar limit --reset`".to_owned(),
    };
    let (limit, seconds) = (lowered.limit, lowered.window_seconds);
    format!("{limit} in any {seconds} s, since {since}, {end}: {reason}")
}

pub(super) fn json(limits: &Limits) -> Value {
    json!({
        "deployed": limits.deployed.limit.get(),
        "window_seconds": limits.deployed.window.get().as_secs(),
        "lowered": limits.lowered,
        "account_per_second": limits.account_rate,
        "emails_per_minute": limits.pace.per_minute(),
    })
}
