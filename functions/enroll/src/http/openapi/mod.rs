//! The contract of the API: OpenAPI 3.1, made from the types of the responses, and committed as docs/openapi.json. It is
//! built in tests only, so that nothing of it is in the function.

pub(super) mod conformance;
mod document;
mod operations;
mod requests;
mod responses;
pub(super) mod schema;
mod students;
mod tests;
