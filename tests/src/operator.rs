//! The operator's command, run with the credentials of a policy.

use std::{
    io::empty,
    panic::{AssertUnwindSafe, resume_unwind},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use futures_util::FutureExt;
use registrar::{Cli, Session, run_in};
use tokio::sync::Notify;

use crate::{DeployedStack, deployed_stack::sdk_config, description::Credentials};

/// The result of a command.
#[derive(Debug)]
pub struct CommandOutput {
    /// The exit code.
    pub code: ExitCode,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The exit code if some dead letters were left.
pub const LETTERS_LEFT: u8 = 1;
/// The exit code if lines of a file were refused or have no result.
pub const LINES_LEFT: u8 = 1;
/// The exit code if something stays as it is until a person acts.
pub const NEEDS_PERSON: u8 = 1;
/// The exit code if a call to AWS failed.
pub const AWS_FAILED: u8 = 2;

impl CommandOutput {
    /// Fails unless the exit code is `code` and standard output contains all of `parts`.
    #[track_caller]
    pub fn expect(&self, code: u8, parts: &[&str]) -> &Self {
        assert_eq!(self.code, ExitCode::from(code), "{self:?}");
        for part in parts {
            assert!(self.out.contains(part), "no {part:?} in {self:?}");
        }
        self
    }

    /// Fails if `part` was printed.
    #[track_caller]
    pub fn expect_without(&self, part: &str) -> &Self {
        assert!(!self.out.contains(part) && !self.err.contains(part), "{part:?} in {self:?}");
        self
    }
}

/// Runs `registrar` with these arguments, as the email operator.
pub async fn registrar(stack: &DeployedStack, args: &[&str]) -> CommandOutput {
    registrar_as(stack, &stack.description.email_operator, args).await
}

/// Runs `registrar` with these credentials.
pub async fn registrar_as(
    stack: &DeployedStack,
    credentials: &Credentials,
    args: &[&str],
) -> CommandOutput {
    registrar_until(stack, credentials, args, Arc::default()).await
}

/// The same. Each notification is a Ctrl-C.
pub async fn registrar_until(
    stack: &DeployedStack,
    credentials: &Credentials,
    args: &[&str],
    interrupt: Arc<Notify>,
) -> CommandOutput {
    let session = Session::with_sdk(sdk_config(stack.description, credentials).await);
    let session = session.interrupted_by(interrupt);
    let args = ["registrar"].iter().chain(args);
    let cli = Cli::try_parse_from(args).expect("the arguments are valid");
    // A command starts a runtime of its own, which it cannot do inside of this one.
    let command = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run_in(&session, &cli, empty(), &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("a command prints text");
        CommandOutput { code, out: text(out), err: text(err) }
    };
    tokio::task::spawn_blocking(command).await.expect("a command does not panic")
}

/// Runs `meanwhile`, and then releases all holds, even if it failed. Otherwise the journeys after it would fail for the
/// same reason.
pub async fn with_release(stack: &DeployedStack, meanwhile: impl Future<Output = ()>) {
    let outcome = AssertUnwindSafe(meanwhile).catch_unwind().await;
    registrar(stack, &["release"]).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}
