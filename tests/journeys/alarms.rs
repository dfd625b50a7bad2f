//! The alarms and the dashboard's metrics, from the causes to `registrar status`.
//!
//! One journey provokes everything, because most causes are changes that no other journey may notice, and each would
//! wait for the same seconds. Each alarm is set by one period that breaches, not by several, so that the journey takes
//! a minute instead of a quarter of an hour; how many periods count is tested in local/tests.

mod emails;
mod functions;
mod payments;
mod tables;

use std::{collections::BTreeSet, fs, time::Duration};

use journeys::{DeployedStack, metrics::Metric, operator::registrar_as};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use self::tables::{ALARMS, Expected, MAY_BE_ZERO, METRICS_NOT_HERE};

/// Shorter than the time between two runs, which sets the alarm.
const PERIODS: [(&str, u32); 3] = [
    ("ResumerNotInvokedAlarm", 10),
    ("ReconcilerNotInvokedAlarm", 10),
    ("HoldWatchNotInvokedAlarm", 10),
];

const MAX_WAIT: Duration = Duration::from_mins(3);

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn each_cause_sets_its_alarm_and_each_metric_of_the_dashboard_is_emitted() {
    let stack = DeployedStack::exclusive().await;
    stack
        .with_single_periods(&PERIODS, async || {
            let causes = Box::pin(async {
                payments::provoke(&stack).await;
                emails::provoke(&stack).await;
                functions::provoke(&stack).await;
            });
            // An alarm ends by itself once its period is over.
            tokio::join!(causes, wait_until_status_has_named_each_alarm(&stack));
        })
        .await;
    emails::clean_up(&stack).await;
    functions::clean_up(&stack).await;
    wait_until_each_metric_is_emitted(&stack).await;
}

async fn wait_until_status_has_named_each_alarm(stack: &DeployedStack) {
    let missing: BTreeSet<_> = ALARMS
        .iter()
        .filter(|(_, expected)| *expected == Expected::Set)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    until_none_is_missing("alarms that status has not named", missing, async |missing| {
        for name in alarms_of_status(stack).await {
            missing.remove(&name);
        }
    })
    .await;
}

async fn alarms_of_status(stack: &DeployedStack) -> Vec<String> {
    let args = ["status", "--json", "--api-url", &stack.description.api_url];
    let output = registrar_as(stack, &stack.description.reader, &args).await;
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
    let missing = here.iter().map(Metric::to_string).collect();
    until_none_is_missing("metrics without a value", missing, async |missing| {
        for (metric, value) in stack.largest_values(&here).await {
            // A zero may be the default value of a filter that has matched nothing.
            if value > 0.0 || MAY_BE_ZERO == metric.name {
                missing.remove(&metric.to_string());
            }
        }
    })
    .await;
    let odd = stack.largest_values(&not_here).await;
    assert!(odd.is_empty(), "emitted here, so not in METRICS_NOT_HERE: {odd:?}");
}

/// Calls `update` until it has left none of these. Fails with the names of those that are left.
async fn until_none_is_missing(
    what: &str,
    mut missing: BTreeSet<String>,
    mut update: impl AsyncFnMut(&mut BTreeSet<String>),
) {
    let deadline = Instant::now() + MAX_WAIT;
    while !missing.is_empty() {
        assert!(Instant::now() < deadline, "{what}: {missing:#?}");
        update(&mut missing).await;
        sleep(Duration::from_millis(500)).await;
    }
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
