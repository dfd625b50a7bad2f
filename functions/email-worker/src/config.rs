//! Configuration from environment variables, which template.yaml sets.

use std::time::Duration;

use email::{EmailAddress, Sender, SenderName, guarantee::Guarantees};
use email_templates::Language;
use lambda::{Environment, env::InvalidVariable};
use sizing::WorkerSettings;

use crate::ses::Tenant;

/// The configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `EMAILS_TABLE`: the delivery ledger.
    pub emails_table: String,
    /// `SUPPRESSIONS_TABLE`: the suppressed recipients.
    pub suppressions_table: String,
    /// `HOLDS_TABLE`: the record of the holds.
    pub holds_table: String,
    /// `AWS_LAMBDA_FUNCTION_NAME`, which Lambda sets: the function whose event source a hold turns off.
    pub function: String,
    /// `EMAIL_QUEUE_URL`: the queue that jobs are received from and returned to.
    pub email_queue_url: String,
    /// `EMAIL_DEAD_LETTER_QUEUE_URL`: the queue that dead letters are stored on.
    pub dead_letter_queue_url: String,
    /// `SENDER_ADDRESS` and `SENDER_NAME`: the sender of every email.
    pub sender: Sender,
    /// `REPLY_TO`: the address for replies to emails whose job names none.
    pub reply_to: Option<EmailAddress>,
    /// `SES_CONFIGURATION_SET`: the configuration set of every email.
    pub configuration_set: String,
    /// `SES_TENANT`: the tenant that every email is sent for.
    pub tenant: Option<Tenant>,
    /// `AT_MOST_ONCE_TEMPLATES`: comma-separated names of the templates that are sent at most once.
    pub guarantees: Guarantees,
    /// `DEFAULT_LANGUAGE`: of emails whose reader has no language that the templates are written in.
    pub default_language: Language,
    /// `SEND_LIMIT`, `SEND_WINDOW_SECONDS`, `SEND_SLACK_MILLISECONDS`, `WORKER_CONCURRENCY`,
    /// `WORKER_BATCH_SIZE`, `WORKER_TIMEOUT_SECONDS`: the stack's parameters of these names. An error does not end the
    /// process: CloudFormation accepts numbers that are not whole, and the worker must be able to say so.
    pub settings: Result<WorkerSettings, InvalidVariable>,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing or invalid.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            emails_table: environment.required("EMAILS_TABLE")?,
            suppressions_table: environment.required("SUPPRESSIONS_TABLE")?,
            holds_table: environment.required("HOLDS_TABLE")?,
            function: environment.required("AWS_LAMBDA_FUNCTION_NAME")?,
            email_queue_url: environment.required("EMAIL_QUEUE_URL")?,
            dead_letter_queue_url: environment.required("EMAIL_DEAD_LETTER_QUEUE_URL")?,
            sender: sender(environment)?,
            reply_to: environment.optional("REPLY_TO")?,
            configuration_set: environment.required("SES_CONFIGURATION_SET")?,
            tenant: environment.optional("SES_TENANT")?,
            guarantees: guarantees(environment)?,
            default_language: environment.required("DEFAULT_LANGUAGE")?,
            settings: settings(environment),
        })
    }
}

fn settings(environment: &Environment<'_>) -> Result<WorkerSettings, InvalidVariable> {
    Ok(WorkerSettings {
        limit: environment.required("SEND_LIMIT")?,
        window: environment.required("SEND_WINDOW_SECONDS")?,
        slack: environment.required("SEND_SLACK_MILLISECONDS")?,
        slots: environment.required("WORKER_CONCURRENCY")?,
        batch_size: environment.required("WORKER_BATCH_SIZE")?,
        timeout: environment.required("WORKER_TIMEOUT_SECONDS").map(Duration::from_secs)?,
    })
}

fn sender(environment: &Environment<'_>) -> Result<Sender, InvalidVariable> {
    let address = environment.required("SENDER_ADDRESS")?;
    let name = "SENDER_NAME";
    let sender_name: Option<SenderName> = environment.optional(name)?;
    Sender::new(address, sender_name.as_ref())
        .map_err(|why| InvalidVariable { name, problem: why.to_string() })
}

/// An unknown template name is an error. A misspelled name would otherwise leave its template at "at
/// least once".
fn guarantees(environment: &Environment<'_>) -> Result<Guarantees, InvalidVariable> {
    let name = "AT_MOST_ONCE_TEMPLATES";
    let guarantees: Guarantees = environment.optional(name)?.unwrap_or_default();
    let unknown =
        guarantees.at_most_once().find(|template| !email_templates::NAMES.contains(template));
    if let Some(unknown) = unknown {
        let known = email_templates::NAMES.join(", ");
        let problem =
            format!("names {unknown:?}, which is not a template; the templates are: {known}");
        return Err(InvalidVariable { name, problem });
    }
    Ok(guarantees)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: (&str, &str)) -> Result<Config, InvalidVariable> {
        Config::read(&Environment::new(&|name| {
            let value = match name {
                _ if name == change.0 => change.1,
                "SENDER_ADDRESS" => "courses@example.com",
                "SEND_LIMIT" => "300",
                "SEND_WINDOW_SECONDS" | "WORKER_TIMEOUT_SECONDS" => "60",
                "SEND_SLACK_MILLISECONDS" => "250",
                "DEFAULT_LANGUAGE" => "en",
                "WORKER_CONCURRENCY" => "2",
                "WORKER_BATCH_SIZE" => "100",
                "AT_MOST_ONCE_TEMPLATES" | "SENDER_NAME" | "REPLY_TO" | "SES_TENANT" => "",
                _ => "something",
            };
            Some(value.to_owned())
        }))
    }

    #[test]
    fn defaults_of_the_template_can_work_together() {
        let settings = read(("", "")).unwrap().settings.unwrap();
        assert_eq!(settings.check().unwrap().quota(), 150);
        assert!(settings.advice(settings.check().unwrap()).is_empty());
    }

    #[test]
    fn templates_can_be_sent_at_most_once() {
        let config = read(("AT_MOST_ONCE_TEMPLATES", "enrollment-refund")).unwrap();
        assert!(config.guarantees.at_most_once().eq(["enrollment-refund"]));
        assert_eq!(read(("", "")).unwrap().guarantees, Guarantees::default());
    }

    #[test]
    fn sender_may_have_a_name_and_an_address_for_replies() {
        let config = read(("SENDER_NAME", "Example Courses")).unwrap();
        assert_eq!(config.sender.for_provider(), "Example Courses <courses@example.com>");
        assert_eq!(config.reply_to, None);
        let config = read(("REPLY_TO", "help@example.com")).unwrap();
        assert_eq!(config.sender.for_provider(), "courses@example.com");
        assert_eq!(config.reply_to, Some("help@example.com".parse().unwrap()));
    }

    #[test]
    fn error_names_the_missing_or_invalid_variable() {
        for (name, value) in [
            ("EMAILS_TABLE", ""),
            ("SENDER_ADDRESS", "nobody"),
            ("SES_TENANT", "two words"),
            ("DEFAULT_LANGUAGE", "tlh"),
            ("SENDER_NAME", "Courses\r\nBcc: eve@example.com"),
            ("SENDER_NAME", &"x".repeat(299)),
            ("REPLY_TO", "Help <help@example.com>"),
            ("AT_MOST_ONCE_TEMPLATES", "enrollment-refund,novel"),
        ] {
            assert_eq!(read((name, value)).unwrap_err().name, name);
        }
    }

    #[test]
    fn worker_starts_although_a_number_is_not_one_that_it_can_use() {
        for (name, value) in [
            ("SEND_LIMIT", "0"),
            ("SEND_LIMIT", "299.5"),
            ("WORKER_CONCURRENCY", "two"),
            ("WORKER_TIMEOUT_SECONDS", ""),
        ] {
            assert_eq!(read((name, value)).unwrap().settings.unwrap_err().name, name);
        }
    }
}
