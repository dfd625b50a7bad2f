//! A Redis of a measurement's own.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

use tokio::net::TcpStream;

use crate::child::Running;

/// How long it may take to start.
const MAX_START: Duration = Duration::from_secs(10);
/// How often it is asked whether it has started.
const INTERVAL: Duration = Duration::from_millis(10);

/// In memory only, until this is dropped.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    _process: Running,
}

impl Redis {
    /// Starts `redis-server`, and waits until it accepts connections.
    pub async fn start(directory: &Path) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no"]).current_dir(directory);
        let process = Running::start(&mut command)
            .map_err(|why| io::Error::new(why.kind(), format!("redis-server: {why}")))?;
        let accepts = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        let started = tokio::time::timeout(MAX_START, accepts).await;
        started.map_err(|_| io::Error::new(ErrorKind::TimedOut, "redis-server did not start"))?;
        Ok(Self { address, _process: process })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
