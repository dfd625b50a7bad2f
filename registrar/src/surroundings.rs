//! What a command finds around it, apart from its streams.

use std::{future, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{runtime, signal};

use crate::{Failure, Outcome};

/// A person may sit far from the region, on a slow line; and a long poll takes its time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Where region and credentials come from, and who may interrupt.
#[derive(Debug)]
pub struct Surroundings {
    given: Option<SdkConfig>,
}

impl Surroundings {
    /// The process's: the SDK looks for region and credentials, Ctrl-C is heeded, and long work shows a
    /// progress bar where standard error is a terminal.
    pub fn of_process() -> Self {
        Self { given: None }
    }

    /// With a configuration of the SDK, and nothing of the process's.
    pub fn with(sdk: SdkConfig) -> Self {
        Self { given: Some(sdk) }
    }

    /// The SDK's configuration, with timeouts on every call.
    pub(crate) async fn sdk(&self) -> SdkConfig {
        let sdk = match &self.given {
            Some(sdk) => sdk.clone(),
            None => adapters::clients::load_config().await,
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ATTEMPT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        sdk.into_builder().timeout_config(timeouts).build()
    }

    /// Returns when the operator asks to stop.
    pub(crate) async fn interrupted(&self) {
        if self.given.is_some() || signal::ctrl_c().await.is_err() {
            future::pending::<()>().await;
        }
    }

    /// A bar of about so many steps.
    pub(crate) fn progress(&self, steps: u64, what: &'static str) -> ProgressBar {
        const BAR: &str = "{msg} {wide_bar} {pos} of about {len}";
        let target = match self.given {
            None => ProgressDrawTarget::stderr(),
            Some(_) => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(BAR);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(steps), target).with_style(style).with_message(what)
    }
}

/// Runs a command that talks to AWS, on a runtime of its own.
pub(crate) fn block_on(
    command: impl Future<Output = Result<Outcome, Failure>>,
) -> Result<Outcome, Failure> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
