//! Configuration from environment variables, which template.yaml sets.

use lambda::{Environment, env::InvalidVariable};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `EVENT_BUS_NAME`: the event bus that the events are put on.
    pub event_bus_name: String,
    /// `ENROLLMENTS_TABLE`: the enrollments.
    pub enrollments_table: String,
    /// `EMAILS_TABLE`: the delivery ledger.
    pub emails_table: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            event_bus_name: environment.required("EVENT_BUS_NAME")?,
            enrollments_table: environment.required("ENROLLMENTS_TABLE")?,
            emails_table: environment.required("EMAILS_TABLE")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_the_missing_variable() {
        for missing in ["EVENT_BUS_NAME", "ENROLLMENTS_TABLE", "EMAILS_TABLE"] {
            let variable = |name: &str| (name != missing).then(|| "something".to_owned());
            let error = Config::read(&Environment::new(&variable)).unwrap_err();
            assert_eq!(error.name, missing);
        }
    }
}
