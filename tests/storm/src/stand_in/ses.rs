//! SES: counts every request that arrives, and responds as the weather decides.

use std::{sync::Mutex, time::Duration};

use adapters::ses_tags;
use email::testing::ses_request_refusal;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    Clock,
    http::HttpResponse,
    lock::locked,
    weather::{Reply, Treatment, Weather},
};

pub(super) const SEND: &str = "/v2/email/outbound-emails";
pub(super) const ACCOUNT: &str = "/v2/email/account";

/// An environment. Environments are numbered from zero in the order of their starts.
pub type EnvironmentId = usize;

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The environment.
    pub environment: EnvironmentId,
    /// The invocation, numbered from one in its environment.
    pub invocation: usize,
}

/// A request that arrived. Each one counts, whatever the reply is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When it was counted.
    pub at: Duration,
    /// The sender.
    pub from: Sender,
    /// The job of the email.
    pub job_id: String,
    /// The reply.
    pub reply: Reply,
    /// Whether the client was still connected when the provider responded.
    pub responded: bool,
}

/// The provider.
#[derive(Debug)]
pub struct Provider {
    clock: Clock,
    weather: Mutex<Weather>,
    arrivals: Mutex<Vec<Arrival>>,
}

impl Provider {
    pub(super) fn new(clock: Clock, weather: Weather) -> Self {
        Self { clock, weather: Mutex::new(weather), arrivals: Mutex::default() }
    }

    /// All arrivals, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        locked(&self.arrivals).clone()
    }

    /// The number of arrivals.
    pub fn count(&self) -> usize {
        locked(&self.arrivals).len()
    }

    /// Handles a request to send an email: waits, counts, waits, responds.
    ///
    /// The provider may count a request at any moment from its start until the client has the response or has
    /// disconnected. The limiter must keep the limit for every such moment. If the client disconnects before the
    /// request is counted, it is counted at that moment, which is the last possible one.
    pub async fn send(&self, from: Sender, request: Value) -> HttpResponse {
        let Treatment { counted_at, response_after, reply } =
            locked(&self.weather).treat(self.clock.now());
        let refusal = ses_request_refusal(&request);
        let reply = if refusal.is_some() { Reply::Reject } else { reply };
        let mut uncounted = Uncounted(Some((self, from, job_id(&request), reply)));
        self.clock.wait_until(counted_at).await;
        let index = uncounted.count();
        tokio::time::sleep(response_after).await;
        if let Some(index) = index {
            locked(&self.arrivals)[index].responded = true;
        }
        match refusal {
            Some((code, message)) => refused(StatusCode::BAD_REQUEST, code, &message),
            None => response(reply),
        }
    }

    fn count_now(&self, from: Sender, job_id: String, reply: Reply) -> usize {
        let mut arrivals = locked(&self.arrivals);
        // Read under the lock, so that arrivals are in order.
        let at = self.clock.now();
        arrivals.push(Arrival { at, from, job_id, reply, responded: false });
        arrivals.len() - 1
    }
}

/// A request that is not counted yet. Dropping it counts it.
struct Uncounted<'a>(Option<(&'a Provider, Sender, String, Reply)>);

impl Uncounted<'_> {
    /// Counts it, unless it was counted already, and returns its index among the arrivals.
    fn count(&mut self) -> Option<usize> {
        let (provider, from, job_id, reply) = self.0.take()?;
        Some(provider.count_now(from, job_id, reply))
    }
}

impl Drop for Uncounted<'_> {
    fn drop(&mut self) {
        self.count();
    }
}

/// `GetAccount`: quotas far above any limit that is tested or measured.
pub(super) fn account() -> HttpResponse {
    let quota = json!({"MaxSendRate": 1e5, "Max24HourSend": 1e9, "SentLast24Hours": 0.0});
    HttpResponse::ok(&json!({"SendQuota": quota, "SendingEnabled": true}))
}

/// The job of the tag that the worker gives every email.
fn job_id(request: &Value) -> String {
    let tags = request["EmailTags"].as_array().into_iter().flatten();
    let mut values = tags.filter(|tag| tag["Name"] == ses_tags::JOB_ID);
    let id = values.find_map(|tag| ses_tags::job_id(tag["Value"].as_str()?));
    id.map(String::from).unwrap_or_default()
}

fn response(reply: Reply) -> HttpResponse {
    let (status, code, message) = match reply {
        Reply::Accept => return HttpResponse::ok(&json!({"MessageId": "accepted"})),
        Reply::Throttle => (
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Maximum sending rate exceeded.",
        ),
        Reply::Fail => {
            (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "The service is unavailable.")
        }
        Reply::AcceptAndFail => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "The service has failed.")
        }
        Reply::Reject => (StatusCode::BAD_REQUEST, "MessageRejected", "The email is rejected."),
    };
    refused(status, code, message)
}

fn refused(status: StatusCode, code: &'static str, message: &str) -> HttpResponse {
    HttpResponse::json(status, &json!({"message": message})).with_header("x-amzn-errortype", code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> Provider {
        Provider::new(Clock::start(), Weather::calm(Duration::from_millis(5)))
    }

    const SENDER: Sender = Sender { environment: 3, invocation: 1 };

    #[tokio::test]
    async fn request_is_counted_before_the_response() {
        let provider = provider();
        let request = json!({"EmailTags": [{"Name": "job_id", "Value": "a"}]});
        let mut sending = Box::pin(provider.send(SENDER, request));
        assert!(futures_util::poll!(&mut sending).is_pending());
        let arrivals = provider.arrivals();
        assert_eq!((arrivals[0].from, arrivals[0].job_id.as_str()), (SENDER, "a"));
        assert!(!arrivals[0].responded);
        assert!(sending.await.is_ok());
        assert!(provider.arrivals()[0].responded);
    }

    #[tokio::test]
    async fn request_that_ses_would_refuse_is_counted_and_refused() {
        let request = |tag: &str, to: &str| {
            json!({
                "EmailTags": [{"Name": "job_id", "Value": tag}],
                "Destination": {"ToAddresses": [to]},
            })
        };
        for (tag, to, is_ok) in [
            ("a-1", "ada@example.com", true),
            ("receipt.42", "ada@example.com", false),
            ("a-1", "a..b@docomo.ne.jp", false),
        ] {
            let provider = provider();
            assert_eq!(provider.send(SENDER, request(tag, to)).await.is_ok(), is_ok, "{tag} {to}");
            let reply = if is_ok { Reply::Accept } else { Reply::Reject };
            assert_eq!(provider.arrivals()[0].reply, reply);
        }
    }

    #[test]
    fn request_whose_client_disconnects_is_counted_at_that_moment() {
        let provider = provider();
        drop(Uncounted(Some((&provider, SENDER, String::new(), Reply::Accept))));
        assert_eq!(provider.count(), 1);
    }
}
