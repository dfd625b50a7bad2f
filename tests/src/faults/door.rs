//! One service's door: a listener that can be closed and opened again, and its connections.

use std::net::{Ipv4Addr, SocketAddr};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        mpsc::{UnboundedReceiver, unbounded_channel},
        oneshot,
    },
    task::{JoinSet, spawn_blocking},
};

use super::{Handle, Shared, proxy::Proxy, request::Service};
use crate::processes;

/// To be open, or closed; and whom to tell when it is.
pub(super) struct Order {
    open: bool,
    done: oneshot::Sender<()>,
}

impl Handle {
    pub(super) async fn order(&self, open: bool) {
        let (done, is_done) = oneshot::channel();
        self.orders.send(Order { open, done }).expect("the proxy runs until it is dropped");
        is_done.await.expect("the proxy runs until it is dropped");
    }
}

pub(super) struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    orders: UnboundedReceiver<Order>,
    connections: JoinSet<()>,
    proxy: Proxy,
}

impl Door {
    /// Opens a door on a port of its own. Needs a runtime.
    pub(super) fn open(service: Service, endpoint: &str, shared: Shared) -> (Self, Handle) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .and_then(TcpListener::from_std)
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (sender, orders) = unbounded_channel();
        let door = Self {
            address,
            listener: Some(listener),
            orders,
            connections: JoinSet::new(),
            proxy: Proxy::new(service, endpoint, shared),
        };
        (door, Handle { service, url: format!("http://{address}"), orders: sender })
    }

    /// Serves until nobody can give orders any more.
    pub(super) async fn serve(mut self) {
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                Some((stream, client)) = accept(self.listener.as_ref()) => {
                    let proxy = self.proxy.clone();
                    self.connections.spawn(converse(proxy, stream, client));
                }
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        if !order.open {
            self.listener = None;
            self.connections.shutdown().await;
        } else if self.listener.is_none() {
            let again = TcpListener::bind(self.address).await;
            self.listener = Some(again.expect("nobody else took the port"));
        }
        let _ = order.done.send(());
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<(TcpStream, SocketAddr)> {
    listener?.accept().await.ok()
}

async fn converse(proxy: Proxy, stream: TcpStream, client: SocketAddr) {
    let _ = stream.set_nodelay(true);
    // First of all, while the client lives.
    let process = spawn_blocking(move || processes::owner(client)).await.ok().flatten();
    let service = service_fn(|request| proxy.serve(request, process));
    // An error is a connection that was cut, by either side.
    let _ = http1::Builder::new()
        // A client that dies is no reason to forget what it had sent.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
