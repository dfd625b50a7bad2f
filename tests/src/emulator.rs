//! What the local AWS reports about itself: the emails that SES has, and the messages of a queue, including hidden
//! ones.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use crate::{emails::Email, http::Http};

/// A client for what the local AWS reports about itself.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    pub(crate) http: Http,
    pub(crate) endpoint: String,
}

#[derive(Deserialize)]
struct ByAccount<T> {
    messages: HashMap<String, T>,
}

/// Messages by region, then by the queue's URL.
type Queues = HashMap<String, HashMap<String, Vec<QueuedMessage>>>;

/// A message on a queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueuedMessage {
    body: String,
    receive_count: u32,
    /// In seconds since 1970-01-01 UTC.
    visible_at: f64,
}

impl QueuedMessage {
    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    /// How often it was received.
    pub(crate) fn receives(&self) -> u32 {
        self.receive_count
    }

    /// Whether a function has received it.
    pub(crate) fn was_received(&self) -> bool {
        self.receive_count > 0
    }

    /// How much longer the message is hidden, if a function has received it. The queue hides it for minutes. If it is
    /// hidden for less, the function has returned it.
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

    /// The messages of a queue that contain this text, visible or hidden.
    pub(crate) async fn messages(&self, queue_url: &str, mention: &str) -> Vec<QueuedMessage> {
        let name = queue_name(queue_url);
        let accounts: ByAccount<Queues> = self.inspect("sqs/messages").await;
        let queues = accounts.messages.into_values().flat_map(HashMap::into_values).flatten();
        queues
            // The URL of the queue may have another host name here.
            .filter(|(url, _)| queue_name(url) == name)
            .flat_map(|(_, messages)| messages)
            .filter(|message| message.body.contains(mention))
            .collect()
    }

    async fn inspect<T: for<'a> Deserialize<'a>>(&self, what: &str) -> T {
        let url = format!("{}/_ministack/{what}", self.endpoint);
        let response = self.http.send(None, "GET", &url, "").await;
        serde_json::from_value(response.body)
            .unwrap_or_else(|error| panic!("{url}: unexpected response: {error}"))
    }
}

fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
