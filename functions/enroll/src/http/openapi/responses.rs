//! The forms of responses: `JSend`, and API Gateway's own.

use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
        header::HeaderBuilder,
        schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type},
    },
};

const JSON: &str = "application/json";

/// An error that the caller can fix: the reason for each wrong field.
#[derive(serde::Serialize)]
pub(super) struct Fail;

/// An error that the caller cannot fix.
#[derive(serde::Serialize)]
pub(super) struct Error;

/// A success without data.
#[derive(serde::Serialize)]
pub(super) struct Message;

/// API Gateway's own response: a refused signature, too many requests, an unavailable function, a path without a route.
#[derive(serde::Serialize)]
pub(super) struct GatewayMessage;

impl PartialSchema for Fail {
    fn schema() -> RefOr<Schema> {
        let data = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "The reason for each wrong field. `body`, `path`, `method`, `query`, `headers` and `authorization` are \
                 used where no field is to blame.",
            ))
            .additional_properties(Some(AdditionalProperties::RefOr(plain_text().into())))
            .examples([json!({"email": "is not an email address: it has no @"})]);
        jsend("fail", "data", Schema::from(data.build()).into())
    }
}

impl PartialSchema for Error {
    fn schema() -> RefOr<Schema> {
        jsend("error", "message", plain_text().into())
    }
}

impl PartialSchema for Message {
    fn schema() -> RefOr<Schema> {
        jsend("success", "message", plain_text().into())
    }
}

impl PartialSchema for GatewayMessage {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("API Gateway's own response."))
            .property("message", text)
            .required("message")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        Schema::from(object.build()).into()
    }
}

impl ToSchema for Fail {}
impl ToSchema for Error {}
impl ToSchema for Message {}
impl ToSchema for GatewayMessage {}

fn plain_text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).build().into()
}

fn jsend(status: &str, field: &str, of: RefOr<Schema>) -> RefOr<Schema> {
    let status = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([status]));
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("status", status)
        .property(field, of)
        .required("status")
        .required(field)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Schema::from(object.build()).into()
}

pub(super) fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn one_of<const N: usize>(schemas: [RefOr<Schema>; N]) -> RefOr<Schema> {
    let one_of = schemas.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item);
    Schema::from(one_of.build()).into()
}

fn json_body(description: &str, schema: RefOr<Schema>) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content(JSON, content)
}

/// A success with `data`.
pub(super) fn success<T: ToSchema>(description: &str) -> ResponseBuilder {
    json_body(description, jsend("success", "data", reference::<T>()))
}

pub(super) fn message(description: &str) -> ResponseBuilder {
    json_body(description, reference::<Message>())
}

/// Of the function alone.
pub(super) fn fail(description: &str) -> ResponseBuilder {
    json_body(description, reference::<Fail>())
}

/// A 402.
pub(super) fn not_paid<T: ToSchema>(description: &str) -> ResponseBuilder {
    json_body(description, jsend("fail", "data", reference::<T>()))
}

/// Of the function, or of API Gateway.
pub(super) fn fail_or_gateway(description: &str) -> ResponseBuilder {
    json_body(description, one_of([reference::<Fail>(), reference::<GatewayMessage>()]))
}

pub(super) fn gateway(description: &str) -> ResponseBuilder {
    json_body(description, reference::<GatewayMessage>())
}

pub(super) fn unavailable() -> ResponseBuilder {
    const WHY: &str = "A dependency is unavailable, or the payment's result is not known yet: with Retry-After, and \
                       repeating the request is safe. Without it, an operator must act first.";
    let seconds = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]+$"));
    let retry_after = HeaderBuilder::new()
        .description(Some("Seconds until the caller should retry."))
        .schema(Some(Schema::from(seconds.build())))
        .build();
    json_body(WHY, one_of([reference::<Error>(), reference::<GatewayMessage>()]))
        .header("Retry-After", retry_after)
}

/// The response, with the version of the course as its entity tag.
pub(super) fn tagged(response: ResponseBuilder) -> Response {
    let tag = HeaderBuilder::new()
        .description(Some("The version of the course."))
        .schema(Some(reference::<super::schema::EntityTag>()))
        .build();
    response.header("ETag", tag).build()
}
