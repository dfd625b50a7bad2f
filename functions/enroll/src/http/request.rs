//! The extractors of the handlers, with errors in the API's own form.

use std::collections::BTreeSet;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
    response::IntoResponse,
};
use enrollment::{CourseId, StudentId, fields::Fields};
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
    pub(super) fn has(&self, name: &str) -> bool {
        self.first_values.contains_key(name)
    }

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
