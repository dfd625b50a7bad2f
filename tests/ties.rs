//! Names that must be the same in two places, and that no compiler compares.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeSet, fs};

use lambda::log_events;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(path: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The path and text of every Rust file below these folders.
fn rust_files(folders: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders: Vec<_> = folders.iter().map(|folder| format!("{ROOT}/{folder}")).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.display().to_string());
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// The name and value of every `pub const NAME: &str = "value";` of a Rust file.
fn text_constants(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.trim().strip_prefix("pub const ")?.split_once(": &str = \"")?;
        Some((name, value.strip_suffix("\";")?))
    })
}

/// The keys of all routes in template.yaml, and whether each requires a signature or a token.
fn routes(template: &str) -> Vec<(&str, bool)> {
    let mut lines = template.lines().map(str::trim).peekable();
    let mut routes = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(key) = line.strip_prefix("RouteKey: ") {
            routes.push((key, lines.peek() != Some(&"AuthorizationType: NONE")));
        }
    }
    assert!(!routes.is_empty());
    routes
}

/// The names at the first level of a section of template.yaml that are of a type, or all.
fn names<'a>(template: &'a str, section: &str, of_type: Option<&str>) -> Vec<&'a str> {
    let (_, after) = template.split_once(&format!("\n{section}:\n")).unwrap();
    let lines = after.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let lines: Vec<_> = lines.collect();
    let names = lines.iter().enumerate().filter_map(|(at, line)| {
        let (name, _) = line.strip_prefix("  ")?.split_once(':')?;
        let kind = lines.get(at + 1).and_then(|next| next.trim().strip_prefix("Type: "));
        let is_name = name.starts_with(char::is_alphabetic);
        (is_name && (of_type.is_none() || of_type == kind)).then_some(name)
    });
    let names: Vec<_> = names.collect();
    assert!(!names.is_empty(), "{section}");
    names
}

#[test]
fn every_route_of_the_template_is_in_the_router_the_samples_the_docs_and_the_journeys() {
    let template = read("template.yaml");
    let files = ["mod.rs", "students.rs", "webhook.rs"];
    let router = files.map(|file| read(&format!("functions/enroll/src/http/{file}"))).concat();
    let docs = read("docs/api.md");
    let journeys = read("tests/journeys/access.rs");
    let samples: BTreeSet<_> = fs::read_dir(format!("{ROOT}/events"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .filter_map(|text| {
            serde_json::from_str::<Value>(&text).unwrap()["routeKey"].as_str().map(str::to_owned)
        })
        .collect();
    for (key, is_closed) in routes(&template) {
        let (method, path) = key.split_once(' ').unwrap();
        assert!(router.contains(&format!("\"{path}\"")), "the router has no {path}");
        assert!(samples.contains(key), "events/ has no sample of {key}");
        let in_docs = [format!("`{key}`"), format!("`{key}?")];
        assert!(in_docs.iter().any(|text| docs.contains(text)), "docs/api.md has no {key}");
        let example = path.replace("{course_id}", "some-course");
        let in_journeys = ["\"", "?"]
            .map(|end| format!("(\"{method}\", \"{example}{end}"))
            .iter()
            .any(|text| journeys.contains(text));
        assert!(in_journeys || !is_closed, "tests/journeys/access.rs has no {key}");
    }
}

#[test]
fn contract_has_every_route_of_the_template_and_no_other_with_its_authorization() {
    let template = read("template.yaml");
    let contract: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let mut in_contract = BTreeSet::new();
    for (path, operations) in contract["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = &operation["security"][0];
            let is_closed =
                ["sigv4", "student_token"].iter().any(|scheme| security.get(scheme).is_some());
            in_contract.insert((format!("{} {path}", method.to_uppercase()), is_closed));
        }
    }
    let in_template: BTreeSet<_> =
        routes(&template).into_iter().map(|(key, is_closed)| (key.to_owned(), is_closed)).collect();
    assert_eq!(
        in_contract, in_template,
        "describe the route in functions/enroll/src/http/openapi/operations.rs, and run `make openapi`"
    );
}

#[test]
fn every_parameter_output_template_and_log_event_is_in_its_doc() {
    let template = read("template.yaml");
    let log_events = log_events::ALL.to_vec();
    for (doc, names) in [
        ("docs/deploying.md", names(&template, "Parameters", None)),
        ("docs/deploying.md", names(&template, "Outputs", None)),
        ("docs/api.md", email_templates::NAMES.to_vec()),
        ("docs/architecture.md", log_events),
    ] {
        let text = read(doc);
        let rows: String = text.lines().filter(|line| line.starts_with('|')).collect();
        for name in names {
            assert!(rows.contains(&format!("`{name}`")), "{doc} has no row of {name}");
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let security = read("SECURITY.md");
    let files = rust_files(&["crates", "functions", "registrar", "tests"]);
    let quoted = security.split('`').skip(1).step_by(2);
    let is_test = |name: &&str| {
        name.matches('_').count() > 1
            && name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let tests: Vec<_> = quoted.filter(is_test).collect();
    assert!(tests.len() > 20, "{tests:?}");
    for test in tests {
        let function = format!("fn {test}(");
        let exists = files.iter().any(|(_, text)| text.contains(&function));
        assert!(exists, "SECURITY.md names {test}, which does not exist");
    }
}

#[test]
fn every_alarm_has_a_section_in_the_runbook() {
    let template = read("template.yaml");
    let runbook = read("docs/runbook.md");
    let mut alarms = names(&template, "Resources", Some("AWS::CloudWatch::Alarm"));
    alarms.extend(names(&template, "Resources", Some("AWS::CloudWatch::CompositeAlarm")));
    let sections: Vec<_> = runbook.split("\n### ").skip(1).collect();
    for alarm in &alarms {
        let section = sections.iter().find(|section| section.lines().next() == Some(*alarm));
        let section = section.unwrap_or_else(|| panic!("docs/runbook.md has no section {alarm}"));
        for part in ["- **Means:** ", "- **See:** ", "- **Fix:** "] {
            assert_eq!(section.matches(part).count(), 1, "{alarm}: {part}");
        }
    }
    for section in sections {
        let name = section.lines().next().unwrap();
        assert!(alarms.contains(&name), "template.yaml has no alarm {name}");
    }
}

#[test]
fn every_table_and_function_has_an_output_with_its_name() {
    let template = read("template.yaml");
    let outputs = names(&template, "Outputs", None);
    for of_type in ["AWS::DynamoDB::Table", "AWS::Serverless::Function"] {
        for name in names(&template, "Resources", Some(of_type)) {
            let output = format!("{name}Name");
            assert!(outputs.contains(&output.as_str()), "template.yaml has no output {output}");
        }
    }
}

#[test]
fn every_sample_event_is_read_by_a_test() {
    let files = rust_files(&["functions"]);
    for file in fs::read_dir(format!("{ROOT}/events")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let short = name.strip_prefix("feedback-").unwrap_or(name);
        let texts = [format!("\"{short}\""), format!("events/{name}.json")];
        let is_read = files.iter().any(|(_, code)| texts.iter().any(|text| code.contains(text)));
        assert!(is_read, "no test reads events/{name}.json");
    }
}

/// The event names that the metric filters of template.yaml look for.
fn filtered_events() -> Vec<String> {
    let template = fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap();
    let patterns = template.lines().filter_map(|line| line.trim().strip_prefix("FilterPattern:"));
    patterns
        // Lambda's own lines; tests/template.rs rehearses them.
        .filter(|pattern| !pattern.contains("$.type = \"platform."))
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
    for (path, text) in rust_files(&["crates", "functions"]) {
        let literal = text.lines().find(|line| line.contains("event = \""));
        assert_eq!(literal, None, "{path}: use lambda::log_events");
    }
}

#[test]
fn every_log_event_is_listed_and_logged() {
    let source = read("crates/lambda/src/log_events.rs");
    let constants: Vec<_> = text_constants(&source).collect();
    assert_eq!(constants.len(), log_events::ALL.len(), "ALL of log_events.rs has every constant");
    let files = rust_files(&["crates", "functions"]);
    for (name, event) in constants {
        assert!(log_events::ALL.contains(&event), "ALL of log_events.rs has no {name}");
        let logged = [format!("event = log_events::{name},"), format!("event = {name},")];
        let logs = |code: &str| logged.iter().any(|logged| code.contains(logged));
        let is_logged = files.iter().any(|(_, code)| logs(code));
        assert!(is_logged, "nothing logs {name}");
    }
}

#[test]
fn every_template_that_enrollment_uses_exists_in_the_worker() {
    let mut used = Vec::new();
    for (_, text) in rust_files(&["crates/enrollment/src"]) {
        let constants = text_constants(&text);
        used.extend(
            constants.filter(|(name, _)| name.ends_with("_TEMPLATE")).map(|(_, v)| v.to_owned()),
        );
    }
    assert!(used.len() >= 2, "{used:?}");
    for name in used {
        let known = email_templates::NAMES.contains(&name.as_str());
        assert!(known, "the worker cannot render {name}");
    }
}
