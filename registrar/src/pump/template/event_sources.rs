//! The event sources: `AWS::Lambda::EventSourceMapping`, and the `Events` of `AWS::Serverless::Function`.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::Value;

use super::resolve::{Scope, Unresolved, text};

/// SAM's and Lambda's default (SAM Developer Guide, `AWS::Serverless::Function`, `Timeout`).
const DEFAULT_TIMEOUT_SECONDS: u64 = 3;
/// Lambda Developer Guide, "Lambda parameters for Amazon SQS event source mappings".
const DEFAULT_BATCH_SIZE: u64 = 10;
const BATCH_SIZES: RangeInclusive<u64> = 1..=10_000;
/// Above, `MaximumBatchingWindowInSeconds` must be at least 1 (Lambda API, `CreateEventSourceMapping`, `BatchSize`).
const MAX_BATCH_WITHOUT_WINDOW: u64 = 10;
const WINDOW_SECONDS: RangeInclusive<u64> = 0..=300;
/// Lambda API, `ScalingConfig`.
const CONCURRENCIES: RangeInclusive<u64> = 2..=1000;
/// "Lambda initially reads up to five batches and invokes that many function instances" (Lambda Developer Guide,
/// "Configuring scaling behavior for SQS event source mappings"). On one machine more would only wait.
const DEFAULT_CONCURRENCY: u64 = 5;

/// An event source that is an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventSource {
    /// The logical id of the mapping. For an event of a function it is that which SAM generates: the function's
    /// and the event's.
    pub(crate) name: String,
    pub(crate) function: Function,
    pub(crate) queue: QueueReference,
    pub(crate) batching: Batching,
    pub(crate) max_concurrency: usize,
    /// Whether the function's response names the messages that failed.
    pub(crate) reports_failures: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its logical id, or its name if it is not in the template.
    pub(crate) id: String,
    /// The name that the template gives its program.
    pub(crate) program: String,
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueueReference {
    /// A queue of the template, by its logical id.
    Resource(String),
    Arn(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batching {
    pub(crate) size: usize,
    pub(crate) window: Duration,
}

/// An event source that is not served, and its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotServed {
    pub(crate) name: String,
    pub(crate) kind: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) served: Vec<EventSource>,
    pub(crate) not_served: Vec<NotServed>,
}

/// Why the sources of a template cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("{name}: {property}: {cause}")]
    Unresolved { name: String, property: &'static str, cause: Unresolved },
    #[error("the conditions of the resources: {0}")]
    Conditions(#[from] Unresolved),
    #[error("{name}: {property} must be {accepted}")]
    Invalid { name: String, property: &'static str, accepted: String },
    #[error("{name} has {property}, which is not supported: --only serves other event sources")]
    Unsupported { name: String, property: &'static str },
    #[error("there is no event source {name} that is an SQS queue; there are: {there}")]
    NoSuchSource { name: String, there: String },
    #[error("the template has no event source that is an SQS queue")]
    NoSource,
}

/// The sources of a template, and of those that are SQS queues only those with these names, unless there are none.
pub(crate) fn event_sources(scope: &Scope, only: &[String]) -> Result<Sources, SourceError> {
    let mut sources = Sources::default();
    let mut there = Vec::new();
    for declared in declared(scope)? {
        match declared.kind(scope)? {
            Kind::Queue(queue) if declared.is_enabled(scope)? => {
                if only.is_empty() || only.contains(&declared.name) {
                    sources.served.push(declared.source(scope, queue)?);
                }
                there.push(declared.name);
            }
            Kind::Queue(_) => {
                sources.not_served.push(declared.not_served("turned off in the template"));
            }
            Kind::Other(kind) => sources.not_served.push(declared.not_served(&kind)),
        }
    }
    sources.served.sort_by(|one, other| one.name.cmp(&other.name));
    sources.not_served.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(unknown) = only.iter().find(|name| !there.contains(*name)) {
        return Err(SourceError::NoSuchSource { name: unknown.clone(), there: there.join(", ") });
    }
    if sources.served.is_empty() { Err(SourceError::NoSource) } else { Ok(sources) }
}

/// An event source as the template has it.
struct Declared<'a> {
    name: String,
    /// The type of an event, such as `SQS` or `Schedule`. A mapping has none.
    event_type: Option<&'a str>,
    properties: &'a Value,
    /// The function of an event. A mapping names it in its properties.
    function: Option<&'a str>,
}

enum Kind {
    Queue(QueueReference),
    Other(String),
}

fn declared(scope: &Scope) -> Result<Vec<Declared<'_>>, SourceError> {
    let mut all = Vec::new();
    for (name, resource) in scope.resources()? {
        match resource["Type"].as_str() {
            Some("AWS::Lambda::EventSourceMapping") => all.push(Declared {
                name: name.to_owned(),
                event_type: None,
                properties: &resource["Properties"],
                function: None,
            }),
            Some("AWS::Serverless::Function") => {
                let events = resource["Properties"]["Events"].as_object();
                all.extend(events.into_iter().flatten().map(|(event, declaration)| Declared {
                    name: format!("{name}{event}"),
                    event_type: declaration["Type"].as_str(),
                    properties: &declaration["Properties"],
                    function: Some(name),
                }));
            }
            _ => {}
        }
    }
    Ok(all)
}

impl Declared<'_> {
    fn not_served(&self, kind: &str) -> NotServed {
        NotServed { name: self.name.clone(), kind: kind.to_owned() }
    }

    fn get(&self, scope: &Scope, property: &'static str) -> Result<Value, SourceError> {
        let unresolved =
            |cause| SourceError::Unresolved { name: self.name.clone(), property, cause };
        scope.resolve(&self.properties[property]).map_err(unresolved)
    }

    fn invalid(&self, property: &'static str, accepted: impl Into<String>) -> SourceError {
        SourceError::Invalid { name: self.name.clone(), property, accepted: accepted.into() }
    }

    fn kind(&self, scope: &Scope) -> Result<Kind, SourceError> {
        let property = match self.event_type {
            None => "EventSourceArn",
            Some("SQS") => "Queue",
            Some(other) => return Ok(Kind::Other(other.to_owned())),
        };
        let source = self.get(scope, property)?;
        if let Some(id) = source["Fn::GetAtt"][0].as_str() {
            let of_type = scope.resource(id).and_then(|resource| resource["Type"].as_str());
            return Ok(match of_type {
                Some("AWS::SQS::Queue") => Kind::Queue(QueueReference::Resource(id.to_owned())),
                Some(other) => Kind::Other(format!("{other} {}", attribute(&source))),
                None => return Err(self.invalid(property, "an attribute of a resource")),
            });
        }
        match source.as_str() {
            Some(arn) if arn.split(':').nth(2) == Some("sqs") => {
                Ok(Kind::Queue(QueueReference::Arn(arn.to_owned())))
            }
            Some(arn) if arn.starts_with("arn:") => {
                Ok(Kind::Other(arn.split(':').nth(2).unwrap_or_default().to_owned()))
            }
            // A broker that is not of AWS.
            None if self.event_type.is_none() && source.is_null() => {
                Ok(Kind::Other("self-managed".to_owned()))
            }
            _ => Err(self.invalid(property, "an ARN")),
        }
    }

    fn is_enabled(&self, scope: &Scope) -> Result<bool, SourceError> {
        Ok(text(&self.get(scope, "Enabled")?).as_deref() != Some("false"))
    }

    fn source(&self, scope: &Scope, queue: QueueReference) -> Result<EventSource, SourceError> {
        for property in ["FilterCriteria", "ProvisionedPollerConfig"] {
            if !self.get(scope, property)?.is_null() {
                return Err(SourceError::Unsupported { name: self.name.clone(), property });
            }
        }
        let kinds = self.get(scope, "FunctionResponseTypes")?;
        let mut kinds = kinds.as_array().into_iter().flatten();
        Ok(EventSource {
            name: self.name.clone(),
            function: self.function(scope)?,
            queue,
            batching: self.batching(scope)?,
            max_concurrency: self.max_concurrency(scope)?,
            reports_failures: kinds.any(|kind| kind == "ReportBatchItemFailures"),
        })
    }

    fn batching(&self, scope: &Scope) -> Result<Batching, SourceError> {
        const WINDOW: &str = "MaximumBatchingWindowInSeconds";
        let size = self.get(scope, "BatchSize")?;
        let size = self.number("BatchSize", &size, DEFAULT_BATCH_SIZE, BATCH_SIZES)?;
        let window = self.number(WINDOW, &self.get(scope, WINDOW)?, 0, WINDOW_SECONDS)?;
        if size > MAX_BATCH_WITHOUT_WINDOW && window == 0 {
            return Err(self.invalid(WINDOW, "at least 1 if BatchSize is above 10"));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Batching { size, window: Duration::from_secs(window) })
    }

    fn max_concurrency(&self, scope: &Scope) -> Result<usize, SourceError> {
        let scaling = self.get(scope, "ScalingConfig")?;
        let given = &scaling["MaximumConcurrency"];
        let number =
            self.number("MaximumConcurrency", given, DEFAULT_CONCURRENCY, CONCURRENCIES)?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    fn number(
        &self,
        property: &'static str,
        value: &Value,
        default: u64,
        accepted: RangeInclusive<u64>,
    ) -> Result<u64, SourceError> {
        if value.is_null() {
            return Ok(default);
        }
        let number = text(value).and_then(|text| text.parse().ok());
        number.filter(|number| accepted.contains(number)).ok_or_else(|| {
            self.invalid(property, format!("from {} to {}", accepted.start(), accepted.end()))
        })
    }

    fn function(&self, scope: &Scope) -> Result<Function, SourceError> {
        const PROPERTY: &str = "FunctionName";
        let id = if let Some(id) = self.function {
            id.to_owned()
        } else {
            let named = self.get(scope, PROPERTY)?;
            let resource = named["Fn::GetAtt"][0].as_str().or(named["Ref"].as_str());
            let name = resource.or_else(|| named.as_str().map(name_in_arn));
            name.ok_or_else(|| self.invalid(PROPERTY, "a function"))?.to_owned()
        };
        let Some(resource) = scope.resource(&id) else {
            let timeout = Duration::from_secs(DEFAULT_TIMEOUT_SECONDS);
            return Ok(Function { program: id.clone(), id, timeout });
        };
        let own = &resource["Properties"]["Timeout"];
        let timeout = if own.is_null() { scope.global("Timeout") } else { own };
        let unresolved =
            |cause| SourceError::Unresolved { name: id.clone(), property: "Timeout", cause };
        let timeout = scope.resolve(timeout).map_err(unresolved)?;
        let seconds = self.number("Timeout", &timeout, DEFAULT_TIMEOUT_SECONDS, 1..=900)?;
        let program = program(scope, resource).unwrap_or_else(|| id.clone());
        Ok(Function { id, program, timeout: Duration::from_secs(seconds) })
    }
}

fn attribute(reference: &Value) -> &str {
    reference["Fn::GetAtt"][1].as_str().unwrap_or_default()
}

/// The name in a function's ARN, without a version or alias. A bare name is itself.
fn name_in_arn(arn: &str) -> &str {
    if arn.starts_with("arn:") { arn.split(':').nth(6).unwrap_or(arn) } else { arn }
}

/// What the template says of a function's program: the binary that SAM builds (SAM Developer Guide, "Building Rust Lambda
/// functions with Cargo Lambda"), the function's name, or the directory of its code.
fn program(scope: &Scope, function: &Value) -> Option<String> {
    let properties = &function["Properties"];
    let known = |value: &Value| scope.resolve(value).ok().and_then(|value| text(&value));
    let directory = |path: String| {
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        Some(last).filter(|last| !matches!(last.as_str(), "" | "." | ".."))
    };
    known(&function["Metadata"]["BuildProperties"]["Binary"])
        .or_else(|| known(&properties["FunctionName"]))
        .or_else(|| known(&properties["CodeUri"]).and_then(directory))
}
