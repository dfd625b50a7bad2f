//! The processes of the functions. The local AWS runs each execution environment as one process.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// A kill of a process.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// The process.
    pub process: u32,
    /// When the process was dead.
    pub at: SystemTime,
}

/// The processes of a function of the local AWS at this address. Another local AWS may have a function of the same name.
fn of(function: &str, endpoint: &str) -> Vec<u32> {
    // A function inherits the environment of its local AWS, the port that it listens on included.
    let port = endpoint.rsplit(':').next().unwrap_or_default();
    let wanted = [format!("AWS_LAMBDA_FUNCTION_NAME={function}"), format!("GATEWAY_PORT={port}")];
    let is_wanted = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let has = |wanted: &String| {
            environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        wanted.iter().all(has)
    };
    all().filter(|(_, process)| is_wanted(process)).map(|(id, _)| id).collect()
}

/// Kills a process. Returns `None` if it had already exited.
pub fn kill(process: u32) -> Option<Kill> {
    let id = process.to_string();
    let killed = Command::new("kill").arg("-9").arg(id).status().is_ok_and(|s| s.success());
    killed.then(|| Kill { process, at: SystemTime::now() })
}

/// Kills every process of a function of the local AWS at this address. Fails if there is none.
pub fn kill_all(function: &str, endpoint: &str) {
    let killed = of(function, endpoint).into_iter().filter_map(kill).count();
    assert!(killed > 0, "{function} has no running process");
}

/// The client's process of a connection on loopback. `None` if it has exited.
pub fn owner(client: SocketAddr, server: SocketAddr) -> Option<u32> {
    let socket = socket_of(client, server)?;
    let has_it = |process: &Path| {
        let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file == socket)
    };
    all().find(|(_, process)| has_it(process)).map(|(id, _)| id)
}

fn all() -> impl Iterator<Item = (u32, PathBuf)> {
    let processes = fs::read_dir("/proc").expect("/proc can be read").flatten();
    processes
        .filter_map(|process| Some((process.file_name().to_str()?.parse().ok()?, process.path())))
}

/// The name of the socket of a connection, as it appears among the open files of its process. The system gives one port
/// to clients of several servers at the same time, so it needs both addresses.
fn socket_of(client: SocketAddr, server: SocketAddr) -> Option<PathBuf> {
    let wanted = [in_hex(client)?, in_hex(server)?];
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    // Columns: number, local address, remote address, and so on. The tenth is the inode of the socket.
    let line = table.lines().find(|line| line.split_whitespace().skip(1).take(2).eq(&wanted))?;
    Some(format!("socket:[{}]", line.split_whitespace().nth(9)?).into())
}

/// The table has addresses as hexadecimal numbers in the byte order of the machine.
fn in_hex(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use tokio::net::TcpSocket;

    use super::*;

    #[test]
    fn connection_has_an_owner_until_it_is_closed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (address, server) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
        assert_eq!(owner(address, server), Some(std::process::id()));
        drop(client);
        assert_eq!(owner(address, server), None);
    }

    #[tokio::test]
    async fn connections_from_one_port_to_two_servers_are_told_apart() {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (first, second) = (listen(), listen());
        let connect = async |from: u16, to: &TcpListener| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, from).into()).unwrap();
            socket.connect(to.local_addr().unwrap()).await.unwrap()
        };
        let one = connect(0, &first).await;
        let client = one.local_addr().unwrap();
        let _other = connect(client.port(), &second).await;
        let socket_to = |server: &TcpListener| socket_of(client, server.local_addr().unwrap());
        assert!(socket_to(&first).is_some() && socket_to(&second).is_some());
        assert_ne!(socket_to(&first), socket_to(&second));
    }
}
