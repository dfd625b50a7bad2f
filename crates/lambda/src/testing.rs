//! A log that tests read, and the metric filters of template.yaml that count its lines.
//!
//! Use it in a test process with one test: `tracing` remembers per call site whether any subscriber is
//! interested, and a test without a subscriber could reach a call site first.
#![expect(clippy::missing_panics_doc, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value, json};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The fields of a log line.
pub type Fields = Map<String, Value>;

/// Keeps the fields of each line, as Lambda's JSON format writes them.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Fields>>>);

impl Log {
    /// All lines, in their order.
    pub fn lines(&self) -> Vec<Fields> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines with this `event`.
    pub fn events(&self, event: &str) -> Vec<Fields> {
        self.lines().into_iter().filter(|line| line.get("event") == Some(&event.into())).collect()
    }

    /// How many lines each metric of a log group counts, by the metric filters of template.yaml. Metrics that
    /// count none are left out.
    pub fn counted(&self, log_group: &str) -> BTreeMap<String, usize> {
        let nested = self.lines().into_iter().map(|fields| json!({"fields": fields}));
        count(log_group, &nested.collect::<Vec<_>>())
    }
}

/// How many of these lines each metric of a log group counts, as [`Log::counted`].
pub fn count(log_group: &str, lines: &[Value]) -> BTreeMap<String, usize> {
    let filters = filters(log_group);
    assert!(!filters.is_empty(), "template.yaml has no metric filter of {log_group}");
    let mut counted = BTreeMap::new();
    for line in lines {
        for (metric, _) in filters.iter().filter(|(_, pattern)| matches(pattern, line)) {
            *counted.entry(metric.clone()).or_default() += 1;
        }
    }
    counted
}

/// The metric and the pattern of each filter of a log group.
fn filters(log_group: &str) -> Vec<(String, String)> {
    let template = include_str!("../../../template.yaml");
    let filters = template.split("\n    Type: AWS::Logs::MetricFilter\n").skip(1);
    filters
        .filter(|text| text.lines().any(|l| l.trim() == format!("LogGroupName: !Ref {log_group}")))
        .map(|text| {
            let (_, pattern) = text.split_once("FilterPattern: '").expect("a quoted pattern");
            let (_, metric) = text.split_once("MetricName: ").expect("a metric");
            let metric = metric.split([',', '\n', ' ']).next().unwrap_or_default();
            (metric.to_owned(), pattern.split('\'').next().unwrap_or_default().to_owned())
        })
        .collect()
}

/// Whether a filter pattern selects a line. The patterns of template.yaml compare fields with texts: CloudWatch
/// Logs User Guide, "Filter pattern syntax for metric filters".
fn matches(pattern: &str, line: &Value) -> bool {
    let terms = pattern.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    terms.expect("a pattern for JSON").split("&&").all(|term| {
        let (path, text) = term.split_once('=').expect("a comparison");
        let (path, is_equal) = path.strip_suffix('!').map_or((path, true), |path| (path, false));
        let pointer = path.trim().strip_prefix('$').expect("a path").replace('.', "/");
        let text = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let found = line.pointer(&pointer).and_then(Value::as_str);
        found.is_some_and(|found| (found == text.expect("a text")) == is_equal)
    })
}

struct Line(Fields);

impl Visit for Line {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(Fields::new());
        event.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
