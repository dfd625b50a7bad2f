//! From the arguments to the services: the template, the stack, the queues and the deployed mappings.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use adapters::clients;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    outcome::Failure,
    session::Session,
    stack::{self, Stack},
};

use super::{
    error::PumpError,
    functions::Named,
    lines::Line,
    mappings::{MappingError, Mappings, Paused, Policy},
    places::Places,
    service::{Service, Settings, State},
    sqs::SqsQueue,
    stop::Stop,
    template::{Batching, EventSource, Scope, event_sources, read},
};

/// A FIFO queue's maximum (Lambda Developer Guide, "Lambda parameters for Amazon SQS event source mappings").
const MAX_FIFO_BATCH: usize = 10;

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// `None` if no stack is to be looked for.
    pub(crate) stack: Option<&'a stack::Args>,
    pub(crate) template: &'a PathBuf,
    pub(crate) parameters: HashMap<String, String>,
    pub(crate) only: &'a [String],
    pub(crate) queue_urls: HashMap<String, String>,
    /// Names at the server, by the functions' logical ids.
    pub(crate) functions: HashMap<String, String>,
    pub(crate) mappings: Policy,
}

#[derive(Debug)]
pub(crate) struct Connected<'a, F> {
    pub(crate) services: Vec<Service<'a, SqsQueue, F>>,
    pub(crate) mappings: Mappings,
    /// The mappings to turn off.
    pub(crate) competing: Vec<Paused>,
}

pub(crate) async fn connect<'a, F>(
    wanted: Wanted<'_>,
    session: &Session,
    functions: &'a F,
    stop: &Stop,
    lines: &UnboundedSender<Line>,
) -> Result<Connected<'a, F>, Failure> {
    let template = template(wanted.template)?;
    let sdk = session.sdk().await;
    let mut pseudo = HashMap::new();
    pseudo.extend(sdk.region().map(|region| ("AWS::Region", region.to_string())));
    let (mut parameters, mut deployed) = (HashMap::new(), HashMap::new());
    if let Some(stack) = wanted.stack {
        let stack = Stack::find(stack, session).await?;
        pseudo.extend(of_stack(&stack));
        parameters.clone_from(stack.parameters());
        deployed = stack.resources().await?;
    }
    parameters.extend(wanted.parameters);
    let scope = Scope::new(template, parameters, pseudo);
    let sources = event_sources(&scope, wanted.only).map_err(PumpError::from)?;
    for source in sources.not_served {
        let text = format!("not served ({})", source.kind);
        let _ = lines.send(Line::Note { about: source.name, text });
    }
    let places = Places { given: wanted.queue_urls, deployed };
    let (sqs, mappings) = (clients::sqs(&sdk), Mappings::new(clients::lambda(&sdk)));
    let (mut services, mut competing) = (Vec::new(), Vec::new());
    for source in sources.served {
        let name = || source.name.clone();
        let url = places.find(&sqs, &source).await;
        let url = url.map_err(|error| PumpError::Place { name: name(), error })?;
        let queue = SqsQueue::find(sqs.clone(), url).await;
        let queue = queue.map_err(|error| PumpError::Queue { name: name(), error })?;
        check(&source, &queue)?;
        competing.extend(self::competing(&mappings, &queue, wanted.mappings).await?);
        let settings = settings(&source, &queue, &wanted.functions);
        let service = Service {
            queue,
            functions,
            settings,
            stop: stop.clone(),
            lines: lines.clone(),
            state: State::default(),
        };
        service.note(introduction(&source, service.queue.arn()));
        services.push(service);
    }
    Ok(Connected { services, mappings, competing })
}

fn template(path: &Path) -> Result<Value, PumpError> {
    let path = path.to_owned();
    match fs::read_to_string(&path) {
        Ok(text) => read(&text).map_err(|error| PumpError::Document { path, error }),
        Err(error) => Err(PumpError::Unreadable { path, error }),
    }
}

/// The pseudo parameters that a stack gives a value.
fn of_stack(stack: &Stack) -> Vec<(&'static str, String)> {
    // arn:PARTITION:cloudformation:REGION:ACCOUNT:stack/NAME/ID
    let mut parts = stack.id().split(':').map(ToOwned::to_owned).skip(1);
    let (partition, account) = (parts.next(), parts.nth(2));
    let mut all =
        vec![("AWS::StackName", stack.name().to_owned()), ("AWS::StackId", stack.id().to_owned())];
    all.extend(partition.map(|partition| ("AWS::Partition", partition)));
    all.extend(account.map(|account| ("AWS::AccountId", account)));
    all
}

fn check(source: &EventSource, queue: &SqsQueue) -> Result<(), PumpError> {
    let (name, timeout, visibility) =
        (source.name.clone(), source.function.timeout, queue.visibility);
    let Batching { size, window } = source.batching;
    if queue.is_fifo && (size > MAX_FIFO_BATCH || !window.is_zero()) {
        return Err(PumpError::Fifo { name });
    }
    if timeout > visibility {
        return Err(PumpError::Visibility { name, timeout, visibility });
    }
    Ok(())
}

async fn competing(
    mappings: &Mappings,
    queue: &SqsQueue,
    policy: Policy,
) -> Result<Vec<Paused>, PumpError> {
    if policy == Policy::Ignore {
        return Ok(Vec::new());
    }
    let on = mappings.on(queue.arn()).await.map_err(MappingError::from)?;
    match on.first() {
        Some(Paused { uuid, function }) if policy == Policy::Refuse => {
            let (uuid, function) = (uuid.clone(), function.clone());
            Err(MappingError::On { uuid, function }.into())
        }
        _ => Ok(on),
    }
}

fn settings(source: &EventSource, queue: &SqsQueue, names: &HashMap<String, String>) -> Settings {
    let id = source.function.id.clone();
    let name = names.get(&id).unwrap_or(&source.function.program).clone();
    Settings {
        function: Named { id, name },
        timeout: source.function.timeout,
        visibility: queue.visibility,
        batching: source.batching,
        max_concurrency: source.max_concurrency,
        reports_failures: source.reports_failures,
    }
}

fn introduction(source: &EventSource, arn: &str) -> String {
    let Batching { size, window } = source.batching;
    let queue = arn.rsplit(':').next().unwrap_or_default();
    let within =
        if window.is_zero() { String::new() } else { format!(" within {} s", window.as_secs()) };
    format!(
        "{} polls {queue}: batches of up to {size}{within}, {} at a time",
        source.name, source.max_concurrency
    )
}
