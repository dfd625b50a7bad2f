//! SES: counts every request that arrives, and answers as the weather has it.

use std::{sync::Mutex, time::Duration};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    Clock,
    http::Answer,
    locked,
    weather::{Treatment, Weather},
};

pub(super) const SEND: &str = "/v2/email/outbound-emails";
pub(super) const ACCOUNT: &str = "/v2/email/account";

/// Which environment a request came from: they are counted from zero.
pub type EnvironmentId = usize;

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The environment.
    pub environment: EnvironmentId,
    /// Which of its invocations.
    pub invocation: usize,
}

/// What the provider makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The email is as good as sent.
    Accept,
    /// The provider's own limit: nothing was sent.
    Throttle,
    /// It cannot for the moment: nothing was sent.
    Fail,
    /// It will not, ever: nothing was sent.
    Reject,
}

/// A request that arrived. Every one counts, whatever the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Duration,
    /// From whom.
    pub from: Sender,
    /// Which job's email.
    pub job_id: String,
    /// What the provider made of it.
    pub reply: Reply,
    /// Whether the client was still there to be told.
    pub answered: bool,
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

    /// Everything that has arrived, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        locked(&self.arrivals).clone()
    }

    /// How many have arrived.
    pub fn count(&self) -> usize {
        locked(&self.arrivals).len()
    }

    /// Takes an email in: waits, counts, waits, answers.
    ///
    /// The provider may count a request at any moment from when it was sent until the client knows
    /// its answer or is gone, and a limiter must keep the limit whichever it is. So one whose client
    /// goes away before it was counted is counted at that moment, as the last possible one.
    pub async fn send(&self, from: Sender, request: Value) -> Answer {
        let Treatment { counted_at, answer_after, reply } =
            locked(&self.weather).treat(self.clock.now());
        let mut uncounted = Uncounted(Some((self, from, job_id(&request), reply)));
        self.clock.wait_until(counted_at).await;
        let place = uncounted.count();
        tokio::time::sleep(answer_after).await;
        if let Some(place) = place {
            locked(&self.arrivals)[place].answered = true;
        }
        answer(reply)
    }

    fn count_now(&self, from: Sender, job_id: String, reply: Reply) -> usize {
        let mut arrivals = locked(&self.arrivals);
        // Read under the lock, so that they are in order.
        let at = self.clock.now();
        arrivals.push(Arrival { at, from, job_id, reply, answered: false });
        arrivals.len() - 1
    }
}

/// A request that has yet to be counted. Dropping it counts it.
struct Uncounted<'a>(Option<(&'a Provider, Sender, String, Reply)>);

impl Uncounted<'_> {
    /// Counts it once; its place among the arrivals.
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

/// `GetAccount`: far above any limit that is measured.
pub(super) fn account() -> Answer {
    let quota = json!({"MaxSendRate": 1e5, "Max24HourSend": 1e9, "SentLast24Hours": 0.0});
    Answer::ok(&json!({"SendQuota": quota, "SendingEnabled": true}))
}

/// The message tag that the worker gives every email.
fn job_id(request: &Value) -> String {
    let tags = request["EmailTags"].as_array().into_iter().flatten();
    let id = tags.filter(|tag| tag["Name"] == "job_id").find_map(|tag| tag["Value"].as_str());
    id.unwrap_or_default().to_owned()
}

fn answer(reply: Reply) -> Answer {
    let (status, code, message) = match reply {
        Reply::Accept => return Answer::ok(&json!({"MessageId": "accepted"})),
        Reply::Throttle => (
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Maximum sending rate exceeded.",
        ),
        Reply::Fail => (StatusCode::SERVICE_UNAVAILABLE, "InternalFailure", "Try again."),
        Reply::Reject => (StatusCode::BAD_REQUEST, "MessageRejected", "Not this one."),
    };
    Answer::json(status, &json!({"message": message})).with("x-amzn-errortype", code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider() -> Provider {
        Provider::new(Clock::start(), Weather::calm(Duration::from_millis(5)))
    }

    const SENDER: Sender = Sender { environment: 3, invocation: 1 };

    #[tokio::test]
    async fn a_request_is_counted_before_it_is_answered() {
        let provider = provider();
        let request = json!({"EmailTags": [{"Name": "job_id", "Value": "a"}]});
        let mut sending = Box::pin(provider.send(SENDER, request));
        assert!(futures_util::poll!(&mut sending).is_pending());
        let arrivals = provider.arrivals();
        assert_eq!((arrivals[0].from, arrivals[0].job_id.as_str()), (SENDER, "a"));
        assert!(!arrivals[0].answered);
        assert!(sending.await.is_ok());
        assert!(provider.arrivals()[0].answered);
    }

    #[test]
    fn a_request_whose_client_goes_away_is_counted_then() {
        let provider = provider();
        drop(Uncounted(Some((&provider, SENDER, String::new(), Reply::Accept))));
        assert_eq!(provider.count(), 1);
    }
}
