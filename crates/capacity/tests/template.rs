//! What the models take from template.yaml is what it has.
#![allow(clippy::unwrap_used)]
#![expect(clippy::float_cmp, reason = "both are whole numbers, or powers of two")]

use std::collections::BTreeSet;

use capacity::{bill, parts, usage};

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The resources of a type that are deployed with the default parameters, each as its lines.
fn resources(kind: &str) -> Vec<&'static str> {
    let (_, resources) = TEMPLATE.split_once("\nResources:\n").unwrap();
    let (resources, _) = resources.split_once("\nOutputs:\n").unwrap();
    let kind = format!("    Type: {kind}\n");
    let resources = resources.split("\n\n").filter(|block| block.contains(&kind));
    let is_default = |block: &&str| {
        let condition = block.split_once("\n    Condition: ").map(|(_, rest)| rest.lines().next());
        condition.is_none_or(|condition| condition == Some("HasSummaryAlarms"))
    };
    resources.filter(is_default).collect()
}

fn count(counted: usize) -> u32 {
    u32::try_from(counted).unwrap()
}

fn resource(name: &str) -> &'static str {
    let (_, rest) = TEMPLATE.split_once(&format!("\n  {name}:\n")).unwrap();
    rest.split("\n\n").next().unwrap()
}

fn number(text: &str, key: &str) -> f64 {
    let (_, rest) = text.split_once(&format!("{key}: ")).unwrap();
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.parse().unwrap()
}

#[test]
fn month_has_every_alarm_metric_and_dashboard() {
    // An alarm on an expression is billed for each metric in it (CloudWatch pricing, alarms).
    let metrics = |alarm: &&str| alarm.matches("MetricStat:").count().max(1);
    let alarms: usize = resources("AWS::CloudWatch::Alarm").iter().map(metrics).sum();
    assert_eq!(bill::ALARM_COUNT, count(alarms));
    assert_eq!(
        bill::COMPOSITE_ALARM_COUNT,
        count(resources("AWS::CloudWatch::CompositeAlarm").len())
    );
    assert_eq!(bill::DASHBOARD_COUNT, count(resources("AWS::CloudWatch::Dashboard").len()));
    let name = |filter: &&'static str| {
        let (_, name) = filter.split_once("MetricName: ").unwrap();
        name.split([',', '\n', ' ']).next().unwrap()
    };
    let names: BTreeSet<&str> = resources("AWS::Logs::MetricFilter").iter().map(name).collect();
    assert_eq!(bill::METRIC_COUNT, count(names.len()));
}

#[test]
fn parts_have_the_settings_of_the_template() {
    let stage = resource("ApiStage");
    assert_eq!(number(stage, "DefaultRouteSettings: { ThrottlingRateLimit"), parts::STAGE_REQUESTS);
    let (_, webhook) = stage.split_once("POST /webhooks/stripe:").unwrap();
    assert_eq!(number(webhook, "ThrottlingRateLimit"), parts::WEBHOOK_REQUESTS);
    let feedback = resource("EmailFeedbackEventSource");
    assert_eq!(number(feedback, "MaximumConcurrency"), parts::FEEDBACK_CONCURRENCY);
    assert_eq!(number(feedback, "BatchSize"), parts::FEEDBACK_BATCH);
    let resumer = resource("ResumerFunction");
    let reserved = format!("!If [ReservesConcurrency, {}, ", parts::RESUMER_CONCURRENCY);
    assert!(resumer.contains(&reserved), "{resumer}");
    let (_, globals) = TEMPLATE.split_once("\nGlobals:\n").unwrap();
    assert_eq!(number(globals, "MemorySize") / 1024.0, usage::MEMORY_GB);
}
