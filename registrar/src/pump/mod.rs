//! `registrar pump`: Lambda's event source mapping of SQS queues, for functions under `cargo lambda watch`.
//!
//! ```text
//! connect ── template     what the template says
//!    ├── places, sqs      the queues
//!    └── mappings         the deployed mappings of the same queues
//! run ── poll ── batch    from the queue to batches
//!  └── handle ── response, event    one batch and its messages
//! queue, functions        the ports of both; sqs and watch_server implement them
//! ```

mod batch;
mod connect;
mod error;
mod event;
mod functions;
mod handle;
mod lines;
mod mappings;
mod places;
mod poll;
mod queue;
mod response;
mod run;
mod service;
mod sqs;
mod stop;
mod template;
#[cfg(test)]
mod tests;
mod watch_server;

use std::{
    io::{self, Write},
    path::PathBuf,
    str::FromStr,
};

use futures_util::future::join_all;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::{
    clock,
    outcome::{Failure, Outcome},
    session::Session,
    stack,
};

pub(crate) use self::error::PumpError;

use self::{
    connect::{Connected, Wanted, connect},
    lines::Line,
    mappings::{Mappings, Paused, Policy},
    service::Service,
    sqs::SqsQueue,
    stop::Stop,
    watch_server::WatchServer,
};

/// Invoke functions under `cargo lambda watch` with the messages of their SQS queues
///
/// `cargo lambda watch` has no event sources. The pump takes the place of Lambda's event source mapping: it polls the
/// queues, invokes the functions with batches, and deletes what they handled. Batch size, batching window, maximum
/// concurrency and partial batch responses are read from the template, also from one that is not Registrar's. Each edit
/// of a function is tried on the next messages.
///
/// It serves SQS queues, standard and FIFO. It lists the event sources that it does not serve, such as streams and
/// schedules, and refuses filters. Parameters have their deployed values, unless they are overridden.
///
/// It prints one line per batch: a message that failed is hidden for the visibility timeout of its queue. Ctrl-C stops
/// polling; what the functions do not finish within 5 s is given back to the queue. docs/pump.md has the permissions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    /// The template
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// Look for no stack: parameters have their defaults, and each queue needs --queue-url
    #[arg(long)]
    no_stack: bool,
    /// Parameters of the template
    #[arg(long, value_name = "NAME=VALUE", num_args = 1..)]
    parameter_overrides: Vec<Pair>,
    /// Serve only these event sources, by their logical ids; that of an event of a function is both names in a row
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Address of a queue, by the logical id of the queue or of the event source
    #[arg(long, value_name = "NAME=URL", num_args = 1..)]
    queue_url: Vec<Pair>,
    /// Name of a function at the server, by its logical id, if the template does not tell it
    #[arg(long, value_name = "ID=NAME", num_args = 1..)]
    function: Vec<Pair>,
    /// Address of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    server: String,
    /// What to do about deployed event source mappings of the same queues
    #[arg(long, value_enum, value_name = "POLICY", default_value_t = Policy::Refuse)]
    mappings: Policy,
}

/// `NAME=VALUE`.
#[derive(Debug, Clone)]
struct Pair(String, String);

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let (lines, printed) = mpsc::unbounded_channel();
    let (server, stop) = (WatchServer::new(&args.server), Stop::new());
    let Connected { services, mappings, competing } =
        connect(wanted(args), session, &server, &stop, &lines).await?;
    // From here on, the services have the only senders.
    drop(lines);
    let mut paused = Vec::new();
    let ran = match pause(&mappings, competing, &mut paused, out).await {
        Ok(()) => {
            let (pumped, written) =
                tokio::join!(serve(services, session, &stop), write(printed, out, &stop));
            written.map_err(Failure::from).and(pumped)
        }
        Err(failure) => Err(failure),
    };
    // Also after a failure.
    let resumed = resume(&mappings, &paused, out).await;
    ran.and(resumed).map(|()| Outcome::Fine)
}

fn wanted(args: &Args) -> Wanted<'_> {
    let map = |pairs: &[Pair]| {
        pairs.iter().map(|Pair(name, value)| (name.clone(), value.clone())).collect()
    };
    Wanted {
        stack: (!args.no_stack).then_some(&args.stack),
        template: &args.template,
        parameters: map(&args.parameter_overrides),
        only: &args.only,
        queue_urls: map(&args.queue_url),
        functions: map(&args.function),
        mappings: args.mappings,
    }
}

/// Runs the services until the operator stops them, or until one fails.
async fn serve(
    services: Vec<Service<'_, SqsQueue, WatchServer>>,
    session: &Session,
    stop: &Stop,
) -> Result<(), Failure> {
    let all = join_all(services.into_iter().map(async |service| service.run().await));
    let stopped = async {
        tokio::select! {
            () = session.asked_to_end() => stop.request(),
            () = stop.requested() => {}
        }
    };
    let (ran, ()) = tokio::join!(all, stopped);
    ran.into_iter().collect::<Result<(), _>>().map_err(|error| PumpError::from(error).into())
}

/// Writes each line with the time. If it cannot be written, nobody sees what the pump does, and it stops.
async fn write(
    mut printed: UnboundedReceiver<Line>,
    out: &mut impl Write,
    stop: &Stop,
) -> io::Result<()> {
    let mut written = Ok(());
    while let Some(line) = printed.recv().await {
        let (hour, minute, second) = clock::now().to_hms();
        let line =
            writeln!(out, "{hour:02}:{minute:02}:{second:02}Z {line}").and_then(|()| out.flush());
        if line.is_err() {
            stop.request();
            written = written.and(line);
        }
    }
    written
}

/// Turns mappings off. `paused` has those that are to be turned on again, also after a failure.
async fn pause(
    mappings: &Mappings,
    competing: Vec<Paused>,
    paused: &mut Vec<Paused>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for mapping in competing {
        let Paused { uuid, function } = &mapping;
        writeln!(
            out,
            "turning off the event source mapping {uuid} of {function} until the end; if it stays off: \
             aws lambda update-event-source-mapping --uuid {uuid} --enabled"
        )?;
        out.flush()?;
        paused.push(mapping.clone());
        mappings.pause(&mapping).await.map_err(PumpError::from)?;
    }
    Ok(())
}

/// Turns them all on, whatever happens to one of them.
async fn resume(
    mappings: &Mappings,
    paused: &[Paused],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut resumed = Ok(());
    for mapping in paused {
        match mappings.resume(mapping).await {
            Ok(()) => {
                let Paused { uuid, function } = mapping;
                writeln!(out, "turned on the event source mapping {uuid} of {function}")?;
            }
            Err(error) => resumed = resumed.and(Err(error.into())),
        }
    }
    resumed
}
