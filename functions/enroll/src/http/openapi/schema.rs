//! The texts and numbers of bodies and parameters, as schemas, with the limits of their types.

use email::Locale as EmailLocale;
use enrollment::{
    CourseId as RealCourseId, StudentId as RealStudentId,
    course::{CourseState as RealCourseState, Title as RealTitle},
    enrollment::EnrollmentState as RealEnrollmentState,
    history::Reason as RealReason,
    money::Amount as RealAmount,
    page::PageSize as RealPageSize,
    payment::PaymentMethod as RealPaymentMethod,
    seats::Seats as RealSeats,
    student::PersonName as RealPersonName,
};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, RefOr, SchemaFormat,
        schema::{ObjectBuilder, Schema, Type},
    },
};

/// A named schema.
macro_rules! schema {
    ($($name:ident => $schema:expr;)*) => {
        $(
            #[derive(serde::Serialize)]
            pub(in crate::http) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let object: ObjectBuilder = $schema;
                    Schema::from(object.build()).into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

schema! {
    StudentId => text("The platform's id of a student, such as an OpenID Connect `sub`: visible ASCII characters.")
        .pattern(Some(format!("^[!-~]{{1,{}}}$", RealStudentId::MAX_LENGTH)))
        .examples([json!("s-1")]);
    CourseId => text("One plain segment of a path.")
        .pattern(Some(format!("^[A-Za-z0-9][A-Za-z0-9._-]{{0,{}}}$", RealCourseId::MAX_LENGTH - 1)))
        .examples([json!("rust-101")]);
    EnrollmentId => text("A UUID of version 7.").format(Some(SchemaFormat::Custom("uuid".to_owned())));
    Title => line("A course's title: one line.", RealTitle::MAX_LENGTH).examples([json!("Rust 101")]);
    PersonName => line("A person's name: one line without a link.", RealPersonName::MAX_LENGTH)
        .examples([json!("Ada Lovelace")]);
    Reason => line("Why an operator acts: one line, without a name or an address.", RealReason::MAX_LENGTH)
        .examples([json!("asked by phone")]);
    // Not of format `email`: the domain may be written in Unicode, and dots may stand in a row.
    EmailAddress => text("One email address without a display name. The domain is returned in lower case and Punycode.")
        .pattern(Some("@[^@]+$"))
        .examples([json!("ada@example.com")]);
    PaymentMethod => text("The id that Stripe.js created.")
        .pattern(Some(format!("^[A-Za-z0-9_-]{{1,{}}}$", RealPaymentMethod::MAX_LENGTH)))
        .examples([json!("pm_1QxAbCdEfGh")]);
    Locale => text("A language tag (BCP 47): the language of the student's emails.")
        .max_length(Some(EmailLocale::MAX_LENGTH))
        .pattern(Some("^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"))
        .examples([json!("pt-BR")]);
    Currency => text("Three capital letters (ISO 4217).").pattern(Some("^[A-Z]{3}$")).examples([json!("USD")]);
    Amount => whole("In minor units of the currency, such as cents; 0 is free.", RealAmount::MAX).examples([json!(4900)]);
    Seats => whole("How many may hold a seat at the same time.", RealSeats::MAX.into());
    CourseState => text("A closed course takes no new students.")
        .enum_values(Some(RealCourseState::ALL.map(RealCourseState::as_str)));
    EnrollmentState => text("docs/payments.md has the meaning of each.")
        .enum_values(Some(RealEnrollmentState::ALL.map(RealEnrollmentState::as_str)));
    Moment => text("A time of RFC 3339; in responses in UTC.")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2027-01-31T09:00:00Z")]);
    Attempt => whole("The number of a payment attempt.", u32::MAX.into()).examples([json!(1)]);
    PageSize => whole("The maximum number of entries on the page.", RealPageSize::MAX.into())
        .minimum(Some(1_u64))
        .default(Some(json!(RealPageSize::default().get())));
    Cursor => text("The `next` of the page before.").pattern(Some("^([0-9A-Fa-f]{2})+$"));
    EntityTag => text("The version of a course, in quotes.").pattern(Some(r#"^"[0-9]+"$"#)).examples([json!("\"3\"")]);
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// Counted in the normal form C, without white space at the ends.
fn line(description: &str, max_length: usize) -> ObjectBuilder {
    text(description).min_length(Some(1)).max_length(Some(max_length))
}

fn whole(description: &str, maximum: u64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some(description))
        .minimum(Some(0_u64))
        .maximum(Some(maximum))
}
