//! Whom API Gateway let through to a route, as it says in the event. A signed request and a student's token
//! are never taken for each other, even if a route had the wrong authorizer.

use axum::{
    Extension,
    extract::{FromRequestParts, Request},
    http::{StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use enrollment::{StudentId, claims::Claims, history::Actor};

use super::jsend::ApiResponse;

/// What the event says of its authorizer. Nothing of it comes from the client.
#[derive(Debug, Clone, Default)]
pub(super) enum Caller {
    /// No authorizer is named, as under `cargo lambda watch`.
    #[default]
    Unnamed,
    /// IAM authorised the request; the principal, unless it is not one that a history could name.
    Signed(Option<Actor>),
    /// The JWT authorizer verified a token.
    Token(Claims),
    /// Both, which API Gateway does not send.
    Contradictory,
}

/// Middleware of the routes that name any student: a student's token opens none of them.
pub(super) async fn refuse_tokens(
    caller: Option<Extension<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(Extension(Caller::Token(_) | Caller::Contradictory)) = caller {
        let why = "this route requires an AWS signature, not a token";
        return ApiResponse::fail(StatusCode::FORBIDDEN, "authorization", why).into_response();
    }
    next.run(request).await
}

/// The claims of the student's token. Without them the request is refused.
pub(super) struct StudentOfToken(pub(super) Claims);

impl<S: Send + Sync> FromRequestParts<S> for StudentOfToken {
    type Rejection = ApiResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiResponse> {
        if let Some(Caller::Token(claims)) = parts.extensions.get::<Caller>() {
            return Ok(Self(claims.clone()));
        }
        tracing::error!("a student's route was called without a verified token");
        let why =
            "this route requires a student's token, and the request has none that was verified";
        Err(ApiResponse::fail(StatusCode::FORBIDDEN, "authorization", why))
    }
}

/// The student of the token.
pub(super) fn own_id(claims: &Claims) -> Result<StudentId, ApiResponse> {
    claims
        .student_id()
        .map_err(|errors| ApiResponse::fields(StatusCode::UNPROCESSABLE_ENTITY, errors))
}
