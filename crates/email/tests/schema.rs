//! `docs/email-job.schema.json` and the parser of jobs agree, as far as a schema can say what a job is.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path, sync::LazyLock};

use email::{Job, job::MalformedJob};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/email-job.schema.json");
    let schema = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).expect("it is a schema");
    jsonschema::draft202012::new(&schema).unwrap()
});

/// What the parser refuses and a schema of this kind cannot: the grammar of addresses, languages, URIs and times, which
/// characters a text has, and the size of a body.
fn is_beyond_a_schema(why: &MalformedJob) -> bool {
    match why {
        MalformedJob::TooLarge
        | MalformedJob::To(_)
        | MalformedJob::ReplyTo(_)
        | MalformedJob::Headers(_)
        | MalformedJob::Locale(_)
        | MalformedJob::Subject(_)
        | MalformedJob::Character { .. }
        | MalformedJob::Deadline => true,
        MalformedJob::NotJson { .. }
        | MalformedJob::NotAnObject
        | MalformedJob::UnknownVersion
        | MalformedJob::Missing(_)
        | MalformedJob::WrongType { .. }
        | MalformedJob::Id(_)
        | MalformedJob::NoContent
        | MalformedJob::TwoContents => false,
    }
}

/// The values of each field: as they should be, and as producers get them wrong.
fn values(field: &str) -> Vec<Value> {
    let of_field = match field {
        "v" => json!([1, 1.0, 2, "1"]),
        "id" => json!(["a-1", "b.2_C", "", "two words", "x".repeat(129)]),
        "to" | "reply_to" => json!([
            "ada@example.com",
            "a..b@docomo.ne.jp",
            "ada@b\u{fc}cher.example",
            "\"a@b\"@example.com",
            "ada",
            "a@b@c.org",
            ""
        ]),
        "template" => json!(["enrollment-refund", "novel", ""]),
        "data" => json!([{}, {"student_name": "Ada", "n": [1, null]}, {"bad": "\u{0}"}]),
        "locale" => json!(["de", "pt_br", "zh-Hant-TW", "de-DE-u-co-phonebk", "in German", "d"]),
        "subject" => {
            json!(["Hi", " Hi ", "", "two\nlines", "x".repeat(999), "u\u{308}\u{304}".repeat(499)])
        }
        "text" | "html" => json!(["", "Hello\n\u{e9}\u{1f600}", "\u{0}"]),
        "headers" => json!([
            {},
            {"List-Unsubscribe": "<https://example.com/u>"},
            {"List-Unsubscribe": "<https://example.com/u>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
            {"List-Unsubscribe-Post": "yes"},
            {"List-Unsubscribe": null},
            {"List-Unsubscribe": 1},
            {"Bcc": "eve@example.com"},
        ]),
        "deadline" => json!(["2026-11-25T04:22:30Z", "tomorrow"]),
        _ => json!([]),
    };
    let of_any = json!([null, 7, true, "text", [], {}]);
    [of_field, of_any].into_iter().flat_map(|list| list.as_array().cloned().unwrap()).collect()
}

const FIELDS: [&str; 13] = [
    "v", "id", "to", "template", "data", "locale", "subject", "text", "html", "reply_to",
    "headers", "deadline", "unknown",
];

/// Mostly the first value of a field, so that many jobs are right but for one field.
fn body() -> impl Strategy<Value = Value> {
    let field = |name: &'static str| {
        let values = values(name);
        let first = values[0].clone();
        let always = matches!(name, "v" | "id" | "to");
        let some = prop_oneof![6 => Just(first), 4 => proptest::sample::select(values)];
        proptest::option::weighted(if always { 0.97 } else { 0.4 }, some)
            .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    FIELDS
        .map(field)
        .prop_map(|fields| Value::Object(fields.into_iter().flatten().collect::<Map<_, _>>()))
}

fn agree(body: &Value) -> Result<(), TestCaseError> {
    let parsed = Job::parse(&body.to_string());
    match (parsed, SCHEMA.validate(body)) {
        (Ok(job), Ok(())) => {
            let written: Value = serde_json::from_str(&job.to_body()).unwrap();
            prop_assert!(SCHEMA.is_valid(&written), "{written}");
        }
        (Ok(_), Err(why)) => prop_assert!(false, "the schema refuses a job: {why}: {body}"),
        (Err(why), Ok(())) => {
            prop_assert!(
                is_beyond_a_schema(&why),
                "the schema accepts what is not a job: {why}: {body}"
            );
        }
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn parser_and_schema_agree_about_any_object(body in body()) {
        agree(&body)?;
    }
}

#[test]
fn parser_and_schema_agree_about_what_is_not_an_object() {
    for body in [json!(null), json!([]), json!("a job"), json!(1)] {
        assert!(Job::parse(&body.to_string()).is_err() && !SCHEMA.is_valid(&body), "{body}");
    }
}

/// The jobs of each release, which later workers must send.
#[test]
fn jobs_of_every_release_are_in_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/email-worker/jobs");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let job: Value = serde_json::from_str(line.trim_start_matches('\u{feff}')).unwrap();
            SCHEMA.validate(&job).map_err(|why| format!("{why}: {job}")).unwrap();
            count += 1;
        }
    }
    assert!(count > 3, "{count}");
}
