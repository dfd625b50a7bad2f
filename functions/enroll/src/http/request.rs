//! The extractors of the handlers, with errors in the API's own form.

use std::collections::BTreeSet;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{
        HeaderValue, StatusCode,
        header::{IF_MATCH, IF_NONE_MATCH},
        request::Parts,
    },
    response::IntoResponse,
};
use enrollment::{CourseId, StudentId, catalogue::Precondition, fields::Fields};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jsend::ApiResponse;

/// Maximum size of a body, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// A body that is a JSON object of at most [`MAX_BYTES`], whatever its content type.
pub(super) struct JsonObject(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiResponse> {
        let fail = |status, why: String| ApiResponse::fail(status, "body", why);
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| {
                match rejection.into_response().status() {
                    StatusCode::PAYLOAD_TOO_LARGE => fail(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        format!("is larger than {MAX_BYTES} bytes"),
                    ),
                    status => fail(status, "did not arrive whole".to_owned()),
                }
            })?;
        // A byte order mark, which some tools write first (RFC 8259, section 8.1).
        let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match serde_json::from_slice(json) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(fail(StatusCode::BAD_REQUEST, "is not a JSON object".to_owned())),
            Err(error) => Err(fail(
                StatusCode::BAD_REQUEST,
                format!("is not JSON (line {}, column {})", error.line(), error.column()),
            )),
        }
    }
}

/// What `If-Match` and `If-None-Match` require of a course.
pub(super) struct Required(pub(super) Precondition);

impl<S: Send + Sync> FromRequestParts<S> for Required {
    type Rejection = ApiResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiResponse> {
        let fail = |why: &str| ApiResponse::fail(StatusCode::BAD_REQUEST, "headers", why);
        // A list may be in several lines (RFC 9110, section 5.3).
        let list = |name| -> Result<Option<String>, ApiResponse> {
            let lines = parts.headers.get_all(name).iter().map(HeaderValue::to_str);
            let lines: Vec<_> = lines
                .collect::<Result<_, _>>()
                .map_err(|_| fail("If-Match or If-None-Match is not visible ASCII"))?;
            Ok((!lines.is_empty()).then(|| lines.join(",")))
        };
        let precondition = match (list(IF_MATCH)?, list(IF_NONE_MATCH)?) {
            (None, None) => Precondition::None,
            (None, Some(none)) if none.trim() == "*" => Precondition::Absent,
            (None, Some(_)) => return Err(fail("If-None-Match is not *")),
            (Some(_), Some(_)) => {
                return Err(fail("If-Match and If-None-Match exclude each other"));
            }
            (Some(tags), None) if tags.trim() == "*" => Precondition::Exists,
            (Some(tags), None) => Precondition::Version(
                versions(&tags).ok_or_else(|| fail("If-Match is neither * nor a list of ETags"))?,
            ),
        };
        Ok(Self(precondition))
    }
}

/// The versions of a list of entity tags. A tag that no version has, such as a weak one, matches nothing (RFC 9110,
/// section 13.1.1). `None` if it is not such a list.
fn versions(tags: &str) -> Option<Vec<u32>> {
    let mut versions = Vec::new();
    for tag in tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
        let (is_weak, quoted) = match tag.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, tag),
        };
        let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let version = opaque.parse::<u32>().ok().filter(|version| version.to_string() == opaque);
        versions.extend(version.filter(|_| !is_weak));
    }
    Some(versions)
}

/// The path's `course_id`.
pub(super) struct CourseInPath(pub(super) CourseId);

impl<S: Send + Sync> FromRequestParts<S> for CourseInPath {
    type Rejection = ApiResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiResponse> {
        let fail =
            |why: String| ApiResponse::fail(StatusCode::UNPROCESSABLE_ENTITY, "course_id", why);
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| fail("is not UTF-8".to_owned()))?;
        text.parse()
            .map(Self)
            .map_err(|why: enrollment::course::InvalidCourseId| fail(why.to_string()))
    }
}

/// The query string's `student_id`.
pub(super) struct StudentInQuery(pub(super) StudentId);

#[derive(Deserialize)]
struct StudentParameter {
    student_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for StudentInQuery {
    type Rejection = ApiResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiResponse> {
        let fail =
            |why: String| ApiResponse::fail(StatusCode::UNPROCESSABLE_ENTITY, "student_id", why);
        let Query(StudentParameter { student_id }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| fail("is not one value of the query string".to_owned()))?;
        let text = student_id.ok_or_else(|| fail("is missing".to_owned()))?;
        text.parse()
            .map(Self)
            .map_err(|why: enrollment::student::InvalidStudentId| fail(why.to_string()))
    }
}

/// The parameters of the query string, as texts. Like unknown fields of a body, unknown ones are ignored.
pub(super) struct QueryParameters {
    first_values: Map<String, Value>,
    repeated: BTreeSet<String>,
}

impl QueryParameters {
    /// The parameters as fields. One of these names that is given twice is an error.
    pub(super) fn fields<const N: usize>(&self, names: [&'static str; N]) -> Fields<'_> {
        let mut fields = Fields::new(&self.first_values);
        for name in names.into_iter().filter(|name| self.repeated.contains(*name)) {
            fields.add_error(name, "is given more than once");
        }
        fields
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryParameters {
    type Rejection = ApiResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiResponse> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
            let why = "is not one of names and values";
            ApiResponse::fail(StatusCode::BAD_REQUEST, "query", why)
        })?;
        let (mut first_values, mut repeated) = (Map::new(), BTreeSet::new());
        for (name, value) in pairs {
            if first_values.contains_key(&name) {
                repeated.insert(name);
            } else {
                first_values.insert(name, Value::String(value));
            }
        }
        Ok(Self { first_values, repeated })
    }
}
