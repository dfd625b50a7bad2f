//! The digest of a job's email, by which two emails under one id are distinguished.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{message::Message, text::normalized};

use super::{Content, Headers, Job};

/// The digest of a job's email: recipient, content and chosen headers, without the id. Two jobs with one id and different
/// digests are two emails.
///
/// It is stored for as long as the ledger keeps a job, so its definition must not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentDigest(String);

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Job {
    /// The digest of its email. The deadline is not part of it, and the language neither: an email in another language is
    /// the same email.
    pub fn digest(&self) -> ContentDigest {
        let mut digest = Sha256::new();
        add(&mut digest, self.to.as_str());
        match &self.content {
            Content::Template { name, data, locale: _ } => {
                add(&mut digest, "template");
                add(&mut digest, name);
                add(&mut digest, &sorted(&Value::Object(data.clone())).to_string());
            }
            Content::Message(Message { subject, text, html }) => {
                add(&mut digest, "message");
                add(&mut digest, subject.as_str());
                add(&mut digest, text);
                if let Some(html) = html {
                    add(&mut digest, html);
                }
            }
        }
        // A name and a value each, so the number of texts says whether there is HTML before them. A job without
        // headers has the digest of the releases that knew no headers.
        let Headers { reply_to, unsubscribe } = &self.headers;
        let reply_to = reply_to.iter().map(|address| ("Reply-To", address.as_str()));
        let unsubscribe = unsubscribe.iter().flat_map(super::Unsubscribe::headers);
        for (name, value) in reply_to.chain(unsubscribe) {
            add(&mut digest, name);
            add(&mut digest, value);
        }
        ContentDigest(hex::encode(digest.finalize()))
    }
}

/// Adds a text and its length, so that no two lists of texts are the same bytes. Normal form C, because a producer
/// may write a text in one form and, after an update, in another.
fn add(digest: &mut Sha256, text: &str) {
    let text = normalized(text);
    digest.update(text.len().to_string());
    digest.update(":");
    digest.update(text.as_bytes());
}

/// The value with its fields in the order of their names: their order means nothing in JSON.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect())
        }
        scalar => scalar.clone(),
    }
}
