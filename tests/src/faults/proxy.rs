//! From a request to its answer: the fault before the real call, the real call, the fault after it.

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
    Shared,
    answers::{self, Body},
    record::Given,
    request::{Request, Service},
    rules::Fault,
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
            // A kept connection may be closed just when it is used again: a fault of our own.
            .pool_max_idle_per_host(0)
            .build_http();
        Self { service, endpoint: endpoint.trim_end_matches('/').to_owned(), client, shared }
    }

    /// Answers a request, or has its connection cut.
    pub(super) async fn serve(
        &self,
        request: http::Request<Incoming>,
        process: Option<u32>,
    ) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        // What breaks off is no request.
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let at = SystemTime::now();
        let request = Request::new(self.service, &head, body.clone(), at, process);
        let (number, fate) = self.shared.arrives(request);
        sleep(fate.delay_before).await;
        if let Some(fault) = fate.before {
            return self.give(number, fault, None).await;
        }
        let real = self.forward(number, head, body).await?;
        sleep(fate.delay_after).await;
        if let Some(fault) = fate.after {
            return self.give(number, fault, Some(real)).await;
        }
        self.gives(number, Given::Real(real.status().as_u16()));
        Ok(answers::whole(real))
    }

    /// The real call. It goes on where the client does not wait for it: it had arrived.
    async fn forward(&self, number: usize, head: Parts, body: Bytes) -> Result<Real, Cut> {
        self.shared.note(number, |passed| passed.forwarded = true);
        let proxy = self.clone();
        let call = tokio::spawn(async move {
            let real = proxy.call(head, body).await?;
            let status = real.status().as_u16();
            proxy.shared.note(number, |passed| passed.real = Some(status));
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

    async fn give(
        &self,
        number: usize,
        fault: Fault,
        real: Option<Real>,
    ) -> Result<Response<Body>, Cut> {
        match (fault, real) {
            (Fault::Answer(answer), _) => {
                self.gives(number, Given::Falsified(answer.status));
                Ok(answers::falsified(answer))
            }
            (Fault::Garbage, _) => {
                self.gives(number, Given::Garbage);
                Ok(answers::garbage())
            }
            (Fault::Cut, Some(real)) => {
                self.gives(number, Given::Half);
                Ok(answers::half(real))
            }
            (Fault::Cut, None) => Err(Cut),
            // Until the client gives up, and the connection with it. A delay is no answer's end.
            (Fault::Silence | Fault::Delay(_), _) => pending().await,
        }
    }

    fn gives(&self, number: usize, given: Given) {
        self.shared.note(number, |passed| passed.given = given);
    }
}
