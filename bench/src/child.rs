//! Processes that a measurement starts.

use std::{
    error::Error,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
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

/// How long Redis may take to start.
const MAX_START: Duration = Duration::from_secs(10);

/// A Redis of its own, in memory only.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    _process: Running,
}

impl Redis {
    /// Starts `redis-server`, and waits until it accepts connections. It blocks.
    pub fn start(directory: &Path) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no"]).current_dir(directory);
        let process = Running::start(&mut command)
            .map_err(|why| io::Error::new(why.kind(), format!("redis-server: {why}")))?;
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if began.elapsed() > MAX_START {
                return Err(io::Error::new(ErrorKind::TimedOut, "redis-server did not start"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { address, _process: process })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
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
