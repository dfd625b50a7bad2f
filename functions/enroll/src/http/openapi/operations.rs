//! The operations: one per route of template.yaml.

use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, HttpMethod, ObjectBuilder, RefOr, Required, Response, ResponseBuilder,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::{Schema, Type},
        security::SecurityRequirement,
    },
};

use super::{
    super::responses::{
        CourseShown, CoursesPage, Enrolled, EnrollmentShown, EnrollmentsPage, OperatedOn,
        PaymentNotMade,
    },
    requests::{CourseBody, EnrollBody, OperatorBody},
    responses::{
        fail, fail_or_gateway, gateway, message, not_paid, reference, success, tagged, unavailable,
    },
    schema::{CourseId, CourseState, Cursor, PageSize, StudentId},
};

/// The name of the security scheme of AWS signatures.
pub(super) const SIGV4: &str = "sigv4";
/// The name of the security scheme of Stripe's signatures.
pub(super) const STRIPE: &str = "stripe_signature";

pub(super) struct Route {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    pub(super) operation: Operation,
}

pub(super) fn all() -> Vec<Route> {
    [enrolling(), reading(), courses(), operators(), unsigned()].into_iter().flatten().collect()
}

fn enrolling() -> Vec<Route> {
    let summary = "A trusted caller enrolls a student in a course, and charges the student if the course has a price.";
    let enroll = || enrolls(signed(summary)).request_body(Some(body::<EnrollBody>("enroll")));
    vec![
        route(HttpMethod::Post, "/enrollments", "enroll", enroll()),
        // The route name of the Express prototype.
        route(HttpMethod::Post, "/add-user-to-course", "addUserToCourse", enroll()),
    ]
}

/// The responses to a request to enroll.
pub(super) fn enrolls(operation: OperationBuilder) -> OperationBuilder {
    operation
            .response("201", done::<Enrolled>("Enrolled."))
            .response("200", done::<Enrolled>("Enrolled already: the same body."))
            .response("402", not_paid::<PaymentNotMade>("The payment is not made."))
            .response("404", fail_or_gateway("No such course."))
            .response("409", fail(
                "`seats`: no seat is free. `opens_at`, `closes_at`: the course takes no new students yet, or no more. \
                 `course_id`: it is closed, or a refund for it is in progress. `price`, `currency`: the course has \
                 another price. `email`, `name`: the student is enrolled with other details.",
            ))
            .response("413", too_large())
            .response("422", invalid())
}

fn reading() -> Vec<Route> {
    let student = || required(query::<StudentId>("student_id"));
    let show = signed("A student's enrollment in a course, with its payment and its email.");
    let show = shows_enrollment(show).parameter(student());
    let list = signed("A student's enrollments, in the order of their courses.");
    let list = lists_enrollments(list.parameter(student()));
    vec![
        route(HttpMethod::Get, "/enrollments/{course_id}", "showEnrollment", show),
        route(HttpMethod::Get, "/enrollments", "listEnrollments", list),
    ]
}

pub(super) fn shows_enrollment(operation: OperationBuilder) -> OperationBuilder {
    operation
        .parameter(course_in_path())
        .response("200", done::<EnrollmentShown>("The enrollment."))
        .response("404", fail_or_gateway("The student has no enrollment in this course."))
        .response("422", invalid())
}

pub(super) fn lists_enrollments(operation: OperationBuilder) -> OperationBuilder {
    operation
        .parameter(query::<PageSize>("limit"))
        .parameter(query::<Cursor>("after"))
        .response("200", done::<EnrollmentsPage>("A page, also if there are none."))
        .response("422", invalid())
}

fn courses() -> Vec<Route> {
    let show = shows_course(signed("A course, as it is now."));
    let put = signed("An operator creates or replaces a course.")
        .parameter(course_in_path())
        .parameter(precondition("If-Match", r#"^\s*(\*|((W/)?"[^,]*")?(\s*,\s*((W/)?"[^,]*")?)*)\s*$"#, "Only if the course has this version; `*`: any."))
        .parameter(precondition("If-None-Match", r"^\s*\*\s*$", "`*`: only if there is no such course. Not with `If-Match`."))
        .request_body(Some(body::<CourseBody>("put-course")))
        .response("201", tagged(success::<CourseShown>("Created.")))
        .response("200", tagged(success::<CourseShown>("Replaced, or as it was.")))
        .response("404", gateway("The path is not of a course."))
        .response("412", tagged(fail("If-Match or If-None-Match does not hold; with the current version, if there is one.")))
        .response("413", too_large())
        .response("422", invalid());
    let list = lists_courses(signed("The courses, in the order of their ids."));
    vec![
        route(HttpMethod::Get, "/courses/{course_id}", "showCourse", show),
        route(HttpMethod::Put, "/courses/{course_id}", "putCourse", put),
        route(HttpMethod::Get, "/courses", "listCourses", list),
    ]
}

pub(super) fn shows_course(operation: OperationBuilder) -> OperationBuilder {
    operation
        .parameter(course_in_path())
        .response("200", tagged(success::<CourseShown>("The course.")))
        .response("404", fail_or_gateway("No such course."))
        .response("422", invalid())
}

pub(super) fn lists_courses(operation: OperationBuilder) -> OperationBuilder {
    operation
        .parameter(query::<CourseState>("state"))
        .parameter(query::<PageSize>("limit"))
        .parameter(query::<Cursor>("after"))
        .response("200", done::<CoursesPage>("A page, also if there are none."))
        .response("422", invalid())
}

fn operators() -> Vec<Route> {
    let roster =
        signed("The enrollments of a course, in the order in which they began; for operators.")
            .parameter(course_in_path())
            .parameter(query::<PageSize>("limit"))
            .parameter(query::<Cursor>("after"))
            .response("200", done::<EnrollmentsPage>("A page, also if there are none."))
            .response("404", gateway("The path is not of a course."))
            .response("422", invalid());
    let act = signed("An operator acts on an enrollment.")
        .parameter(course_in_path())
        .request_body(Some(body::<OperatorBody>("operate-enrollment")))
        .response("200", done::<OperatedOn>("Done, or done before."))
        .response("404", fail_or_gateway("No such enrollment or course."))
        .response(
            "409",
            fail(
                "`action`: it does not fit the enrollment. `seats`: no seat is free for a `grant`.",
            ),
        )
        .response("413", too_large())
        .response("422", invalid());
    vec![
        route(HttpMethod::Get, "/operator/enrollments/{course_id}", "listRoster", roster),
        route(HttpMethod::Post, "/operator/enrollments/{course_id}", "actOnEnrollment", act),
    ]
}

fn unsigned() -> Vec<Route> {
    let health = common("Whether the service is up.").response("200", message("It is."));
    let event =
        ObjectBuilder::new().schema_type(Type::Object).description(Some("An event of Stripe."));
    let event = ContentBuilder::new()
        .schema(Some(Schema::from(event.build())))
        .example(Some(sample("stripe-webhook")));
    let event = RequestBodyBuilder::new()
        .content("application/json", event.build())
        .required(Some(Required::True));
    let webhook = common("Stripe reports what became of a payment.")
        .security(SecurityRequirement::new(STRIPE, Vec::<String>::new()))
        .request_body(Some(event.build()))
        .response("200", message("Handled, or ignored."))
        .response("413", too_large());
    vec![
        route(HttpMethod::Get, "/", "health", health),
        route(HttpMethod::Post, "/webhooks/stripe", "receiveStripeEvent", webhook),
    ]
}

pub(super) fn route(
    method: HttpMethod,
    path: &'static str,
    id: &str,
    operation: OperationBuilder,
) -> Route {
    Route { method, path, operation: operation.operation_id(Some(id)).build() }
}

/// What API Gateway, and any request, can bring about.
pub(super) fn common(summary: &str) -> OperationBuilder {
    OperationBuilder::new()
        .summary(Some(summary))
        .response(
            "400",
            fail_or_gateway(
                "The body, the query string or a header is not what HTTP and JSON allow.",
            ),
        )
        .response(
            "403",
            fail_or_gateway(
                "The signature is missing or wrong, or its owner may not call this route.",
            ),
        )
        .response("414", fail_or_gateway("The path is too long."))
        .response("429", gateway("Too many requests."))
        .response("500", gateway("The function is unavailable."))
        .response("503", unavailable())
}

fn signed(summary: &str) -> OperationBuilder {
    common(summary).security(SecurityRequirement::new(SIGV4, Vec::<String>::new()))
}

fn done<T: ToSchema>(description: &str) -> Response {
    success::<T>(description).build()
}

fn invalid() -> ResponseBuilder {
    fail("Fields or parameters are missing or invalid; every one is named.")
}

fn too_large() -> ResponseBuilder {
    fail_or_gateway("The body is too large.")
}

pub(super) fn body<T: ToSchema>(sample_event: &str) -> RequestBody {
    let content =
        ContentBuilder::new().schema(Some(reference::<T>())).example(Some(sample(sample_event)));
    RequestBodyBuilder::new()
        .content("application/json", content.build())
        .required(Some(Required::True))
        .build()
}

/// The body of a sample event.
fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let event: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_str(event["body"].as_str().unwrap()).unwrap()
}

fn course_in_path() -> Parameter {
    ParameterBuilder::new()
        .name("course_id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(reference::<CourseId>()))
        .example(Some(json!("rust-101")))
        .build()
}

fn query<T: ToSchema>(name: &str) -> ParameterBuilder {
    let schema: RefOr<Schema> = reference::<T>();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .schema(Some(schema))
}

fn required(parameter: ParameterBuilder) -> ParameterBuilder {
    parameter.required(Required::True)
}

fn precondition(name: &str, pattern: &str, description: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(Schema::from(schema)))
        .build()
}
