//! The keys for Stripe: one JSON secret, `{"api_key":"sk_…","webhook_secret":"whsec_…"}`.

use std::{fmt, future::Future};

use serde::Deserialize;
use unavailable::Unavailable;

/// A text that `Debug` does not show.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text; only for a request or a signature.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The keys for one Stripe account.
#[derive(Debug, Clone, Deserialize)]
pub struct Secrets {
    /// Authorises our calls.
    pub api_key: Secret,
    /// Signs Stripe's webhook calls.
    pub webhook_secret: Secret,
}

impl Secrets {
    /// Parses the secret. The error never repeats a value.
    pub fn parse(text: &str) -> Result<Self, Unavailable> {
        serde_json::from_str(text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            let why = format!("it is not {{\"api_key\":\"…\",\"webhook_secret\":\"…\"}} ({place})");
            Unavailable::new("reading the payment provider's secret", why)
        })
    }
}

/// Reads the keys on first use and keeps them in memory.
pub trait SecretsSource {
    fn secrets(&self) -> impl Future<Output = Result<&Secrets, Unavailable>> + Send;
}

impl SecretsSource for Secrets {
    async fn secrets(&self) -> Result<&Secrets, Unavailable> {
        Ok(self)
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
}
