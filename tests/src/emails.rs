//! The emails that SES accepted.

use serde::Deserialize;

use crate::{DeployedStack, eventually};

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

impl DeployedStack {
    /// Waits for an email to a recipient. [`DeployedStack::only_email_to`] then checks that it is the only one.
    pub async fn wait_for_email_to(&self, recipient: &str) -> Email {
        eventually(&format!("an email to {recipient}"), async || {
            self.emulator.emails_to(recipient).await.into_iter().next()
        })
        .await
    }

    /// Waits until no queued job mentions the recipient, and returns all emails to the recipient.
    pub async fn emails_to(&self, recipient: &str) -> Vec<Email> {
        self.wait_until_not_queued(recipient).await;
        self.emulator.emails_to(recipient).await
    }

    /// Waits until no queued job mentions the recipient, and returns the email to the recipient. Fails unless
    /// there is exactly one.
    pub async fn only_email_to(&self, recipient: &str) -> Email {
        let emails = self.emails_to(recipient).await;
        let [email] = emails.try_into().unwrap_or_else(|emails: Vec<Email>| {
            panic!("{} emails to {recipient} instead of one: {emails:#?}", emails.len())
        });
        email
    }

    /// The emails that SES has accepted so far for recipients whose addresses contain this text.
    pub async fn emails_mentioning(&self, mention: &str) -> Vec<Email> {
        let mut emails = self.emulator.emails().await;
        emails.retain(|email| email.to.iter().any(|to| to.contains(mention)));
        emails
    }
}
