//! Configuration from environment variables, which template.yaml sets.

use enrollment::outside::AccessAfterRefund;
use lambda::{Environment, env::InvalidVariable};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `COURSES_TABLE`
    pub courses_table: String,
    /// `PRICE_CHANGES_TABLE`: the history of the prices, which is only written.
    pub price_changes_table: String,
    /// `ENROLLMENTS_TABLE`
    pub enrollments_table: String,
    /// `SEATS_TABLE`: how many seats of a course are taken.
    pub seats_table: String,
    /// `EMAILS_TABLE`: the delivery ledger, which is only read.
    pub emails_table: String,
    /// `EMAIL_QUEUE_URL`
    pub email_queue_url: String,
    /// `STRIPE_SECRET_ARN`: the secret with Stripe's keys. Without it, payments are not configured.
    pub stripe_secret_arn: Option<String>,
    /// `STRIPE_API_URL`: Stripe's API, if not [`stripe::client::API_URL`].
    pub stripe_api_url: Option<String>,
    /// `ACCESS_AFTER_REFUND`: `keep` or `revoke`.
    pub access_after_refund: AccessAfterRefund,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            courses_table: environment.required("COURSES_TABLE")?,
            price_changes_table: environment.required("PRICE_CHANGES_TABLE")?,
            enrollments_table: environment.required("ENROLLMENTS_TABLE")?,
            seats_table: environment.required("SEATS_TABLE")?,
            emails_table: environment.required("EMAILS_TABLE")?,
            email_queue_url: environment.required("EMAIL_QUEUE_URL")?,
            stripe_secret_arn: environment.optional("STRIPE_SECRET_ARN")?,
            stripe_api_url: environment.optional("STRIPE_API_URL")?,
            access_after_refund: environment.required("ACCESS_AFTER_REFUND")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [&str; 7] = [
        "SEATS_TABLE",
        "COURSES_TABLE",
        "PRICE_CHANGES_TABLE",
        "ENROLLMENTS_TABLE",
        "EMAILS_TABLE",
        "EMAIL_QUEUE_URL",
        "ACCESS_AFTER_REFUND",
    ];

    fn value(name: &str) -> String {
        if name == "ACCESS_AFTER_REFUND" { "revoke" } else { "something" }.to_owned()
    }

    #[test]
    fn missing_variable_is_named() {
        for missing in REQUIRED {
            let variable = |name: &str| (name != missing).then(|| value(name));
            let error = Config::read(&Environment::new(&variable)).unwrap_err();
            assert_eq!(error.name, missing);
        }
    }

    #[test]
    fn payments_are_optional() {
        let variable = |name: &str| REQUIRED.contains(&name).then(|| value(name));
        let config = Config::read(&Environment::new(&variable)).unwrap();
        assert_eq!((config.stripe_secret_arn, config.stripe_api_url), (None, None));
        assert_eq!(config.access_after_refund, AccessAfterRefund::Revoke);
    }

    #[test]
    fn unknown_access_after_refund_is_an_error_that_names_the_variable() {
        let variable = |_: &str| Some("something".to_owned());
        let error = Config::read(&Environment::new(&variable)).unwrap_err();
        assert_eq!(error.name, "ACCESS_AFTER_REFUND");
        assert!(error.problem.contains("`keep` nor `revoke`"), "{error}");
    }
}
