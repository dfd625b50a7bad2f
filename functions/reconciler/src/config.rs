//! Configuration from environment variables, which template.yaml sets.

use lambda::{Environment, env::InvalidVariable};

use crate::request::Days;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `ENROLLMENTS_TABLE`, which is only read.
    pub enrollments_table: String,
    /// `STRIPE_SECRET_ARN`: the secret with Stripe's keys. Without it, payments are not configured.
    pub stripe_secret_arn: Option<String>,
    /// `STRIPE_API_URL`: Stripe's API, if not [`stripe::client::API_URL`].
    pub stripe_api_url: Option<String>,
    /// `RECONCILIATION_DAYS`
    pub days: Days,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing or wrong.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            enrollments_table: environment.required("ENROLLMENTS_TABLE")?,
            stripe_secret_arn: environment.optional("STRIPE_SECRET_ARN")?,
            stripe_api_url: environment.optional("STRIPE_API_URL")?,
            days: environment.required("RECONCILIATION_DAYS")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        match name {
            "ENROLLMENTS_TABLE" => Some("enrollments".to_owned()),
            "RECONCILIATION_DAYS" => Some("3".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn missing_variable_is_named_and_payments_are_optional() {
        let config = Config::read(&Environment::new(&value)).unwrap();
        assert_eq!((config.stripe_secret_arn, config.stripe_api_url), (None, None));
        for missing in ["ENROLLMENTS_TABLE", "RECONCILIATION_DAYS"] {
            let variable = |name: &str| value(name).filter(|_| name != missing);
            assert_eq!(Config::read(&Environment::new(&variable)).unwrap_err().name, missing);
        }
    }

    #[test]
    fn number_of_days_that_is_out_of_range_names_the_variable() {
        for days in ["0", "31", "three"] {
            let variable = |name: &str| match name {
                "RECONCILIATION_DAYS" => Some(days.to_owned()),
                _ => value(name),
            };
            let error = Config::read(&Environment::new(&variable)).unwrap_err();
            assert_eq!(error.name, "RECONCILIATION_DAYS");
            assert!(error.problem.contains("1 to 30"), "{error}");
        }
    }
}
