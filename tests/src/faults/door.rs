//! The door of a service: the proxy's listener for it, which can be closed and opened again, and its connections.

use std::net::{Ipv4Addr, SocketAddr};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::{JoinSet, spawn_blocking},
};

use super::{proxy::Proxy, request::Service, state::Shared};
use crate::processes;

/// A request to open or to close the door, and where to report that it is done.
struct DoorRequest {
    open: bool,
    done: oneshot::Sender<()>,
}

/// A door, from outside of the proxy's thread.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) service: Service,
    pub(super) url: String,
    requests: UnboundedSender<DoorRequest>,
}

impl Handle {
    pub(super) async fn set_open(&self, open: bool) {
        let (done, is_done) = oneshot::channel();
        self.requests.send(DoorRequest { open, done }).expect("the proxy runs until it is dropped");
        is_done.await.expect("the proxy runs until it is dropped");
    }
}

pub(super) struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    requests: UnboundedReceiver<DoorRequest>,
    connections: JoinSet<()>,
    proxy: Proxy,
}

impl Door {
    /// Opens a door on a free port. Must be called inside of a runtime.
    pub(super) fn open(service: Service, endpoint: &str, shared: Shared) -> (Self, Handle) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .and_then(TcpListener::from_std)
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (sender, requests) = unbounded_channel();
        let door = Self {
            address,
            listener: Some(listener),
            requests,
            connections: JoinSet::new(),
            proxy: Proxy::new(service, endpoint, shared),
        };
        (door, Handle { service, url: format!("http://{address}"), requests: sender })
    }

    /// Serves until the handle is dropped.
    pub(super) async fn serve(mut self) {
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => self.set_open(request).await,
                    None => return,
                },
                Some((stream, client)) = accept(self.listener.as_ref()) => {
                    let proxy = self.proxy.clone();
                    self.connections.spawn(serve_connection(proxy, stream, client));
                }
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn set_open(&mut self, request: DoorRequest) {
        if !request.open {
            self.listener = None;
            self.connections.shutdown().await;
        } else if self.listener.is_none() {
            let again = TcpListener::bind(self.address).await;
            self.listener = Some(again.expect("the port is still free"));
        }
        let _ = request.done.send(());
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<(TcpStream, SocketAddr)> {
    listener?.accept().await.ok()
}

async fn serve_connection(proxy: Proxy, stream: TcpStream, client: SocketAddr) {
    let _ = stream.set_nodelay(true);
    // Before anything else, because the client may exit.
    let process = match stream.local_addr() {
        Ok(door) => spawn_blocking(move || processes::owner(client, door)).await.ok().flatten(),
        Err(_) => None,
    };
    let service = service_fn(|request| proxy.serve(request, process));
    // An error means that either side closed the connection.
    let _ = http1::Builder::new()
        // If a client dies, its requests that had arrived are still carried out.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
