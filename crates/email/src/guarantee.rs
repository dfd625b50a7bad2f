//! What follows an attempt without an answer: a choice per template.
//!
//! The provider has no idempotency token. If an answer is lost, or a worker dies between the
//! provider's answer and the ledger's write, it is unknown whether the email was sent. Retry, and some
//! recipients get it twice; do not, and some may never get it.

use std::{collections::BTreeSet, convert::Infallible, str::FromStr};

use crate::job::Content;

/// How many times a job's email is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Once, and in doubt twice: the job is retried after its claim has ended.
    AtLeastOnce,
    /// Once, and in doubt not again: the job is parked as `unknown` until a provider's event or an
    /// operator decides.
    AtMostOnce,
}

/// The templates that are sent at most once. Everything else is sent at least once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarantees {
    at_most_once: BTreeSet<String>,
}

impl Guarantees {
    pub fn of(&self, content: &Content) -> Guarantee {
        match content {
            Content::Template { name, .. } if self.at_most_once.contains(name) => {
                Guarantee::AtMostOnce
            }
            _ => Guarantee::AtLeastOnce,
        }
    }

    pub fn at_most_once(&self) -> impl Iterator<Item = &str> {
        self.at_most_once.iter().map(String::as_str)
    }
}

/// Comma-separated template names.
impl FromStr for Guarantees {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self { at_most_once: names.map(ToOwned::to_owned).collect() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::message::Message;

    #[test]
    fn only_the_named_templates_are_sent_at_most_once() {
        let guarantees: Guarantees = "receipt, welcome,".parse().unwrap();
        let of = |name: &str| {
            guarantees.of(&Content::Template { name: name.to_owned(), data: Map::new() })
        };
        assert_eq!(of("receipt"), Guarantee::AtMostOnce);
        assert_eq!(of("welcome"), Guarantee::AtMostOnce);
        assert_eq!(of("digest"), Guarantee::AtLeastOnce);
        let own = Content::Message(Message {
            subject: "receipt".parse().unwrap(),
            text: String::new(),
            html: None,
        });
        assert_eq!(guarantees.of(&own), Guarantee::AtLeastOnce);
        assert_eq!("".parse(), Ok(Guarantees::default()));
    }
}
