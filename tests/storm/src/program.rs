//! The program that runs in an environment, and its variables.

use std::{
    fs::OpenOptions,
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use sizing::WorkerSettings;

use crate::{http::Server, stand_in::LEDGER};

/// What runs in an environment.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Environment variables beyond those that every worker has.
    pub variables: Vec<(&'static str, String)>,
    /// The file to which all its processes append their logs.
    pub log: Option<PathBuf>,
}

impl Program {
    /// An executable that needs only the environment variables that every worker has.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), variables: Vec::new(), log: None }
    }

    /// The same program with one more environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// The same program, whose processes append their logs to a file.
    #[must_use]
    pub fn with_log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    fn stdout(&self) -> io::Result<Stdio> {
        match &self.log {
            None => Ok(Stdio::null()),
            Some(path) => OpenOptions::new().create(true).append(true).open(path).map(Stdio::from),
        }
    }

    /// The command that starts it in an environment in which every service of AWS is `server`.
    pub(crate) fn command(&self, settings: WorkerSettings, server: &Server) -> io::Result<Command> {
        let address = server.address();
        let url = format!("http://{address}");
        let mut command = Command::new(&self.path);
        // Nothing from the environment of the test: no proxy, no profile, no credentials.
        command.env_clear().stdin(Stdio::null()).stdout(self.stdout()?);
        command.envs([
            ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "email-worker"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL_SESV2", &url),
            ("AWS_ENDPOINT_URL_DYNAMODB", &url),
            ("AWS_ENDPOINT_URL_SQS", &url),
            ("AWS_ENDPOINT_URL_LAMBDA", &url),
            ("EMAILS_TABLE", LEDGER),
            ("HOLDS_TABLE", "holds"),
            ("SUPPRESSIONS_TABLE", "suppressions"),
            ("EMAIL_QUEUE_URL", &format!("{url}/000000000000/email-queue")),
            ("EMAIL_DEAD_LETTER_QUEUE_URL", &format!("{url}/000000000000/email-dead-letters")),
            ("SENDER_ADDRESS", "courses@example.com"),
            ("SES_CONFIGURATION_SET", "registrar"),
            ("DEFAULT_LANGUAGE", "en"),
        ]);
        command.envs([
            ("SEND_LIMIT", settings.limit.to_string()),
            ("SEND_WINDOW_SECONDS", settings.window.get().as_secs().to_string()),
            ("SEND_SLACK_MILLISECONDS", settings.slack.get().as_millis().to_string()),
            ("WORKER_CONCURRENCY", settings.slots.to_string()),
            ("WORKER_BATCH_SIZE", settings.batch_size.to_string()),
            ("WORKER_TIMEOUT_SECONDS", settings.timeout.as_secs().to_string()),
        ]);
        command.envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())));
        Ok(command)
    }
}
