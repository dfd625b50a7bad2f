//! The function as deployed: every adapter is AWS or Stripe.

use adapters::{
    clients, opening,
    queue::EmailQueue,
    stripe_secret::StripeSecret,
    tables::{CatalogueTables, CoursesTable, EmailsTable, EnrollmentsTable},
};
use aws_config::SdkConfig;
use enrollment::{Adapters, Ports};
use lambda::clock;
use stripe::Stripe;

use crate::{config::Config, course_cache::CachedCourses};

#[derive(Debug)]
pub struct Deployed;

impl Adapters for Deployed {
    type Courses = CachedCourses<CatalogueTables>;
    type Enrollments = EnrollmentsTable;
    type Payments = Stripe<StripeSecret>;
    type EmailQueue = EmailQueue;
    type Ledger = EmailsTable;
}

/// Opens the connections that every enrollment uses. The clients of [`ports`] use them, because they share the HTTP client.
pub async fn open_connections(sdk: &SdkConfig, config: &Config) {
    let (dynamodb, sqs) = (clients::dynamodb(sdk), clients::sqs(sdk));
    // Boxed because it is large.
    let calls = Box::pin(async {
        tokio::join!(
            opening::dynamodb(&dynamodb, &config.courses_table, "course_id"),
            opening::sqs(&sqs, &config.email_queue_url),
        );
    });
    opening::while_initialising(calls).await;
}

/// All clients share one configuration, and so one HTTP client.
pub fn ports(sdk: &SdkConfig, config: Config) -> Ports<Deployed> {
    let dynamodb = clients::dynamodb(sdk);
    let courses = CoursesTable::new(dynamodb.clone(), config.courses_table);
    let payments = config.stripe_secret_arn.map(|arn| {
        let url = config.stripe_api_url.as_deref().unwrap_or(stripe::client::API_URL);
        let secret = StripeSecret::new(clients::secrets_manager(sdk), arn, clock::instant);
        Stripe::new(url, secret, clock::instant)
    });
    Ports {
        courses: CachedCourses::new(
            CatalogueTables::new(courses, config.seats_table.clone(), config.price_changes_table),
            clock::instant,
        ),
        enrollments: EnrollmentsTable::new(
            dynamodb.clone(),
            config.enrollments_table,
            config.seats_table,
        )
        .retaining(config.enrollment_retention),
        payments,
        email_queue: EmailQueue::new(clients::sqs(sdk), config.email_queue_url),
        ledger: EmailsTable::new(dynamodb, config.emails_table),
    }
}
