//! Configuration from environment variables, which template.yaml sets.

use aws::{Environment, env::InvalidVariable};

/// What the function needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `COURSES_TABLE`: the catalogue's table.
    pub courses_table: String,
    /// `ENROLLMENTS_TABLE`: the enrollments' table.
    pub enrollments_table: String,
    /// `EMAILS_TABLE`: the delivery ledger, which is only read.
    pub emails_table: String,
    /// `EMAIL_QUEUE_URL`: where email jobs go.
    pub email_queue_url: String,
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
            enrollments_table: environment.required("ENROLLMENTS_TABLE")?,
            emails_table: environment.required("EMAILS_TABLE")?,
            email_queue_url: environment.required("EMAIL_QUEUE_URL")?,
        })
    }
}
