//! Any bytes on the email queue. The committed inputs are in `__fuzz__/job/corpus`; `make fuzz` looks for more.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path, sync::LazyLock};

use bolero::check;
use email::{
    Job,
    text::{check_carried, without_byte_order_mark},
};
use jsonschema::Validator;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/email-job.schema.json");
    let schema = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
});

#[test]
fn body_is_a_job_that_is_written_and_read_back_or_its_error_names_the_cause() {
    check!(name = "job").with_iterations(500).for_each(|bytes: &[u8]| {
        // SQS carries only text.
        let Ok(body) = std::str::from_utf8(bytes) else { return };
        match Job::parse(body) {
            Ok(job) => check_job(&job, body),
            Err(why) => check_error(&why.to_string(), body),
        }
    });
}

fn check_job(job: &Job, body: &str) {
    let written = job.to_body();
    assert_eq!(check_carried(&written), Ok(()));
    let read = Job::parse(&written).unwrap();
    assert_eq!(read, *job);
    assert_eq!(read.digest(), job.digest());
    for body in [without_byte_order_mark(body), &written] {
        let body: Value = serde_json::from_str(body).unwrap();
        SCHEMA.validate(&body).map_err(|why| format!("the schema refuses a job: {why}")).unwrap();
    }
}

/// The field that the error names is its cause: with a right value there, the body has another result.
fn check_error(why: &str, body: &str) {
    if why.starts_with("the body is") {
        let object = serde_json::from_str::<Value>(without_byte_order_mark(body));
        assert!(!object.is_ok_and(|body| body.is_object()), "{why}");
        return;
    }
    let mut repaired: Value = serde_json::from_str(without_byte_order_mark(body)).unwrap();
    let field = why.split('`').nth(1).unwrap();
    repaired[field] = match field {
        "v" => json!(1),
        "id" => json!("a-1"),
        "to" | "reply_to" => json!("ada@example.com"),
        // One of the two kinds of content, if there is none or both.
        "template" if repaired["subject"].is_null() => json!("enrollment-refund"),
        "template" => Value::Null,
        "data" | "headers" => json!({}),
        "locale" => json!("de"),
        "subject" | "text" | "html" => json!("Hello"),
        "deadline" => json!("2026-11-25T04:22:30Z"),
        _ => panic!("the contract has no field {field}"),
    };
    let other = Job::parse(&repaired.to_string()).err().map(|why| why.to_string());
    assert_ne!(other.as_deref(), Some(why));
}
