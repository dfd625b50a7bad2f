//! docs/metrics.md, the metric filters and the dashboard of template.yaml, and the fields that the code logs.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use lambda::log_events;
use serde_json::Value as Json;
use serde_yaml_ng::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The namespace of our own metrics.
const OURS: &str = "Registrar/${AWS::StackName}";

/// The metrics of AWS that the dashboard shows, each with its dimension, as these pages name them.
const OF_AWS: [(&str, &str, &str); 16] = [
    // API Gateway Developer Guide, "Monitor CloudWatch metrics for HTTP APIs".
    ("AWS/ApiGateway", "4xx", "ApiId"),
    ("AWS/ApiGateway", "5xx", "ApiId"),
    // DynamoDB Developer Guide, "DynamoDB metrics and dimensions".
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName"),
    ("AWS/DynamoDB", "ReadThrottleEvents", "TableName"),
    ("AWS/DynamoDB", "WriteThrottleEvents", "TableName"),
    // Lambda Developer Guide, "Types of metrics for Lambda functions".
    ("AWS/Lambda", "Duration", "FunctionName"),
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/Lambda", "Invocations", "FunctionName"),
    ("AWS/Lambda", "Throttles", "FunctionName"),
    // CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics".
    ("AWS/Logs", "IncomingBytes", "LogGroupName"),
    // SES Developer Guide, "Retrieving Amazon SES event data from CloudWatch": of the account, without a dimension.
    ("AWS/SES", "Send", ""),
    // SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS".
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
    ("AWS/SQS", "NumberOfMessagesReceived", "QueueName"),
    ("AWS/SQS", "NumberOfMessagesSent", "QueueName"),
];

fn read(path: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

fn resources() -> Value {
    let template: Value = serde_yaml_ng::from_str(&read("template.yaml")).unwrap();
    template["Resources"].clone()
}

/// The text of a scalar, whether or not it has a tag such as `!Sub`.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Tagged(tagged) => tagged.value.as_str(),
        plain => plain.as_str(),
    }
}

/// A row of the table, or what a filter of the template publishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Metric {
    unit: String,
    dimension: String,
    event: String,
    /// `1`, or the name of a field.
    value: String,
}

/// A filter of the template, with what only the code can confirm.
struct Filter {
    metric: Metric,
    /// The fields of the log line that it reads.
    fields: BTreeSet<String>,
}

fn filters() -> Vec<(String, Filter)> {
    let resources = resources();
    let filters = resources.as_mapping().unwrap().values();
    let filters = filters.filter(|resource| resource["Type"] == "AWS::Logs::MetricFilter");
    let filters: Vec<_> = filters.map(|resource| filter(&resource["Properties"])).collect();
    assert!(!filters.is_empty());
    filters
}

fn filter(properties: &Value) -> (String, Filter) {
    let pattern = properties["FilterPattern"].as_str().unwrap();
    let published = &properties["MetricTransformations"][0];
    assert_eq!(text(&published["MetricNamespace"]), Some(OURS), "{pattern}");
    let event = ["$.fields.event = \"", "$.type = \""].iter().find_map(|before| {
        let (_, after) = pattern.split_once(before)?;
        after.split('"').next()
    });
    let value = published["MetricValue"].as_str().unwrap();
    let dimensions = published["Dimensions"].as_sequence().cloned().unwrap_or_default();
    assert!(dimensions.len() <= 1, "{pattern}");
    let dimension = dimensions.first().map(|dimension| dimension["Key"].as_str().unwrap());
    // CloudFormation User Guide, "AWS::Logs::MetricFilter MetricTransformation": one excludes the other. And a default
    // of zero would be a measurement.
    let has_default = !published["DefaultValue"].is_null();
    assert!(!has_default || (dimension.is_none() && value == "1"), "{pattern}");
    let mut selectors = vec![pattern, value];
    selectors.extend(dimensions.iter().map(|dimension| dimension["Value"].as_str().unwrap()));
    let fields = selectors.iter().flat_map(|text| text.split("$.fields.").skip(1));
    let fields = fields.map(|rest| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned()
    });
    let metric = Metric {
        unit: published["Unit"].as_str().unwrap_or_default().to_owned(),
        dimension: dimension.unwrap_or_default().to_owned(),
        event: event.unwrap().to_owned(),
        value: value.rsplit('.').next().unwrap().to_owned(),
    };
    let name = published["MetricName"].as_str().unwrap().to_owned();
    (name, Filter { metric, fields: fields.filter(|field| field != "event").collect() })
}

/// The rows of docs/metrics.md. A metric that comes from two events has two.
fn table() -> BTreeSet<(String, Metric)> {
    let docs = read("docs/metrics.md");
    let rows = docs.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, unit, dimension, event, value, meaning] = cells[..] else {
            panic!("a row of docs/metrics.md has {} cells: {row}", cells.len())
        };
        assert!(!meaning.is_empty(), "{row}");
        // Lambda's own line is named in words.
        let plain =
            |cell: &str| cell.rsplit("Lambda's ").next().unwrap().trim_matches('`').to_owned();
        let metric = Metric {
            unit: plain(unit),
            dimension: plain(dimension),
            event: plain(event),
            value: plain(value),
        };
        (plain(name), metric)
    })
    .collect()
}

/// The text of every file of production code that logs this event.
fn code_that_logs(event: &str) -> String {
    let constants = read("crates/lambda/src/log_events.rs");
    let constant = constants.lines().find(|line| line.ends_with(&format!(": &str = \"{event}\";")));
    let constant = constant.unwrap().strip_prefix("pub const ").unwrap().split(':').next().unwrap();
    let logged = ["log_events::", ""].map(|path| format!("event = {path}{constant},"));
    let files = code().into_iter().filter(|code| logged.iter().any(|text| code.contains(text)));
    files.collect()
}

fn code() -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![format!("{ROOT}/functions")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.display().to_string());
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn every_filter_is_a_row_of_the_table_and_every_row_is_a_filter() {
    let rows = table();
    // Two functions may publish one metric.
    let published: BTreeSet<_> =
        filters().into_iter().map(|(name, Filter { metric, .. })| (name, metric)).collect();
    let undocumented: Vec<_> = published.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&published).collect();
    assert!(undocumented.is_empty(), "docs/metrics.md has no such row: {undocumented:#?}");
    assert!(gone.is_empty(), "template.yaml has no such filter: {gone:#?}");
}

#[test]
fn every_field_that_a_filter_reads_is_logged_with_its_event() {
    for (name, Filter { metric, fields }) in filters() {
        if !log_events::ALL.contains(&metric.event.as_str()) {
            assert!(metric.event.starts_with("platform."), "{name}");
            continue;
        }
        let code = code_that_logs(&metric.event);
        for field in fields {
            let written = [format!("{field} = "), format!("\n        {field},")];
            let is_logged = written.iter().any(|text| code.contains(text));
            assert!(is_logged, "{name}: no line of {} has the field {field}", metric.event);
        }
    }
}

/// The metrics of the dashboard: namespace, name, and the dimension with its value.
fn shown() -> Vec<(String, String, String, String)> {
    let dashboard = resources()["Dashboard"]["Properties"]["DashboardBody"].clone();
    let body: Json = serde_json::from_str(text(&dashboard).unwrap()).unwrap();
    let mut shown = Vec::new();
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            let parts = metric.as_array().unwrap().iter().filter_map(Json::as_str);
            let parts: Vec<_> = parts.map(str::to_owned).collect();
            match &parts[..] {
                [] => {} // metric math
                [namespace, name] => {
                    shown.push((namespace.clone(), name.clone(), String::new(), String::new()));
                }
                [namespace, name, dimension, value] => {
                    shown.push((namespace.clone(), name.clone(), dimension.clone(), value.clone()));
                }
                _ => panic!("{metric} has not one dimension or none"),
            }
        }
    }
    assert!(shown.len() > 50);
    shown
}

#[test]
fn every_metric_of_the_dashboard_exists() {
    let table: BTreeMap<_, _> = table().into_iter().collect();
    let code = code().concat()
        + &read("crates/email/src/ledger.rs")
        + &read("crates/email/src/dead_letter.rs");
    let resources = resources();
    for (namespace, name, dimension, value) in shown() {
        if namespace == OURS {
            let row = table.get(&name).unwrap_or_else(|| panic!("{name} is not published"));
            assert_eq!(row.dimension, dimension, "{name}");
            let is_literal = value.is_empty() || code.contains(&format!("\"{value}\""));
            assert!(is_literal, "no code logs {value:?} for {name}");
            continue;
        }
        let of_aws = (namespace.as_str(), name.as_str(), dimension.as_str());
        assert!(OF_AWS.contains(&of_aws), "{of_aws:?} is not listed");
        if let Some(resource) = value.strip_prefix("${") {
            let resource = resource.trim_end_matches('}').split('.').next().unwrap();
            assert!(!resources[resource].is_null(), "{name}: there is no {resource}");
        }
    }
}

#[test]
fn dashboard_shows_every_metric_that_no_alarm_reads() {
    let shown: BTreeSet<_> = shown().into_iter().map(|(_, name, ..)| name).collect();
    let resources = resources();
    let alarms: BTreeSet<_> = resources
        .as_mapping()
        .unwrap()
        .values()
        .filter(|resource| resource["Type"] == "AWS::CloudWatch::Alarm")
        .filter_map(|alarm| alarm["Properties"]["MetricName"].as_str())
        .collect();
    for (name, _) in table() {
        let is_read = shown.contains(&name) || alarms.contains(name.as_str());
        assert!(is_read, "nothing reads {name}");
    }
}

#[test]
fn dashboard_fits_its_grid_and_names_resources_that_exist() {
    let resources = resources();
    let dashboard = &resources["Dashboard"]["Properties"]["DashboardBody"];
    let text = text(dashboard).unwrap();
    for reference in text.split("${").skip(1) {
        let name = reference.split('}').next().unwrap().split('.').next().unwrap();
        let exists = name.starts_with("AWS::") || !resources[name].is_null();
        assert!(exists, "there is no {name}");
    }
    // CloudWatch API Reference, "Dashboard Body Structure and Syntax": 24 columns, 500 widgets.
    let body: Json = serde_json::from_str(text).unwrap();
    let mut taken = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        let [x, y, width, height] =
            ["x", "y", "width", "height"].map(|name| widget[name].as_u64().unwrap());
        assert!(x + width <= 24, "{widget}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "two widgets overlap: {}", widget["properties"]["title"]);
        }
    }
}

#[test]
fn limit_line_of_the_oldest_email_is_the_threshold_of_its_alarm() {
    let resources = resources();
    let threshold = &resources["EmailAgeAlarm"]["Properties"]["Threshold"];
    let body = text(&resources["Dashboard"]["Properties"]["DashboardBody"]).unwrap().to_owned();
    let line = format!(r#"{{"label": "EmailAgeAlarm", "value": {}}}"#, threshold.as_u64().unwrap());
    assert!(body.contains(&line), "{line}");
}

#[test]
fn summary_alarms_name_alarms_that_exist_and_stand_before_them() {
    let resources = resources();
    let names: Vec<_> =
        resources.as_mapping().unwrap().keys().map(|name| name.as_str().unwrap()).collect();
    let mut summaries = 0;
    for (at, name) in names.iter().enumerate() {
        if resources[*name]["Type"] != "AWS::CloudWatch::CompositeAlarm" {
            continue;
        }
        summaries += 1;
        let rule = text(&resources[*name]["Properties"]["AlarmRule"]).unwrap();
        let mut parts = rule.split_whitespace().collect::<Vec<_>>().join(" ");
        parts.push_str(" OR ");
        let parts: Vec<_> = parts.split(" OR ").filter(|part| !part.is_empty()).collect();
        // CloudWatch User Guide, "Create a composite alarm": at most 100 alarms.
        assert!((2..=100).contains(&parts.len()), "{rule}");
        for part in parts {
            let alarm = part.strip_prefix("ALARM(\"${").and_then(|rest| rest.strip_suffix("}\")"));
            let alarm = alarm.unwrap_or_else(|| panic!("{name}: {part}"));
            assert_eq!(resources[alarm]["Type"], "AWS::CloudWatch::Alarm", "{name}: {alarm}");
            assert!(names[..at].contains(&alarm), "{alarm}");
        }
    }
    assert_eq!(summaries, 2);
}
