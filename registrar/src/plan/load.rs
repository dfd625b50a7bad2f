//! What a rate of enrollments needs of each part, and where each part is full.

use std::{io::Write, time::Duration};

use capacity::{
    parts::{self, Part},
    quotas,
};
use serde_json::{Value, json};
use sizing::Plan;

use super::table::{amount, write_paragraph};
use crate::{Failure, Outcome};

pub(super) fn run(
    plan: &Plan,
    rate: u32,
    json: bool,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let (parts, rate) = (parts::parts(plan), f64::from(rate));
    if json {
        writeln!(out, "{}", object(plan, rate, &parts))?;
        return Ok(Outcome::Fine);
    }
    let settings = plan.settings();
    writeln!(
        out,
        "{} enrollments per second, with the plan for {} emails in any {} s\n",
        amount(rate),
        amount(settings.limit.get().into()),
        settings.window.get().as_secs()
    )?;
    write_parts(rate, &parts, out)?;
    let full: Vec<&Part> = parts.iter().filter(|part| part.full_at() < rate).collect();
    if !full.is_empty() {
        writeln!(out, "\nWhat to change:\n")?;
    }
    for Part { name, change, source, .. } in full {
        write_paragraph(&format!("- {name}: {change} ({source})"), out)?;
    }
    writeln!(out)?;
    if let Some(backlog) = parts::backlog(plan, rate) {
        let text = format!(
            "If it lasts, the backlog grows by {} emails per second. After {}, with {} emails, a new one would be sent later \
             than its deadline of 7 days.",
            amount(backlog.growth),
            long(backlog.full_after),
            amount(backlog.growth * backlog.full_after.as_secs_f64())
        );
        write_paragraph(&text, out)?;
    }
    let text = format!(
        "From nothing, Lambda grows to this rate in {} ({}). The limits were read on {}.",
        long(parts::growth_time(rate)),
        quotas::LAMBDA_GROWTH.page,
        quotas::READ_ON
    );
    write_paragraph(&text, out)?;
    Ok(Outcome::Fine)
}

fn write_parts(rate: f64, parts: &[Part], out: &mut impl Write) -> Result<(), Failure> {
    writeln!(
        out,
        "  {:<26}{:>9}{:>10}{:>10}  {:<17}beyond it",
        "part", "full at", "needed", "limit", "per second"
    )?;
    for part in parts {
        writeln!(
            out,
            "{} {:<26}{:>9}{:>10}{:>10}  {:<17}{}",
            if part.full_at() < rate { '!' } else { ' ' },
            part.name,
            amount(part.full_at()),
            amount(part.per_enrollment * rate),
            amount(part.limit),
            part.unit,
            part.beyond
        )?;
    }
    Ok(())
}

/// In the largest unit of which there are two.
fn long(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let units = [(86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2.0 * length);
    match unit {
        Some((length, name)) => format!("{} {name}", amount(seconds / length)),
        None => format!("{} s", amount(seconds)),
    }
}

fn object(plan: &Plan, rate: f64, parts: &[Part]) -> Value {
    let part = |part: &Part| {
        json!({
            "part": part.name,
            "unit": part.unit,
            "needed_per_second": part.per_enrollment * rate,
            "limit_per_second": part.limit,
            "full_at_enrollments_per_second": part.full_at(),
            "is_full": part.full_at() < rate,
            "beyond": part.beyond,
            "change": part.change,
            "source": part.source,
        })
    };
    let backlog = parts::backlog(plan, rate).map(|backlog| {
        json!({
            "emails_per_second": backlog.growth,
            "full_after_seconds": backlog.full_after.as_secs(),
        })
    });
    json!({
        "enrollments_per_second": rate,
        "limits_read_on": quotas::READ_ON,
        "parts": parts.iter().map(part).collect::<Vec<_>>(),
        "backlog": backlog,
        "lambda_grows_in_seconds": parts::growth_time(rate).as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_largest_unit_of_which_there_are_two() {
        for (seconds, text) in
            [(0.01, "0.0 s"), (100.0, "100 s"), (3_000.0, "50 minutes"), (200_000.0, "2.3 days")]
        {
            assert_eq!(long(Duration::from_secs_f64(seconds)), text);
        }
    }
}
