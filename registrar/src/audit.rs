//! `registrar audit`: checks whether the sends of a log kept the limit.

use std::{
    fs::File,
    io::{BufReader, Read, Write},
    path::PathBuf,
};

use pacer::{SendLimit, Window, audit::Audit};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    outcome::{Failure, Outcome},
    records::{ReadError, Records},
};

/// Large enough for few reads of a log of hundreds of megabytes, and small enough for a CPU cache.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Check the sends of a log against a limit
///
/// The input is the email worker's JSON log lines, with or without text around them, in an array, or in
/// an envelope: the output of `aws logs filter-log-events`, a CloudWatch Logs subscription, Firehose, or
/// Lambda's `awslogs`, also compressed with gzip; or CSV with one time per line (RFC 3339, or seconds,
/// milliseconds or microseconds since 1970), or with two times, the start and the end of an attempt.
/// Each attempt is counted at the worst time between its start and its end. If the log has no end of it,
/// because its worker was killed, it is counted until its timeout.
/// The exit code is 1 if a window may contain more sends than the limit, and 2 if the input is invalid or
/// mentions a send that cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log, or - for standard input
    file: PathBuf,
    /// Maximum number of sends in any window
    #[arg(long, value_name = "N")]
    limit: SendLimit,
    /// Length of the window, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    window: Window,
    /// Print one JSON object: the verdict, the worst window and the counts
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, stdin: impl Read, out: &mut impl Write) -> Result<Outcome, Failure> {
    let (records, audit) = audit(args, stdin).map_err(|error| Failure::Unreadable {
        source_name: args.file.display().to_string(),
        error,
    })?;
    if args.json {
        writeln!(out, "{}", object(args, &records, &audit))?;
    } else {
        write_report(args, &records, &audit, out)?;
    }
    Ok(if audit.is_violated() { Outcome::LimitBroken } else { Outcome::Fine })
}

fn audit(args: &Args, stdin: impl Read) -> Result<(Records, Audit), ReadError> {
    let records = if args.file.as_os_str() == "-" {
        Records::read(buffered(stdin))?
    } else {
        Records::read(buffered(File::open(&args.file)?))?
    };
    let audit =
        Audit::new(&records.arrivals, args.limit, args.window).ok_or(ReadError::NoRecords)?;
    Ok((records, audit))
}

fn buffered<R: Read>(input: R) -> BufReader<R> {
    BufReader::with_capacity(READ_BUFFER_BYTES, input)
}

fn write_report(
    args: &Args,
    records: &Records,
    audit: &Audit,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (limit, worst) = (args.limit, audit.worst);
    let seconds = args.window.get().as_secs();
    writeln!(out, "sends             {} ({})", audit.arrivals, records.format)?;
    if records.unended > 0 {
        writeln!(out, "without an end    {}, counted until their timeout", records.unended)?;
    }
    if records.skipped > 0 {
        writeln!(out, "other lines       {}", records.skipped)?;
    }
    writeln!(out, "first             {}", rfc3339(audit.first))?;
    writeln!(out, "last              {}", rfc3339(audit.last))?;
    writeln!(out, "limit             {limit} in any {seconds} s")?;
    writeln!(
        out,
        "worst window      {} in the {seconds} s from {}",
        worst.count,
        rfc3339(worst.from)
    )?;
    let used = audit.use_of_limit().map_or("-".into(), |used| format!("{:.2}%", used * 100.0));
    writeln!(out, "use of the limit  {used}, from the first to the last")?;
    let verdict = if audit.is_violated() { "BROKEN" } else { "kept" };
    writeln!(out, "the limit was     {verdict}")?;
    Ok(())
}

fn object(args: &Args, records: &Records, audit: &Audit) -> Value {
    json!({
        "kept": !audit.is_violated(),
        "limit": args.limit.get(),
        "window_seconds": args.window.get().as_secs(),
        "worst_window": {"count": audit.worst.count, "from": rfc3339(audit.worst.from)},
        "sends": audit.arrivals,
        "without_end": records.unended,
        "other_lines": records.skipped,
        "format": records.format.to_string(),
        "first": rfc3339(audit.first),
        "last": rfc3339(audit.last),
        "use_of_limit": audit.use_of_limit(),
    })
}

/// Nanoseconds since 1970 as RFC 3339.
fn rfc3339(nanos: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(nanos.into())
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{nanos} ns"))
}
