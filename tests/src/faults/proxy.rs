//! From a request to its response: the fault before the real call, the real call, the fault after it.

use std::{future::pending, time::SystemTime};

use bytes::Bytes;
use http::{Response, header, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::sleep;

use super::{
    record,
    request::{Request, Service},
    responses::{self, Body},
    rules::Fault,
    state::Shared,
    strict,
};

/// The connection is to be closed.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("cut")
    }
}

impl std::error::Error for Cut {}

type Real = Response<Bytes>;

#[derive(Clone)]
pub(super) struct Proxy {
    service: Service,
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
    shared: Shared,
}

impl Proxy {
    pub(super) fn new(service: Service, endpoint: &str, shared: Shared) -> Self {
        let client = Client::builder(TokioExecutor::new())
            // A kept connection could be closed just when the client reuses it, which would be a fault without a rule.
            .pool_max_idle_per_host(0)
            .build_http();
        Self { service, endpoint: endpoint.trim_end_matches('/').to_owned(), client, shared }
    }

    /// Responds to a request, or returns [`Cut`] if its connection must be closed.
    pub(super) async fn serve(
        &self,
        request: http::Request<Incoming>,
        process: Option<u32>,
    ) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        // A request that breaks off does not count as arrived.
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let at = SystemTime::now();
        let request = Request::new(self.service, &head, body.clone(), at, process);
        let refusal = strict::refusal(&request);
        let (number, fate) = self.shared.arrives(request);
        sleep(fate.delay_before).await;
        if let Some(fault) = fate.before.or(refusal) {
            return self.apply(number, fault, None).await;
        }
        let real = self.forward(number, head, body).await?;
        sleep(fate.delay_after).await;
        if let Some(fault) = fate.after {
            return self.apply(number, fault, Some(real)).await;
        }
        self.record(number, record::Response::Real(real.status().as_u16()));
        Ok(responses::whole(real))
    }

    /// The real call. It continues even if the client disconnects, because the request had arrived.
    async fn forward(&self, number: usize, head: Parts, body: Bytes) -> Result<Real, Cut> {
        self.shared.note(number, |exchange| exchange.forwarded = true);
        let proxy = self.clone();
        let call = tokio::spawn(async move {
            let real = proxy.call(head, body).await?;
            let status = real.status().as_u16();
            proxy.shared.note(number, |exchange| exchange.real_status = Some(status));
            Some(real)
        });
        call.await.ok().flatten().ok_or(Cut)
    }

    async fn call(&self, head: Parts, body: Bytes) -> Option<Real> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = http::Request::builder()
            .method(head.method)
            .uri(format!("{}{path}", self.endpoint))
            .body(Full::new(body))
            .ok()?;
        *request.headers_mut() = head.headers;
        request.headers_mut().remove(header::CONNECTION);
        let (head, body) = self.client.request(request).await.ok()?.into_parts();
        Some(Response::from_parts(head, body.collect().await.ok()?.to_bytes()))
    }

    async fn apply(
        &self,
        number: usize,
        fault: Fault,
        real: Option<Real>,
    ) -> Result<Response<Body>, Cut> {
        match (fault, real) {
            (Fault::Respond(falsified), _) => {
                self.record(number, record::Response::Falsified(falsified.status));
                Ok(responses::falsified(falsified))
            }
            (Fault::Garbage, _) => {
                self.record(number, record::Response::Garbage);
                Ok(responses::garbage())
            }
            (Fault::Cut, Some(real)) => {
                self.record(number, record::Response::Half);
                Ok(responses::half(real))
            }
            (Fault::Cut, None) => Err(Cut),
            // Waits until the client closes the connection. A rule with only a delay does not get here.
            (Fault::Silence | Fault::Delay(_), _) => pending().await,
        }
    }

    fn record(&self, number: usize, response: record::Response) {
        self.shared.note(number, |exchange| exchange.response = response);
    }
}
