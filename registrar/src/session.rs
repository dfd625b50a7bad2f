//! What a command uses besides its arguments and streams: the SDK's configuration, the terminal's
//! Ctrl-C and progress bars.

use std::{future, io, sync::Arc, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{
    signal::{
        self,
        unix::{SignalKind, signal},
    },
    sync::Notify,
};

// Longer than the functions' timeouts (`adapters::clients`): an operator may be far from the region,
// on a slow connection, and SQS responds to a long poll only after seconds.
const SDK_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one attempt of a call.
const SDK_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a call with its retries.
const SDK_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The AWS account that a command works in, and the terminal that it runs in, if any.
#[derive(Debug)]
pub struct Session {
    /// `None` in the process's own session.
    sdk: Option<SdkConfig>,
    /// Stands for Ctrl-C in a session without a terminal.
    interrupt: Option<Arc<Notify>>,
}

impl Session {
    /// The process's own session. The SDK looks for region and credentials, Ctrl-C stops a command, and
    /// a long command shows a progress bar if standard error is a terminal.
    pub fn of_process() -> Self {
        Self { sdk: None, interrupt: None }
    }

    /// A session without a terminal: no Ctrl-C and no progress bars.
    pub fn with_sdk(sdk: SdkConfig) -> Self {
        Self { sdk: Some(sdk), interrupt: None }
    }

    /// The same, in which each notification is a Ctrl-C.
    #[must_use]
    pub fn interrupted_by(self, interrupt: Arc<Notify>) -> Self {
        Self { interrupt: Some(interrupt), ..self }
    }

    /// The SDK's configuration, with timeouts for every call.
    pub(crate) async fn sdk(&self) -> SdkConfig {
        let sdk = match &self.sdk {
            Some(sdk) => sdk.clone(),
            None => adapters::clients::load_config().await,
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(SDK_CONNECT_TIMEOUT)
            .read_timeout(SDK_ATTEMPT_TIMEOUT)
            .operation_attempt_timeout(SDK_ATTEMPT_TIMEOUT)
            .operation_timeout(SDK_CALL_TIMEOUT)
            .build();
        sdk.into_builder().timeout_config(timeouts).build()
    }

    pub(crate) fn has_terminal(&self) -> bool {
        self.sdk.is_none()
    }

    /// Returns when the operator presses Ctrl-C.
    pub(crate) async fn interrupted(&self) {
        if let Some(interrupt) = &self.interrupt {
            interrupt.notified().await;
        } else if self.sdk.is_some() || signal::ctrl_c().await.is_err() {
            future::pending::<()>().await;
        }
    }

    /// The same, and when a supervisor asks the process to end, or its terminal is closed.
    pub(crate) async fn asked_to_end(&self) {
        match self.sdk {
            None => {
                if terminated().await.is_err() {
                    future::pending::<()>().await;
                }
            }
            Some(_) => self.interrupted().await,
        }
    }

    /// `steps` may be an estimate.
    pub(crate) fn progress_bar(&self, steps: u64, title: &'static str) -> ProgressBar {
        const BAR: &str = "{msg} {wide_bar} {pos} of about {len}";
        let target = match self.sdk {
            None => ProgressDrawTarget::stderr(),
            Some(_) => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(BAR);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(steps), target).with_style(style).with_message(title)
    }
}

/// Returns when the process is asked to end: `kill`, a shell that ends, or a terminal that is closed. In raw
/// mode, Ctrl-C is a key.
pub(crate) async fn terminated() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
