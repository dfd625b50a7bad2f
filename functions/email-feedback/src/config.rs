//! Configuration from environment variables, which template.yaml sets.

use lambda::{Environment, env::InvalidVariable};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `EMAILS_TABLE`: the delivery ledger.
    pub emails_table: String,
    /// `SUPPRESSIONS_TABLE`: the suppressed recipients.
    pub suppressions_table: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            emails_table: environment.required("EMAILS_TABLE")?,
            suppressions_table: environment.required("SUPPRESSIONS_TABLE")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable() {
        for missing in ["EMAILS_TABLE", "SUPPRESSIONS_TABLE"] {
            let variable = |name: &str| (name != missing).then(|| "something".to_owned());
            let error = Config::read(&Environment::new(&variable)).unwrap_err();
            assert_eq!(error.name, missing);
        }
    }
}
