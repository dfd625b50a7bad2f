//! The committed document is the one of the code, and says what the rules accept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use enrollment::{
    Course, EnrollRequest, claims::Claims, fields::FieldErrors, operator::OperatorRequest,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{conformance::validate, document::document};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

#[test]
fn committed_document_is_the_one_of_the_code() {
    let made = format!("{:#}\n", document());
    #[expect(clippy::disallowed_methods, reason = "`make openapi` sets it")]
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        fs::write(file(), &made).unwrap();
    }
    let committed = fs::read_to_string(file()).unwrap_or_default();
    let differs =
        made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    let line = differs.unwrap_or(made.lines().count().min(committed.lines().count())) + 1;
    assert!(
        made == committed,
        "docs/openapi.json differs from the code from line {line}: run `make openapi`"
    );
}

#[test]
fn every_reference_of_the_document_has_its_schema() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "there is no {reference}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        let reference = format!("#/components/schemas/{name}");
        assert!(found.contains(reference.as_str()), "nothing refers to {name}");
    }
}

#[test]
fn example_of_each_request_fits_its_schema() {
    let document = document();
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"];
            if let Some(example) = content.get("example") {
                let path = path.replace('/', "~1");
                let at =
                    format!("/paths/{path}/{method}/requestBody/content/application~1json/schema");
                validate(&at, example).unwrap();
                count += 1;
            }
        }
    }
    assert_eq!(count, 6);
}

/// A kind of body, and what the rules say of it.
#[derive(Debug, Clone, Copy)]
struct Kind {
    schema: &'static str,
    fields: &'static [&'static str],
    /// Always there, so that many bodies are right but for one field.
    required: &'static [&'static str],
    read: fn(&Map<String, Value>) -> Result<(), FieldErrors>,
}

const KINDS: [Kind; 4] = [
    Kind {
        schema: "StudentEnrollRequest",
        fields: &[
            "course_id",
            "payment_method",
            "locale",
            "price",
            "currency",
            "student_id",
            "email",
            "name",
        ],
        required: &["course_id"],
        read: |object| EnrollRequest::from_claims(&claims(), object).map(drop),
    },
    Kind {
        schema: "EnrollRequest",
        fields: &[
            "student_id",
            "course_id",
            "email",
            "name",
            "payment_method",
            "locale",
            "price",
            "currency",
            "unknown",
        ],
        required: &["student_id", "course_id", "email", "name"],
        read: |object| EnrollRequest::from_fields(object).map(drop),
    },
    Kind {
        schema: "CourseRequest",
        fields: &[
            "title",
            "price",
            "currency",
            "state",
            "opens_at",
            "closes_at",
            "seats",
            "unknown",
        ],
        required: &["title", "price", "currency", "state"],
        read: |object| Course::from_fields("c".parse().unwrap(), object).map(drop),
    },
    Kind {
        schema: "OperatorRequest",
        fields: &[
            "student_id",
            "action",
            "reason",
            "attempt",
            "refund",
            "name",
            "email",
            "resolution",
            "unknown",
        ],
        required: &["student_id", "action", "reason"],
        read: |object| OperatorRequest::from_fields(object).map(drop),
    },
];

fn claims() -> Claims {
    let claims =
        json!({"sub": "s-1", "email": "ada@example.com", "name": "Ada", "email_verified": "true"});
    Claims::new(claims.as_object().unwrap().clone())
}

/// As they should be first, at their limits, and as callers get them wrong.
fn values(field: &str) -> Vec<Value> {
    let of_field = match field {
        "student_id" => json!(["s-1", "x".repeat(255), "x".repeat(256), "two words", "", "\u{e9}"]),
        "course_id" => json!(["rust-101", "x".repeat(100), "x".repeat(101), ".", "-a", "a/b", ""]),
        "email" => json!([
            "ada@example.com",
            "a..b@docomo.ne.jp",
            "ada@b\u{fc}cher.example",
            "ada",
            "a@b@c.org",
            ""
        ]),
        "name" | "title" | "reason" => json!([
            "Ada",
            " Ada ",
            "x".repeat(200),
            "x".repeat(201),
            "x".repeat(500),
            "x".repeat(501),
            "two\nlines",
            "",
            " ",
            "\u{200b}",
            "Ada https://evil.example",
            "u\u{308}".repeat(200),
        ]),
        "payment_method" => json!(["pm_1", "x".repeat(255), "x".repeat(256), "a b", ""]),
        "locale" => json!(["de", "pt_br", "zh-Hant-TW", "in German", "d", "x".repeat(36)]),
        "price" => json!([0, 4900, 4900.0, 1, 1.5, -1, 999_999_999_999_u64, 1_000_000_000_000_u64]),
        "currency" => json!(["USD", "usd", "XXX", "EURO", ""]),
        "state" => json!(["open", "closed", "Open", ""]),
        "opens_at" => json!(["2027-01-31T09:00:00Z", "2027-01-31", "soon", ""]),
        "closes_at" => json!(["2027-02-28T10:00:00+01:00", "2026-01-31T09:00:00Z", "soon"]),
        "seats" => json!([1, 0, 1_000_000, 1_000_001, 2.0, 0.5]),
        "action" => {
            json!(["grant", "unenroll", "refund", "correct", "resend", "resolve", "delete", ""])
        }
        "attempt" => json!([1, 0, 1.0, u32::MAX, u64::from(u32::MAX) + 1, -1]),
        "refund" => json!(["none", "full", "half"]),
        "resolution" => json!(["grant", "refund", "fail", "ignore"]),
        _ => json!(["anything"]),
    };
    let of_any = json!([null, 7, true, "text", [], {}]);
    [of_field, of_any].into_iter().flat_map(|list| list.as_array().cloned().unwrap()).collect()
}

fn body() -> impl Strategy<Value = (Kind, Map<String, Value>)> {
    proptest::sample::select(KINDS.to_vec()).prop_flat_map(|kind| {
        let field = move |name: &'static str| {
            let (values, always) = (values(name), kind.required.contains(&name));
            let usual = values[0].clone();
            // Every action is usual.
            let weight = if name == "action" { 1 } else { 8 };
            let some = prop_oneof![weight => Just(usual), 2 => proptest::sample::select(values)];
            proptest::option::weighted(if always { 0.97 } else { 0.3 }, some)
                .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        };
        let fields: Vec<_> = kind.fields.iter().map(|name| field(name)).collect();
        fields.prop_map(move |fields| (kind, fields.into_iter().flatten().collect()))
    })
}

/// What the rules refuse and a schema cannot: which characters a line has, the grammar of addresses, languages and times,
/// what a currency allows, and fields that depend on each other.
fn is_beyond_a_schema(field: &str, why: &str) -> bool {
    if ["is missing", "is not a string", "is not a whole number from 0"].contains(&why) {
        // With the other of both.
        return why == "is missing" && ["price", "currency"].contains(&field);
    }
    let is_of_token = why.contains("comes from the token");
    !is_of_token
        && ["email", "name", "title", "reason", "locale", "price", "currency", "closes_at"]
            .contains(&field)
}

/// A line is counted after its white space is removed and its characters are composed, which a schema cannot do.
fn is_counted_otherwise(object: &Map<String, Value>) -> bool {
    ["name", "title", "reason"].iter().any(|field| {
        object.get(*field).and_then(Value::as_str).is_some_and(|text| text.contains('\u{308}'))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn rules_and_schema_agree_about_any_body((kind, object) in body()) {
        let at = format!("/components/schemas/{}", kind.schema);
        match ((kind.read)(&object), validate(&at, &json!(object))) {
            (Ok(()), Err(why)) => {
                prop_assert!(is_counted_otherwise(&object), "the schema refuses what is accepted: {why}: {object:?}");
            }
            (Err(errors), Ok(())) => {
                let unexplained: BTreeMap<_, _> =
                    errors.iter().filter(|(field, why)| !is_beyond_a_schema(field, why)).collect();
                prop_assert!(unexplained.is_empty(), "the schema accepts: {unexplained:?}: {object:?}");
            }
            (Ok(()), Ok(())) | (Err(_), Err(_)) => {}
        }
    }
}
