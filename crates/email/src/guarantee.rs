//! Whether a job is retried after an attempt without a response. Configured per template.
//!
//! The provider has no idempotency token. If a response is lost, or a worker dies between the
//! provider's response and the write to the ledger, it is unknown whether the email was sent. With a
//! retry, some recipients get the email twice. Without one, some may never get it.

use std::{collections::BTreeSet, convert::Infallible, str::FromStr};

use crate::job::Content;

/// How often a job's email is sent if an outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// If the outcome is unknown, the job is retried after its claim has ended.
    AtLeastOnce,
    /// If the outcome is unknown, the job is parked as `unknown` until a delivery event or an operator
    /// settles it.
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
            guarantees.of(&Content::Template {
                name: name.to_owned(),
                data: Map::new(),
                locale: None,
            })
        };
        assert!(guarantees.at_most_once().eq(["receipt", "welcome"]));
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
