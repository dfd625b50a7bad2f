//! Names that must be the same in two places, and that no compiler compares.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeSet, fs};

use enrollment::enrollment::{CONFIRMATION_TEMPLATE, REFUND_TEMPLATE};
use lambda::log_events;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The event names in the metric filters of template.yaml.
fn filtered_events() -> Vec<String> {
    let template = fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap();
    let patterns = template.lines().filter_map(|line| line.trim().strip_prefix("FilterPattern:"));
    patterns
        .map(|pattern| {
            let (_, after) = pattern.split_once("$.fields.event = \"").expect("filters by event");
            after.split('"').next().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn every_metric_filter_names_an_event_that_the_code_logs() {
    let filtered = filtered_events();
    assert!(!filtered.is_empty());
    for event in filtered {
        assert!(log_events::ALL.contains(&event.as_str()), "no function logs {event}");
    }
}

#[test]
fn log_event_names_are_written_once() {
    let names: BTreeSet<_> = log_events::ALL.into_iter().collect();
    assert_eq!(names.len(), log_events::ALL.len());
    let mut folders = vec![format!("{ROOT}/crates"), format!("{ROOT}/functions")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.display().to_string());
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let literal = text.lines().find(|line| line.contains("event = \""));
                assert_eq!(literal, None, "{}: use lambda::log_events", path.display());
            }
        }
    }
}

#[test]
fn every_template_that_enrollment_uses_exists_in_the_worker() {
    for name in [CONFIRMATION_TEMPLATE, REFUND_TEMPLATE] {
        assert!(email_worker::templates::NAMES.contains(&name), "the worker cannot render {name}");
    }
}
