//! The line to Stripe: two points per call, and rules that a test breaks.

use std::{future::poll_fn, sync::Arc, task::Poll};

use stripe::{
    testing::InProcess,
    transport::{Request, Response, Transport},
};
use unavailable::Unavailable;

/// A rule of the client or of the rules of payments that a test breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Creations carry no idempotency key and are confirmed at once, as if the id need not be written.
    WriteBeforeConfirm,
    /// Cancellations are reported and not made.
    CancelFirst,
    /// Refunds are reported and not made.
    RefundsAreReal,
    /// A refund's status is not read: each is said to have succeeded.
    RefundsAreRead,
    /// Every unpaid payment is said to have succeeded.
    StatusIsRead,
}

/// The real client's transport, over the stand-in.
#[derive(Debug, Clone)]
pub struct Line {
    pub stand_in: InProcess,
    pub broken: Option<Broken>,
    /// The number of calls so far.
    pub calls: Arc<std::sync::atomic::AtomicU32>,
}

impl Line {
    fn lies(&self, request: &Request) -> Option<Response> {
        let path = request.path.clone();
        let succeeded =
            |body: String| Response { status: 200, is_replay: false, body: body.into() };
        let read = || {
            self.stand_in
                .account()
                .handle(&stripe::testing::Request::get(&path).api_key(request.api_key.expose()))
        };
        match self.broken? {
            Broken::CancelFirst if path.ends_with("/cancel") => {
                let path = path.trim_end_matches("/cancel");
                let get = stripe::testing::Request::get(path).api_key(request.api_key.expose());
                let mut intent = self.stand_in.account().handle(&get)?.json();
                if intent["status"] != "succeeded" {
                    intent["status"] = "canceled".into();
                }
                Some(succeeded(intent.to_string()))
            }
            Broken::RefundsAreReal if request.method == "POST" && path == "/v1/refunds" => {
                Some(succeeded(r#"{"id":"re_0","status":"succeeded"}"#.to_owned()))
            }
            Broken::RefundsAreRead if request.method == "POST" && path == "/v1/refunds" => {
                let made = stripe::testing::Request::of_client(request);
                let mut refund = self.stand_in.account().handle(&made)?.json();
                if refund["status"].is_string() {
                    refund["status"] = "succeeded".into();
                }
                Some(succeeded(refund.to_string()))
            }
            Broken::StatusIsRead
                if request.method == "GET" && path.starts_with("/v1/payment_intents/") =>
            {
                let mut intent = read()?.json();
                intent["status"] = "succeeded".into();
                Some(succeeded(intent.to_string()))
            }
            _ => None,
        }
    }
}

impl Transport for Line {
    async fn send(&self, mut request: Request) -> Result<Response, Unavailable> {
        point().await;
        self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.broken == Some(Broken::WriteBeforeConfirm)
            && request.method == "POST"
            && request.path == "/v1/payment_intents"
        {
            request.form.push_str("&confirm=true");
            request.idempotency_key = None;
        }
        let result = match self.lies(&request) {
            Some(response) => Ok(response),
            None => self.stand_in.send(request).await,
        };
        point().await;
        result
    }
}

/// One point: the task yields here, and may never be polled again.
async fn point() {
    let mut passed = false;
    poll_fn(|context| {
        if passed {
            return Poll::Ready(());
        }
        passed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
