//! The whole document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApiBuilder, Paths, RefOr,
        ServerBuilder, ServerVariableBuilder,
        extensions::ExtensionsBuilder,
        schema::Schema,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    super::responses::{
        CourseShown, CoursesPage, Enrolled, EnrollmentShown, EnrollmentsPage, OperatedOn,
        PaymentNotMade,
    },
    operations::{self, SIGV4, STRIPE},
    requests::{CourseBody, EnrollBody, OperatorBody, StudentEnrollBody},
    responses::{Error, Fail, GatewayMessage, Message},
    schema::{Cursor, EntityTag, PageSize},
    students::{self, TOKEN},
};

const DESCRIPTION: &str = "The HTTP API of Registrar. docs/api.md explains it. Responses are JSend; texts are for people \
                           and may change, statuses, field names, states and codes do not. Made from the types of the \
                           code: `make openapi`.";

/// The document, as it is committed.
pub(super) fn document() -> Value {
    let mut paths = Paths::new();
    for route in operations::all().into_iter().chain(students::all()) {
        paths.add_path_operation(route.path, vec![route.method], route.operation);
    }
    let components = schemas()
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| {
            components.schema(name, schema)
        })
        .security_scheme(SIGV4, sigv4())
        .security_scheme(STRIPE, stripe_signature())
        .security_scheme(TOKEN, student_token());
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0"));
    let info = InfoBuilder::new()
        .title("Registrar")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license.build()));
    let variable = |value: &str, description: &str| {
        ServerVariableBuilder::new().default_value(value).description(Some(description))
    };
    let server = ServerBuilder::new()
        .url("https://{api}.execute-api.{region}.amazonaws.com")
        .description(Some("The stack's output `ApiUrl`, or its custom domain."))
        .parameter("api", variable("api", "The id of the API."))
        .parameter("region", variable("us-east-1", "The Region of the stack."));
    let document = OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([server.build()]))
        .paths(paths)
        .components(Some(components.build()));
    let mut document = json!(document.build());
    forbid_fields_of_other_actions(&mut document);
    forbid_fields_of_the_token(&mut document);
    document
}

/// The named schemas, with those that they refer to.
fn schemas() -> BTreeMap<String, RefOr<Schema>> {
    let mut found = Vec::new();
    add::<EnrollBody>(&mut found);
    add::<StudentEnrollBody>(&mut found);
    add::<CourseBody>(&mut found);
    add::<OperatorBody>(&mut found);
    add::<Enrolled>(&mut found);
    add::<EnrollmentShown>(&mut found);
    add::<EnrollmentsPage>(&mut found);
    add::<CourseShown>(&mut found);
    add::<CoursesPage>(&mut found);
    add::<OperatedOn>(&mut found);
    add::<PaymentNotMade>(&mut found);
    add::<Fail>(&mut found);
    add::<Error>(&mut found);
    add::<Message>(&mut found);
    add::<GatewayMessage>(&mut found);
    add::<PageSize>(&mut found);
    add::<Cursor>(&mut found);
    add::<EntityTag>(&mut found);
    found.into_iter().collect()
}

fn add<T: ToSchema>(found: &mut Vec<(String, RefOr<Schema>)>) {
    found.push((T::name().into(), T::schema()));
    T::schemas(found);
}

/// API Gateway's name for AWS signatures is an extension of OpenAPI (API Gateway Developer Guide,
/// "x-amazon-apigateway-authtype property").
fn sigv4() -> SecurityScheme {
    let why = "An AWS signature (SigV4, service `execute-api`) of a role or user with one of the stack's policies.";
    let mut key = ApiKeyValue::with_description("Authorization", why);
    let extension = ExtensionsBuilder::new().add("x-amazon-apigateway-authtype", "awsSigv4");
    key.extensions = Some(extension.build());
    SecurityScheme::ApiKey(ApiKey::Header(key))
}

fn stripe_signature() -> SecurityScheme {
    let why = "Stripe's signature of the body, at most 5 minutes old or ahead.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("Stripe-Signature", why)))
}

fn student_token() -> SecurityScheme {
    let why = "A token of the issuer `JwtIssuer`; only with `AuthMode=JWT`.";
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(why));
    SecurityScheme::Http(bearer.build())
}

fn forbid_fields_of_the_token(document: &mut Value) {
    for field in ["student_id", "email", "name"] {
        document["components"]["schemas"]["StudentEnrollRequest"]["properties"][field] =
            json!(false);
    }
}

/// `false` as the schema of each field that belongs to other actions only, which the types cannot say.
fn forbid_fields_of_other_actions(document: &mut Value) {
    let variants = document["components"]["schemas"]["OperatorRequest"]["oneOf"].as_array_mut();
    let variants = variants.expect("one schema per action");
    let mut all = BTreeSet::new();
    for variant in variants.iter() {
        all.extend(variant["properties"].as_object().expect("fields").keys().cloned());
    }
    for variant in variants {
        let properties = variant["properties"].as_object_mut().expect("fields");
        for field in &all {
            properties.entry(field).or_insert(json!(false));
        }
    }
}
