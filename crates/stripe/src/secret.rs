//! The keys for Stripe: one JSON secret, `{"api_key":"sk_…","webhook_secret":"whsec_…"}`.
//!
//! While a webhook's secret is rolled, Stripe signs with both the old and the new one (Stripe docs,
//! "Roll endpoint secrets"), and an account may have several endpoints. So `webhook_secrets`, a list,
//! may take the place of `webhook_secret` or stand beside it.

use std::{fmt, future::Future, sync::Arc};

use serde::Deserialize;
use unavailable::Unavailable;

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text; only for a request or a signature.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it can be a key: an empty one would let everybody sign.
    fn is_key(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The keys for one Stripe account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Authorises our calls.
    pub api_key: Secret,
    /// Any of these may sign Stripe's webhook calls. There is at least one.
    pub webhook_secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Stored {
    api_key: Secret,
    webhook_secret: Option<Secret>,
    #[serde(default)]
    webhook_secrets: Vec<Secret>,
}

impl Secrets {
    /// Parses the secret.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without a value.
    pub fn parse(text: &str) -> Result<Self, Unavailable> {
        let wrong = |why: String| Unavailable::new("reading the payment provider's secret", why);
        let stored: Stored = serde_json::from_str(text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            wrong(format!("it is not {{\"api_key\":\"…\",\"webhook_secret\":\"…\"}} ({place})"))
        })?;
        let webhook_secrets: Vec<_> =
            stored.webhook_secret.into_iter().chain(stored.webhook_secrets).collect();
        if !stored.api_key.is_key() {
            return Err(wrong(
                "`api_key` is empty, or has a space or another odd character".into(),
            ));
        }
        if webhook_secrets.is_empty() {
            return Err(wrong("`webhook_secret` is missing".into()));
        }
        if !webhook_secrets.iter().all(Secret::is_key) {
            let why = "a webhook secret is empty, or has a space or another odd character";
            return Err(wrong(why.into()));
        }
        Ok(Self { api_key: stored.api_key, webhook_secrets })
    }
}

/// Reads the keys on first use and keeps them in memory.
pub trait SecretsSource {
    fn secrets(&self) -> impl Future<Output = Result<Arc<Secrets>, Unavailable>> + Send;

    /// Keys that replace these, which Stripe refused or which did not sign a call. `None`: there are
    /// none, or the source was asked too recently.
    fn newer_than(
        &self,
        refused: &Arc<Secrets>,
    ) -> impl Future<Output = Result<Option<Arc<Secrets>>, Unavailable>> + Send;
}

/// Keys that never change.
impl SecretsSource for Arc<Secrets> {
    async fn secrets(&self) -> Result<Arc<Secrets>, Unavailable> {
        Ok(Self::clone(self))
    }

    async fn newer_than(&self, _: &Arc<Secrets>) -> Result<Option<Arc<Secrets>>, Unavailable> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_error_shows_a_key() {
        let secrets = Secrets::parse(r#"{"api_key":"sk_1","webhook_secret":"whsec_1"}"#).unwrap();
        assert_eq!(secrets.api_key.expose(), "sk_1");
        assert!(!format!("{secrets:?}").contains("sk_1"));
        let error = Secrets::parse(r#"{"api_key":"sk_1"}"#).unwrap_err().to_string();
        assert!(!error.contains("sk_1") && error.contains("webhook_secret"), "{error}");
    }

    #[test]
    fn webhook_secrets_may_be_one_or_several() {
        for text in [
            r#"{"api_key":"sk_1","webhook_secret":"whsec_1","webhook_secrets":["whsec_2"]}"#,
            r#"{"api_key":"sk_1","webhook_secrets":["whsec_1","whsec_2"]}"#,
        ] {
            let secrets = Secrets::parse(text).unwrap().webhook_secrets;
            let secrets: Vec<_> = secrets.iter().map(Secret::expose).collect();
            assert_eq!(secrets, ["whsec_1", "whsec_2"]);
        }
    }

    #[test]
    fn empty_key_is_refused_because_everybody_could_sign_with_it() {
        for (text, field) in [
            (r#"{"api_key":"","webhook_secret":"whsec_1"}"#, "api_key"),
            (r#"{"api_key":"sk_1\n","webhook_secret":"whsec_1"}"#, "api_key"),
            (r#"{"api_key":"sk_1","webhook_secret":""}"#, "webhook secret"),
            (r#"{"api_key":"sk_1","webhook_secrets":["whsec_1",""]}"#, "webhook secret"),
            (r#"{"api_key":"sk_1","webhook_secrets":[]}"#, "webhook_secret"),
        ] {
            let error = Secrets::parse(text).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
