//! The alarms and the dashboard's metrics, from the causes to `registrar status`.
//!
//! One journey provokes everything, because most causes are changes that no other journey may notice, and each would
//! wait for the same seconds. Each alarm is set by one period that breaches, not by several, so that the journey takes
//! a minute instead of a quarter of an hour; how many periods count is tested in local/tests.

mod emails;
mod functions;
mod payments;
mod tables;

use std::{collections::BTreeSet, fs};

use journeys::{
    DeployedStack, eventually,
    metrics::Metric,
    operator::{NEEDS_PERSON, registrar_as},
};
use serde_json::Value;

use self::tables::{ALARMS, Expected, MAY_BE_ZERO, METRICS_NOT_HERE};

/// Shorter than the minute between two runs: the time between them sets the alarm.
const PERIODS: [(&str, u32); 2] =
    [("ResumerNotInvokedAlarm", 10), ("HoldWatchNotInvokedAlarm", 10)];

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn each_cause_sets_its_alarm_and_each_metric_of_the_dashboard_is_emitted() {
    let stack = DeployedStack::exclusive().await;
    stack
        .with_single_periods(&PERIODS, async || {
            Box::pin(payments::provoke(&stack)).await;
            Box::pin(emails::provoke(&stack)).await;
            Box::pin(functions::provoke(&stack)).await;
            wait_until_status_has_named_each_alarm(&stack).await;
        })
        .await;
    emails::clean_up(&stack).await;
    functions::clean_up(&stack).await;
    wait_until_each_metric_is_emitted(&stack).await;
}

async fn wait_until_status_has_named_each_alarm(stack: &DeployedStack) {
    let mut missing: BTreeSet<_> = ALARMS
        .iter()
        .filter(|(_, expected)| *expected == Expected::Set)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    eventually("status to name each alarm", async || {
        for name in alarms_of_status(stack).await {
            missing.remove(&name);
        }
        eprintln!("not set yet: {missing:?}");
        missing.is_empty().then_some(())
    })
    .await;
}

async fn alarms_of_status(stack: &DeployedStack) -> Vec<String> {
    let args = ["status", "--json", "--api-url", &stack.description.api_url];
    let output = registrar_as(stack, &stack.description.reader, &args).await;
    output.expect(NEEDS_PERSON, &[]);
    let status: Value = serde_json::from_str(&output.out).expect("one JSON object");
    let alarms = status["alarms"].as_array().expect("a list of alarms").iter();
    let names: Vec<_> = alarms.filter_map(|alarm| alarm["name"].as_str().map(Into::into)).collect();
    for name in &names {
        let is_known = ALARMS
            .iter()
            .any(|(known, expected)| known == name && !matches!(expected, Expected::NotHere(_)));
        assert!(is_known, "{name} cannot be set here, and is: change its row");
    }
    names
}

async fn wait_until_each_metric_is_emitted(stack: &DeployedStack) {
    let dashboard = stack.dashboard().await;
    assert!(dashboard.len() > 50, "{dashboard:?}");
    let (not_here, here): (BTreeSet<_>, BTreeSet<_>) = dashboard.into_iter().partition(is_not_here);
    eventually("each metric of the dashboard", async || {
        let values = stack.largest_values(&here).await;
        // A zero may be the default value of a filter that has matched nothing.
        let is_emitted = |metric: &&Metric| {
            values.get(metric).is_some_and(|&value| value > 0.0 || MAY_BE_ZERO == metric.name)
        };
        let missing: Vec<_> = here.iter().filter(|metric| !is_emitted(metric)).collect();
        let missing: Vec<_> = missing.into_iter().map(Metric::to_string).collect();
        eprintln!("not emitted yet: {missing:?}");
        missing.is_empty().then_some(())
    })
    .await;
    let odd = stack.largest_values(&not_here).await;
    assert!(odd.is_empty(), "emitted here, so not in METRICS_NOT_HERE: {odd:?}");
}

fn is_not_here(metric: &Metric) -> bool {
    METRICS_NOT_HERE.iter().any(|(namespace, name, dimension, _)| {
        metric.namespace.starts_with(namespace)
            && metric.name == *name
            && metric.dimension.as_ref().is_none_or(|(_, value)| value.contains(dimension))
    })
}

#[test]
fn every_alarm_of_the_template_is_in_the_table_once() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let template: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let resources = template["Resources"].as_mapping().unwrap();
    let alarms = resources.iter().filter(|(_, resource)| {
        matches!(
            resource["Type"].as_str(),
            Some("AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm")
        )
    });
    let alarms: Vec<_> = alarms.filter_map(|(name, _)| name.as_str()).collect();
    let rows: Vec<_> = ALARMS.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows, alarms);
    for (name, expected) in ALARMS {
        assert!(!matches!(expected, Expected::NotHere("")), "{name} needs a reason");
    }
}
