//! Whether a response is one of the contract. Each response of the API's tests is checked.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use axum::http::HeaderMap;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::document::document;

pub(in crate::http) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// # Panics
///
/// The route is in the contract, and the response is not.
pub(in crate::http) fn check(
    method: &str,
    path: &str,
    status: u16,
    headers: &HeaderMap,
    body: &Value,
) {
    let Some(template) = template_of(path) else { return };
    let operation = &DOCUMENT["paths"][template][method.to_lowercase()];
    if operation.is_null() {
        return;
    }
    let response = &operation["responses"][status.to_string()];
    assert!(!response.is_null(), "the contract of {method} {template} has no {status}: {body}");
    assert_eq!(headers["content-type"], "application/json", "{method} {template} {status}");
    let pointer = format!(
        "/paths/{}/{}/responses/{status}/content/application~1json/schema",
        template.replace('/', "~1"),
        method.to_lowercase(),
    );
    if let Err(why) = validate(&pointer, body) {
        panic!("the contract of {method} {template} {status} is another: {why}: {body}");
    }
    let tag = headers.get("etag");
    assert!(
        tag.is_none() || response["headers"]["ETag"].is_object(),
        "{method} {template} {status}: ETag"
    );
}

/// The template that matches a path segment by segment, without the query string.
fn template_of(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    let matches = |template: &str| {
        let (parts, values) = (template.split('/'), path.split('/'));
        parts.clone().count() == values.clone().count()
            && parts.zip(values).all(|(part, value)| part == value || part.starts_with('{'))
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.keys().map(String::as_str).find(|template| matches(template))
}

/// Whether a value fits the schema at a place of the document.
pub(super) fn validate(pointer: &str, value: &Value) -> Result<(), String> {
    static VALIDATORS: LazyLock<Mutex<BTreeMap<String, Validator>>> = LazyLock::new(Mutex::default);
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = validators.entry(pointer.to_owned()).or_insert_with(|| {
        let schema = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("there is no {pointer}"));
        // With the components, to which its references point.
        let mut whole = schema.clone();
        whole["components"] = json!({"schemas": DOCUMENT["components"]["schemas"]});
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&whole)
            .expect("a schema")
    });
    validator.validate(value).map_err(|why| why.to_string())
}
