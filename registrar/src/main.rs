//! The `registrar` binary. The library has the commands.

use std::{io, process::ExitCode};

use clap::Parser;
use registrar::{Cli, run};

fn main() -> ExitCode {
    run(&Cli::parse(), io::stdin().lock(), io::stdout().lock(), io::stderr().lock())
}
