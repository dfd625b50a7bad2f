//! Configuration from environment variables, which template.yaml sets.

use lambda::{Environment, env::InvalidVariable};

use crate::provider::SenderConfig;

/// The function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `HOLDS_TABLE`: the record of the holds.
    pub holds_table: String,
    /// `EMAIL_WORKER_FUNCTION`: the function whose event source a hold turns off.
    pub email_worker: String,
    /// The sending account, and the alarms that watch it.
    pub sender: SenderConfig,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            holds_table: environment.required("HOLDS_TABLE")?,
            email_worker: environment.required("EMAIL_WORKER_FUNCTION")?,
            sender: SenderConfig::read(environment)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_the_missing_variable() {
        for missing in [
            "HOLDS_TABLE",
            "EMAIL_WORKER_FUNCTION",
            "SENDER_IDENTITY",
            "SES_CONFIGURATION_SET",
            "BOUNCE_RATE_ALARM",
            "BOUNCE_COUNT_ALARM",
            "COMPLAINT_RATE_ALARM",
            "COMPLAINT_COUNT_ALARM",
        ] {
            let variable = |name: &str| (name != missing).then(|| "something".to_owned());
            let error = Config::read(&Environment::new(&variable)).unwrap_err();
            assert_eq!(error.name, missing);
        }
    }
}
