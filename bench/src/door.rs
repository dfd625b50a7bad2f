//! The address of a service: TLS in front of a stand-in, with a settable round trip, and counted.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::{Add, Sub},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    authority::{Authority, HOST},
    counted::{Bytes, Counted},
};

/// Round trips before the first request: TCP's handshake and that of TLS 1.3.
const HANDSHAKES: u32 = 2;

/// What went through a door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections whose TLS handshake was completed.
    pub connections: u64,
    /// Requests, each with its response.
    pub requests: u64,
    /// Bytes from the function, with TLS.
    pub received: u64,
    /// Bytes to the function, with TLS.
    pub sent: u64,
    /// How long the function waited for responses, from the first byte of each request on.
    pub waited: Duration,
}

impl Traffic {
    /// Round trips on the network: two for the handshakes of a connection, and one per request.
    pub fn round_trips(self) -> u64 {
        self.connections * u64::from(HANDSHAKES) + self.requests
    }
}

impl Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            requests: self.requests + other.requests,
            received: self.received + other.received,
            sent: self.sent + other.sent,
            waited: self.waited + other.waited,
        }
    }
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            connections: self.connections - earlier.connections,
            requests: self.requests - earlier.requests,
            received: self.received - earlier.received,
            sent: self.sent - earlier.sent,
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
    waited_ns: AtomicU64,
    bytes: Arc<Bytes>,
}

/// A door, until it is dropped.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    counts: Arc<Counts>,
    running: JoinHandle<()>,
}

impl Door {
    /// Opens a door to the stand-in at `service`. Every round trip takes `round_trip` longer than on loopback.
    pub async fn open(
        authority: &Authority,
        service: SocketAddr,
        round_trip: Duration,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let counts = Arc::<Counts>::default();
        let acceptor = TlsAcceptor::from(authority.server());
        let shared = counts.clone();
        let running = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, counts) = (acceptor.clone(), shared.clone());
                // An error means that the client disconnected.
                tokio::spawn(async move {
                    let _ = pass(socket, acceptor, service, round_trip, &counts).await;
                });
            }
        });
        Ok(Self { address, counts, running })
    }

    /// `https://localhost:…`.
    pub fn url(&self) -> String {
        format!("https://{HOST}:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            connections: read(&self.counts.connections),
            requests: read(&self.counts.requests),
            received: read(&self.counts.bytes.received),
            sent: read(&self.counts.bytes.sent),
            waited: Duration::from_nanos(read(&self.counts.waited_ns)),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn pass(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    service: SocketAddr,
    round_trip: Duration,
    counts: &Counts,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    delay(round_trip * HANDSHAKES).await;
    let mut client = acceptor.accept(Counted::new(socket, counts.bytes.clone())).await?;
    counts.connections.fetch_add(1, Ordering::Relaxed);
    let mut service = TcpStream::connect(service).await?;
    service.set_nodelay(true)?;
    let (mut request, mut response) = (vec![0; 16_384], vec![0; 16_384]);
    // When the request in progress began.
    let mut began = None;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                if began.is_none() {
                    began = Some(Instant::now());
                    counts.requests.fetch_add(1, Ordering::Relaxed);
                    delay(round_trip).await;
                }
                service.write_all(&request[..read]).await?;
            }
            read = service.read(&mut response) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                client.write_all(&response[..read]).await?;
                client.flush().await?;
                if let Some(began) = began.take() {
                    let waited = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    counts.waited_ns.fetch_add(waited, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Tokio's timers have a resolution of a millisecond, and would delay also by zero.
async fn delay(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
