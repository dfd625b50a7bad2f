//! The events of the measurements: those of `events/`, with ids of their own.

use std::{fs, io, path::Path};

use serde_json::{Value, json};

fn sample(name: &str) -> io::Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name);
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

/// A request for the nth student to enroll in a free course.
pub fn enroll(n: usize) -> io::Result<Value> {
    request(&json!({
        "student_id": format!("student-{n}"), "course_id": "rust-on-lambda",
        "email": "ada@example.com", "name": "Ada Lovelace",
    }))
}

/// A request for the nth student to enroll in `course`, and to pay with a card that pays.
pub fn buy(n: usize, course: &str) -> io::Result<Value> {
    request(&json!({
        "student_id": format!("student-{n}"), "course_id": course, "email": "ada@example.com",
        "name": "Ada Lovelace", "payment_method": "pm_card_visa",
    }))
}

fn request(body: &Value) -> io::Result<Value> {
    let mut event = sample("enroll.json")?;
    event["body"] = json!(body.to_string());
    Ok(event)
}

/// A batch of one confirmation.
pub fn email(n: usize) -> io::Result<Value> {
    let mut event = sample("emails.json")?;
    let mut message = event["Records"][0].take();
    let body = message["body"].as_str().unwrap_or_default();
    let mut job: Value = serde_json::from_str(body)?;
    job["id"] = json!(format!("01936a1e-7c4d-7a10-9f3e-{n:012x}"));
    message["body"] = json!(job.to_string());
    message["messageId"] = json!(format!("059f36b4-87a3-44ab-83d2-{n:012x}"));
    event["Records"] = json!([message]);
    Ok(event)
}
