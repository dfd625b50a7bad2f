//! Processes that a measurement starts.

use std::{
    error::Error,
    io,
    process::{Child, Command, Stdio},
};

/// A process that is killed when this is dropped. If this process dies first, the child's standard input ends.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Starts it without standard output.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has nothing to finish, and may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs a command to its end. `Err` has what it printed on standard error.
pub fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|why| format!("{command:?}: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_that_fails_is_an_error_with_what_it_printed() {
        let error = run(Command::new("sh").args(["-c", "echo no disk >&2; false"])).unwrap_err();
        assert!(error.to_string().ends_with("no disk"), "{error}");
        assert!(run(&mut Command::new("true")).is_ok());
        assert!(run(&mut Command::new("/no/such/program")).is_err());
    }
}
