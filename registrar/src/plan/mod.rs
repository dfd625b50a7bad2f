//! `registrar plan`: the deployment parameters for a limit, or a check of given ones. For a limit also its division among
//! stacks, what a load needs, and what it costs.

mod cost;
mod load;
mod shares;
mod table;

use std::{io::Write, str::FromStr, time::Duration};

use clap::ValueEnum;
use pacer::{SendLimit, Share, Window};
use serde_json::{Map, Value, json};
use sizing::{Choice, Parameter, Plan, UnknownParameter, Weight, WorkerSettings};

use crate::{Failure, Outcome};

/// Choose the deployment parameters for a limit, each with its reason, or check given ones
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Maximum number of sends in any window
    #[arg(long, value_name = "N", required_unless_present = "check")]
    limit: Option<SendLimit>,
    /// Check these parameters instead, with the template's defaults for the others
    #[arg(
        long,
        value_name = "NAME=VALUE",
        num_args = 1..,
        conflicts_with_all = ["limit", "window", "latency_ms", "format", "shares", "load", "cost"],
    )]
    check: Vec<Given>,
    /// Length of the window, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    window: Window,
    /// Expected latency of the provider, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 60)]
    latency_ms: u64,
    /// Divide the limit among several stacks, each with a weight, or 1: `eu=2,us`
    #[arg(
        long,
        value_name = "STACK=WEIGHT",
        value_delimiter = ',',
        conflicts_with_all = ["load", "cost"],
    )]
    shares: Vec<Weight>,
    /// Enrollments per second: print what they need of each part of AWS and Stripe, and where each part is full
    #[arg(
        long,
        value_name = "RATE",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["cost", "format"],
    )]
    load: Option<u32>,
    /// Print what a million enrollments, a million emails and a month cost, item by item
    #[arg(long, conflicts_with = "format")]
    cost: bool,
    /// All values as a table, or only the template's parameters on one line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print one JSON object: every parameter and every value with its reason, or the result of --check, --shares, --load or
    /// --cost
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Parameters,
}

/// One parameter, as `sam deploy --parameter-overrides` takes it.
#[derive(Debug, Clone)]
struct Given {
    parameter: Parameter,
    value: String,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
        let parameter = name.parse().map_err(|why: UnknownParameter| format!("the name {why}"))?;
        Ok(Self { parameter, value: value.to_owned() })
    }
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<Outcome, Failure> {
    let Some(limit) = args.limit else { return check(&args.check, args.json, out) };
    let latency = Duration::from_millis(args.latency_ms);
    if !args.shares.is_empty() {
        let form = (args.format, args.json);
        return shares::run((limit, args.window, latency), &args.shares, form, out);
    }
    let plan = Plan::new(limit, args.window, latency)?;
    if let Some(rate) = args.load {
        return load::run(&plan, rate, args.json, out);
    }
    if args.cost {
        return cost::run(&plan, args.json, out);
    }
    if args.json {
        writeln!(out, "{}", plan_object(&plan))?;
        return Ok(Outcome::Fine);
    }
    let parameters = plan.parameter_overrides();
    match args.format {
        Format::Parameters => writeln!(out, "{parameters}")?,
        Format::Table => {
            table::write_choices(&plan.choices(), out)?;
            writeln!(out, "\nsam deploy --parameter-overrides {parameters}")?;
        }
    }
    Ok(Outcome::Fine)
}

fn plan_object(plan: &Plan) -> Value {
    let parameters: Map<String, Value> =
        plan.parameters().into_iter().map(|(name, value)| (name, value.into())).collect();
    let choices: Vec<Value> = plan
        .choices()
        .into_iter()
        .map(|Choice { name, value, reason }| {
            json!({"name": name, "value": value, "reason": reason})
        })
        .collect();
    json!({
        "parameters": parameters,
        "parameter_overrides": plan.parameter_overrides(),
        "choices": choices,
    })
}

/// Fails if nothing could be sent with these parameters. What only wastes something is a note.
fn check(given: &[Given], json: bool, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut settings = WorkerSettings::defaults()?;
    for Given { parameter, value } in given {
        settings = settings.with(*parameter, value)?;
    }
    let share = settings.check()?;
    if json {
        writeln!(out, "{}", check_object(&settings, share))?;
        return Ok(Outcome::Fine);
    }
    for advice in settings.advice(share) {
        writeln!(out, "note: {advice}")?;
    }
    writeln!(
        out,
        "at most {} emails in any {} s: {} workers, each one email every {:?}, at most {} per invocation",
        share.total(),
        settings.window.get().as_secs(),
        settings.slots,
        share.interval(),
        settings.sends_per_invocation(share),
    )?;
    Ok(Outcome::Fine)
}

fn check_object(settings: &WorkerSettings, share: Share) -> Value {
    let sends = settings.sends_per_invocation(share);
    let notes: Vec<String> = settings.advice(share).iter().map(ToString::to_string).collect();
    json!({
        "max_sends": share.total(),
        "window_seconds": settings.window.get().as_secs(),
        "workers": settings.slots.get(),
        "interval_ms": u64::try_from(share.interval().as_millis()).unwrap_or(u64::MAX),
        "max_sends_per_invocation": u64::try_from(sends).unwrap_or(u64::MAX),
        "notes": notes,
    })
}
