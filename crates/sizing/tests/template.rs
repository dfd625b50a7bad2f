//! The defaults of template.yaml are the plan for 300 per minute, every plan can be deployed, and `registrar plan
//! --check` accepts the values that the template accepts.
#![allow(clippy::unwrap_used)]

use std::{collections::HashMap, time::Duration};

use pacer::{SendLimit, Window};
use sizing::{DEFAULT_LATENCY, Parameter, Plan, WorkerSettings};

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The attributes of one parameter.
type Attributes = HashMap<&'static str, &'static str>;

/// The template's parameters. Names are indented by two spaces, attributes by four.
fn parameters() -> HashMap<&'static str, Attributes> {
    let section = TEMPLATE.split("\nParameters:\n").nth(1).unwrap();
    let mut parameters: HashMap<_, Attributes> = HashMap::new();
    let mut name = "";
    for line in section.lines().take_while(|line| line.is_empty() || line.starts_with(' ')) {
        if let Some(attribute) = line.strip_prefix("    ") {
            let (key, value) = attribute.split_once(':').unwrap_or((attribute, ""));
            parameters.entry(name).or_default().insert(key, value.trim());
        } else {
            name = line.trim().trim_end_matches(':');
        }
    }
    parameters
}

fn plan(limit: u32, seconds: u32, latency: Duration) -> Plan {
    Plan::new(SendLimit::new(limit).unwrap(), Window::from_secs(seconds).unwrap(), latency).unwrap()
}

fn overrides(plan: &Plan) -> Vec<(String, String)> {
    plan.parameter_overrides()
        .split(' ')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn assert_allowed(attributes: &Attributes, name: &str, value: &str) {
    let number: u64 = value.parse().unwrap();
    let bound = |key: &str| attributes.get(key).map(|bound| bound.parse::<u64>().unwrap());
    assert!(bound("MinValue").is_none_or(|min| number >= min), "{name}={value}");
    assert!(bound("MaxValue").is_none_or(|max| number <= max), "{name}={value}");
    if let Some(allowed) = attributes.get("AllowedValues") {
        let allowed = allowed.trim_matches(['[', ']']);
        assert!(allowed.split(',').any(|one| one.trim() == value), "{name}={value}: {allowed}");
    }
}

#[test]
fn defaults_are_the_plan_for_300_per_minute() {
    let parameters = parameters();
    for (name, value) in overrides(&plan(300, 60, DEFAULT_LATENCY)) {
        assert_eq!(parameters[name.as_str()]["Default"], value, "{name}");
    }
    assert_eq!(WorkerSettings::defaults(), Ok(plan(300, 60, DEFAULT_LATENCY).settings()));
}

#[test]
fn template_allows_the_parameters_of_every_plan() {
    let parameters = parameters();
    let minutes = [2, 3, 7, 50, 300, 3000, 30_000, 100_000].map(|limit| (limit, 60));
    let others = [(50, 10), (14, 1), (2, 1), (20, 900), (6, 1800), (200, 86_400), (9, 3000)];
    for (limit, seconds) in minutes.into_iter().chain(others) {
        for latency in [1, 60, 400].map(Duration::from_millis) {
            for (name, value) in overrides(&plan(limit, seconds, latency)) {
                assert_allowed(&parameters[name.as_str()], &name, &value);
            }
        }
    }
}

#[test]
fn settings_accept_the_values_that_the_template_accepts() {
    let parameters = parameters();
    let settings = plan(300, 60, DEFAULT_LATENCY).settings();
    for parameter in Parameter::OF_TEMPLATE {
        let attributes = &parameters[parameter.name()];
        let accepts = |value: &str| settings.with(parameter, value).is_ok();
        if let Some(allowed) = attributes.get("AllowedValues") {
            let allowed = allowed.trim_matches(['[', ']']).split(',');
            assert!(allowed.map(str::trim).all(accepts), "{parameter}");
            assert!(!accepts("45"), "{parameter}");
            continue;
        }
        let bound = |key: &str| attributes[key].parse::<u64>().unwrap();
        let (min, max) = (bound("MinValue"), bound("MaxValue"));
        for (value, accepted) in [(min, true), (max, true), (min - 1, false), (max + 1, false)] {
            assert_eq!(accepts(&value.to_string()), accepted, "{parameter}={value}");
        }
        // CloudFormation accepts it for any parameter of the type Number.
        assert!(!accepts("2.5"), "{parameter}");
    }
}
