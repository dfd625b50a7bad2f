//! What a session runs: a command, and its environment.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A command whose environment has nothing but what is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    command: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Program {
    /// An executable, or an interpreter with its script.
    pub fn new<I: AsRef<Path>>(command: impl IntoIterator<Item = I>) -> Self {
        let command = command.into_iter().map(|part| part.as_ref().display().to_string());
        Self { command: command.collect(), variables: Vec::new() }
    }

    /// The same with more variables.
    #[must_use]
    pub fn with(mut self, variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// The same, run by another command.
    #[must_use]
    pub fn under(mut self, wrapper: impl IntoIterator<Item = String>) -> Self {
        self.command.splice(0..0, wrapper);
        self
    }

    pub(crate) fn start(&self, runtime_api: &str) -> std::io::Result<std::process::Child> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(std::io::Error::other("no command"));
        };
        let variables = self.variables.iter().map(|(name, value)| (name, value.as_str()));
        Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            // Interpreters find nothing else by it.
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
    }
}
