//! The function as deployed: every adapter is AWS or Stripe.

use adapters::{clients, stripe_secret::StripeSecret, tables::EnrollmentReads};
use aws_config::SdkConfig;
use lambda::clock;
use stripe::Stripe;

use crate::{config::Config, run::Books};

pub type Deployed = Books<Stripe<StripeSecret>, EnrollmentReads>;

/// `None` if payments are not configured. All clients share one configuration, and so one HTTP client.
pub fn books(sdk: &SdkConfig, config: Config) -> Option<Deployed> {
    let arn = config.stripe_secret_arn?;
    let url = config.stripe_api_url.as_deref().unwrap_or(stripe::client::API_URL);
    let secret = StripeSecret::new(clients::secrets_manager(sdk), arn, clock::instant);
    let enrollments = EnrollmentReads::new(clients::dynamodb(sdk), config.enrollments_table);
    Some(Books { payments: Stripe::new(url, secret, clock::instant), enrollments })
}
