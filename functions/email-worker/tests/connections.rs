//! The client of SES and dead connections: Lambda freezes an environment between two invocations, and when it
//! goes on, the server may have closed the connections, or a gateway in between may have forgotten them.
//!
//! The server runs on a thread of its own, so that it can act while the client's runtime stands still.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#![expect(clippy::disallowed_methods, reason = "the server spawns tasks; a process is run again")]

use std::{
    convert::Infallible,
    future::pending,
    net::{Shutdown, SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use aws_config::{BehaviorVersion, timeout::TimeoutConfig};
use aws_sdk_sesv2::config::{Credentials, Region};
use email::{
    Message, Sender,
    job::Headers,
    mailer::{Mailer, Outcome},
};
use email_worker::ses::{self, Envelope, Mail, Ses};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Much longer than a response takes, and short enough to wait for.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);

/// A server that accepts every email, unless its connections are dead.
struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// One per connection, in their order.
    sockets: Mutex<Vec<TcpStream>>,
    /// No request on the first connections, as many as this, is answered.
    silent: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    /// With a TLS configuration it speaks HTTP/2, and otherwise HTTP/1.1.
    fn start(tls: Option<ServerConfig>) -> Self {
        let state = Arc::new(State::default());
        let (send, receive) = mpsc::channel();
        let shared = state.clone();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                send.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, shared, tls.map(|tls| TlsAcceptor::from(Arc::new(tls)))).await;
            });
        });
        Self { address: receive.recv().unwrap(), state }
    }

    fn connections(&self) -> usize {
        self.state.sockets.lock().unwrap().len()
    }

    fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Closes every connection.
    fn close_all(&self) {
        for socket in &*self.state.sockets.lock().unwrap() {
            // The client may have closed it already.
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    /// From now on no request on the connections so far is answered, as if a gateway had forgotten them.
    fn forget_all(&self) {
        self.state.silent.store(self.connections(), Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, tls: Option<TlsAcceptor>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let socket = socket.into_std().unwrap();
        let number = {
            let mut sockets = state.sockets.lock().unwrap();
            sockets.push(socket.try_clone().unwrap());
            sockets.len()
        };
        let socket = tokio::net::TcpStream::from_std(socket).unwrap();
        let (state, tls) = (state.clone(), tls.clone());
        let service = service_fn(move |request| respond(state.clone(), number, request));
        tokio::spawn(async move {
            // A connection that is closed is an error here, and none of the test.
            match tls {
                None => drop(
                    http1::Builder::new().serve_connection(TokioIo::new(socket), service).await,
                ),
                Some(tls) => {
                    let io = TokioIo::new(tls.accept(socket).await.unwrap());
                    let server = http2::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(io, service).await);
                }
            }
        });
    }
}

async fn respond(
    state: Arc<State>,
    connection: usize,
    _: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    state.requests.fetch_add(1, Ordering::SeqCst);
    if connection <= state.silent.load(Ordering::SeqCst) {
        pending::<()>().await;
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"{\"MessageId\":\"m\"}"))))
}

/// The worker's client of SES, with a shorter timeout.
async fn client(url: &str) -> Mail {
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("id", "key", None, None, "test"))
        .endpoint_url(url)
        .http_client(adapters::connections::Connections::default())
        .load()
        .await;
    let mut mail = ses::client(&sdk);
    let timeout = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let config = mail.client.config().to_builder().timeout_config(timeout).build();
    mail.client = aws_sdk_sesv2::Client::from_conf(config);
    mail
}

async fn send(ses: &Ses) -> Outcome {
    let message = Message { subject: "Hi".parse().unwrap(), text: "Hello".to_owned(), html: None };
    ses.send(
        &"a".parse().unwrap(),
        &"ada@example.com".parse().unwrap(),
        &Headers::default(),
        &message,
    )
    .await
}

fn ses(mail: Mail) -> Ses {
    let sender = Sender::new("courses@example.com".parse().unwrap(), None).unwrap();
    let configuration_set = "set".to_owned();
    Ses::new(mail, Envelope { sender, reply_to: None, configuration_set, tenant: None })
}

fn accepted() -> Outcome {
    Outcome::Accepted { ses_message_id: "m".to_owned() }
}

/// What the worker does: it leaves its connections at the start of each invocation. Prints how long each send takes;
/// the first one includes the handshake.
async fn assert_next_invocation_sends(server: &Server, ses: &Ses) {
    let (connections, requests) = (server.connections(), server.requests());
    ses.leave_connections();
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(send(ses).await, accepted());
        println!("{:?}", began.elapsed());
    }
    assert_eq!(server.requests() - requests, 3, "each email was sent once");
    assert_eq!(server.connections() - connections, 1, "one handshake per invocation");
}

#[tokio::test]
async fn connections_that_died_while_frozen_cost_no_email_over_http_1() {
    let server = Server::start(None);
    let ses = ses(client(&format!("http://{}", server.address)).await);
    assert_eq!(send(&ses).await, accepted());

    server.close_all();
    assert_next_invocation_sends(&server, &ses).await;

    server.forget_all();
    assert_next_invocation_sends(&server, &ses).await;
}

/// Why: on a connection that is kept, an email is lost in the dark.
#[tokio::test]
async fn attempt_on_a_forgotten_connection_has_no_answer() {
    let server = Server::start(None);
    let ses = ses(client(&format!("http://{}", server.address)).await);
    assert_eq!(send(&ses).await, accepted());
    server.forget_all();
    assert_eq!(send(&ses).await, Outcome::Ambiguous);
}

fn tls_file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/tls", name].iter().collect()
}

/// Runs the next test in a process that trusts the server's certificate: root certificates are read once per
/// process, from the file that this variable names.
#[test]
fn connections_that_died_while_frozen_cost_no_email_over_http_2() {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "over_http_2", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", tls_file("certificate.pem"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && printed.contains("1 passed"), "{printed}");
    println!("{printed}");
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn over_http_2() {
    let certificate = CertificateDer::from_pem_file(tls_file("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls_file("key.pem")).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let server = Server::start(Some(tls));
    let url = format!("https://localhost:{}", server.address.port());

    // Without the worker's rules, one dead connection fails every send.
    let mail = client(&url).await;
    let sent = async || {
        let sent = mail.client.send_email().from_email_address("a@example.com").send().await;
        sent.is_ok()
    };
    assert!(sent().await);
    server.forget_all();
    for _ in 0..3 {
        assert!(!sent().await);
    }

    // An attempt without an answer fails no other send.
    let ses = ses(client(&url).await);
    assert_eq!(send(&ses).await, accepted());
    server.forget_all();
    assert_eq!(send(&ses).await, Outcome::Ambiguous);
    assert_eq!(send(&ses).await, accepted());

    server.forget_all();
    assert_next_invocation_sends(&server, &ses).await;
    server.close_all();
    assert_next_invocation_sends(&server, &ses).await;
}
