//! One limit, divided among several stacks.

use std::{io::Write, time::Duration};

use pacer::{SendLimit, Window};
use serde_json::{Value, json};
use sizing::{StackPlan, Weight, divide};

use super::{Format, plan_object};
use crate::{Failure, Outcome};

pub(super) fn run(
    (limit, window, latency): (SendLimit, Window, Duration),
    weights: &[Weight],
    (format, json): (Format, bool),
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let stacks = divide(limit, window, latency, weights)?;
    if json {
        writeln!(out, "{}", object(&stacks))?;
        return Ok(Outcome::Fine);
    }
    let names = stacks.iter().map(|stack| stack.stack.len()).max().unwrap_or_default();
    for StackPlan { stack, plan } in &stacks {
        let parameters = plan.parameter_overrides();
        match format {
            Format::Parameters => writeln!(out, "{stack:<names$}  {parameters}")?,
            Format::Table => {
                let share = plan.settings().limit;
                let usable = plan.usable().fraction() * 100.0;
                writeln!(
                    out,
                    "{stack:<names$}  {share} of {limit}, of which {usable:.1}% are usable"
                )?;
                writeln!(out, "{:names$}  sam deploy --parameter-overrides {parameters}", "")?;
            }
        }
    }
    Ok(Outcome::Fine)
}

fn object(stacks: &[StackPlan]) -> Value {
    let stack = |StackPlan { stack, plan }: &StackPlan| {
        let mut object = plan_object(plan);
        object["stack"] = stack.as_str().into();
        object
    };
    json!({"stacks": stacks.iter().map(stack).collect::<Vec<_>>()})
}
