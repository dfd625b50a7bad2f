//! Instructions per invocation, counted by Valgrind's callgrind. Unlike a time, they hardly depend on the machine
//! and its load.

use std::{
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{Dependencies, Program, Session, session::Limited};

/// The instructions of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instructions {
    /// From the start of the process until the first event was handled.
    pub first: u64,
    /// Per later event.
    pub later: u64,
}

/// Whether Valgrind is installed.
pub fn is_installed() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Counts the instructions of two processes of a program, which run at the same time: one handles `alone`, the
/// other `all`, which has more events of the same kind. The difference is that of the later events.
pub async fn count(
    program: &Program,
    dependencies: &Dependencies,
    alone: &[Value],
    all: &[Value],
    directory: &Path,
) -> Result<Instructions, Box<dyn Error>> {
    let files = ["alone.callgrind", "all.callgrind"].map(|name| directory.join(name));
    let (first, total) = tokio::try_join!(
        total(program, dependencies, alone, &files[0]),
        total(program, dependencies, all, &files[1]),
    )?;
    let later = u64::try_from(all.len() - alone.len())?.max(1);
    Ok(Instructions { first, later: total.saturating_sub(first) / later })
}

async fn total(
    program: &Program,
    dependencies: &Dependencies,
    events: &[Value],
    file: &Path,
) -> Result<u64, Box<dyn Error>> {
    let out = format!("--callgrind-out-file={}", file.display());
    let valgrind = ["valgrind", "--quiet", "--tool=callgrind", &out].map(ToOwned::to_owned);
    let program = program.clone().under(valgrind);
    let mut session =
        Session::start(&program, dependencies, Limited::Never, Duration::ZERO).await?;
    for event in events {
        session.invoke(event).await?;
    }
    session.terminate().await?;
    let profile = fs::read_to_string(file)?;
    let total = profile.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind wrote no total")?.trim().parse()?)
}
