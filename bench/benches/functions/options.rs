//! The command line.

use std::{path::PathBuf, time::Duration};

/// What is measured, and how often.
#[derive(Debug)]
pub(crate) struct Options {
    /// Starts per system and share of the core.
    pub(crate) runs: usize,
    /// Later requests per system.
    pub(crate) warm: usize,
    /// What a round trip to AWS takes longer than on loopback.
    pub(crate) round_trip: Duration,
    /// The period of the quota: by default the kernel's own.
    pub(crate) period: Duration,
    /// Whether a client may resume a TLS session, as with AWS.
    pub(crate) resumes: bool,
    pub(crate) peers: bool,
    /// The release binaries.
    pub(crate) binaries: PathBuf,
    /// The document whose table is replaced.
    pub(crate) write: Option<PathBuf>,
}

impl Options {
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        // Cargo runs a bench in the directory of its package.
        let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut options = Self {
            runs: 11,
            warm: 300,
            round_trip: Duration::ZERO,
            period: Duration::from_millis(100),
            resumes: true,
            peers: true,
            binaries: workspace.join("target").join(target()).join("release"),
            write: None,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--runs" => options.runs = number(&value()?)?.max(1),
                "--warm" => options.warm = number(&value()?)?.max(1),
                "--round-trip-ms" => options.round_trip = milliseconds(&value()?)?,
                "--period-ms" => options.period = milliseconds(&value()?)?,
                "--no-resumption" => options.resumes = false,
                "--no-peers" => options.peers = false,
                "--binaries" => options.binaries = workspace.join(value()?),
                "--write" => options.write = Some(workspace.join(value()?)),
                // Cargo passes this.
                "--bench" => {}
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(options)
    }
}

/// The target that the Makefile builds for.
fn target() -> String {
    std::env::var("CARGO_BUILD_TARGET").unwrap_or_default()
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let milliseconds = text.parse().map_err(|_| format!("{text} is not a number"))?;
    Ok(Duration::from_millis(milliseconds))
}
