//! How many enrollments per second the resumer finishes after an outage of the email queue: the function's
//! own composition with the real adapters, over HTTP, against stand-ins with the given latency. Prints the
//! table of docs/benchmarks.md.
//!
//! ```text
//! cargo bench -p registrar-bench --bench resumer -- [--items 20000] [--dynamodb-ms 5] [--sqs-ms 15]
//! ```

#![expect(clippy::print_stdout, reason = "a program's output")]

use std::{error::Error, fs, io, time::Duration};

use lambda::clock;
use resumer::sweep::{LAST_PART, TIMEOUT, sweep};
use storm::{
    backlog,
    stand_in::{EnrollmentServices, Latency},
};
use time::OffsetDateTime;
use tokio::runtime;

/// What an outage of an hour leaves at 500 enrollments per second.
const BACKLOG: f64 = 1_800_000.0;

/// Of each minute, in which a run starts something: its timeout less its last part.
const TIME_PER_RUN: Duration = TIMEOUT.saturating_sub(LAST_PART);

fn main() -> Result<(), Box<dyn Error>> {
    let (mut items, mut dynamodb, mut sqs) = (20_000, 5, 15);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(format!("{argument} needs a value"))?.parse()?;
        match argument.as_str() {
            "--items" => items = value,
            "--dynamodb-ms" => dynamodb = value,
            "--sqs-ms" => sqs = value,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let latency =
        Latency { dynamodb: Duration::from_millis(dynamodb), sqs: Duration::from_millis(sqs) };
    let services = EnrollmentServices::new(latency);
    let count = usize::try_from(items)?;
    (0..count).for_each(|n| services.insert_unfinished(n, 0));
    // The stand-ins have a thread of their own; the resumer has one, as on Lambda.
    let stand_ins = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let server = stand_ins.block_on(services.serve())?;
    let lambda = runtime::Builder::new_current_thread().enable_all().build()?;
    let processor = processor_seconds()?;
    let (finished, seconds) = lambda.block_on(async {
        let ports = backlog::ports(server.address()).await;
        let start = clock::instant();
        let until = start + Duration::from_hours(1);
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_mins(1);
        let report = sweep(&ports, now, until).await;
        (report.finished, start.elapsed().as_secs_f64())
    });
    let processor = processor_seconds()? - processor;
    if (finished, services.unfinished()) != (count, 0) {
        return Err(format!("{finished} of {count} finished").into());
    }
    let finished = f64::from(u32::try_from(finished)?);
    let per_second = finished / seconds;
    let per_run = per_second * TIME_PER_RUN.as_secs_f64();
    let microseconds = processor / finished * 1e6;
    println!(
        "| DynamoDB | SQS | items | processor per item | per second | per run | 1.8 million in |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    println!(
        "| {dynamodb} ms | {sqs} ms | {items} | {microseconds:.0} µs | {per_second:.0} | {per_run:.0} | {:.0} min |",
        (BACKLOG / per_run).ceil()
    );
    Ok(())
}

/// What this thread has used. Linux has it in nanoseconds (proc(5), `/proc/pid/schedstat`).
fn processor_seconds() -> io::Result<f64> {
    let used = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = used.split(' ').next().and_then(|used| used.parse::<f64>().ok());
    nanoseconds.map(|used| used / 1e9).ok_or_else(|| io::Error::other("no time in schedstat"))
}
