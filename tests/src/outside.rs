//! What can be seen from outside of the functions, without asking them: the emails that SES was given,
//! and the messages that wait in queues.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::http::Http;

/// How long anything may take before a journey fails. The longest that a healthy stack takes is what a
/// worker's claim on a job holds for: another worker that meets the same job puts it off until then.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// An email that SES accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Email {
    /// The sender's address.
    pub source: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The body, as plain text.
    pub body_text: String,
    /// The body, as HTML.
    #[serde(default)]
    pub body_html: String,
}

/// The emulator's view of itself.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    pub(crate) http: Http,
    pub(crate) endpoint: String,
}

#[derive(Deserialize)]
struct ByAccount<T> {
    messages: HashMap<String, T>,
}

/// By region, then by the queue's address.
type Queues = HashMap<String, HashMap<String, Vec<QueuedMessage>>>;

/// A message that is in a queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueuedMessage {
    body: String,
    receive_count: u32,
    /// In seconds since 1970.
    visible_at: f64,
}

impl QueuedMessage {
    /// Whether a function had it.
    pub(crate) fn was_received(&self) -> bool {
        self.receive_count > 0
    }

    /// How long it will stay hidden, if a worker had it. The queue hides it for minutes; to be hidden
    /// for less, it must have been put off.
    pub fn hidden_for(&self) -> Option<Duration> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let until = Duration::try_from_secs_f64(self.visible_at).ok()?;
        (self.receive_count > 0).then(|| until.saturating_sub(now))
    }
}

impl Emulator {
    /// The emails to a recipient, oldest first.
    pub(crate) async fn emails_to(&self, recipient: &str) -> Vec<Email> {
        let mut emails = self.emails().await;
        emails.retain(|email| email.to.iter().any(|to| to == recipient));
        emails
    }

    /// All emails that SES has accepted.
    pub(crate) async fn emails(&self) -> Vec<Email> {
        let accounts: ByAccount<Vec<Email>> = self.inspect("ses/messages").await;
        accounts.messages.into_values().flatten().collect()
    }

    /// The messages of a queue that mention this, whether they wait or a worker has them.
    pub(crate) async fn messages(&self, queue_url: &str, mention: &str) -> Vec<QueuedMessage> {
        let name = queue_name(queue_url);
        let accounts: ByAccount<Queues> = self.inspect("sqs/messages").await;
        let queues = accounts.messages.into_values().flat_map(HashMap::into_values).flatten();
        queues
            // The address that a queue is known by here may have another host name.
            .filter(|(url, _)| queue_name(url) == name)
            .flat_map(|(_, messages)| messages)
            .filter(|message| message.body.contains(mention))
            .collect()
    }

    async fn inspect<T: for<'a> Deserialize<'a>>(&self, what: &str) -> T {
        let url = format!("{}/_ministack/{what}", self.endpoint);
        let answer = self.http.send(None, "GET", &url, "").await;
        serde_json::from_value(answer.body)
            .unwrap_or_else(|error| panic!("{url} is not as expected: {error}"))
    }
}

fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

/// Asks again and again until there is something, and returns it. Fails after [`PATIENCE`].
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// Asks again and again until there is something, and returns it. Fails after that time.
pub async fn within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "after {patience:?} there is still not {what}");
        sleep(Duration::from_millis(100)).await;
    }
}
