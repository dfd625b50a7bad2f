//! The keys for Stripe, in Secrets Manager.

use std::{sync::Arc, time::Duration};

use aws_sdk_secretsmanager::Client;
use stripe::{Secrets, SecretsSource};
use tokio::{sync::Mutex, time::Instant};
use unavailable::Unavailable;

/// Minimum time between two reads of the secret: a wrong signature, which anybody can send, costs at
/// most one call per minute and execution environment.
pub const REREAD_AFTER: Duration = Duration::from_mins(1);

/// Reads the secret on first use and keeps it. If Stripe refuses the key, or no key fits a webhook's
/// signature, reads it again. Needs `secretsmanager:GetSecretValue`, and `kms:Decrypt` for a secret
/// under a customer managed key (Secrets Manager User Guide, "Secret encryption and decryption").
#[derive(Debug)]
pub struct StripeSecret {
    client: Client,
    arn: String,
    clock: fn() -> Instant,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    secrets: Option<Arc<Secrets>>,
    /// When it was last read, or could not be read.
    read_at: Option<Instant>,
}

impl StripeSecret {
    /// `arn` may also be the secret's name.
    pub fn new(client: Client, arn: String, clock: fn() -> Instant) -> Self {
        Self { client, arn, clock, known: Mutex::default() }
    }

    async fn read(&self, known: &mut Known) -> Result<Arc<Secrets>, Unavailable> {
        const READ: &str = "reading the payment provider's secret";
        known.read_at = Some((self.clock)());
        let secret = self
            .client
            .get_secret_value()
            .secret_id(&self.arn)
            .send()
            .await
            .map_err(|error| Unavailable::new(READ, error.into_service_error()))?;
        let secrets = Arc::new(Secrets::parse(secret.secret_string().unwrap_or_default())?);
        known.secrets = Some(Arc::clone(&secrets));
        Ok(secrets)
    }
}

impl SecretsSource for StripeSecret {
    async fn secrets(&self) -> Result<Arc<Secrets>, Unavailable> {
        let mut known = self.known.lock().await;
        match &known.secrets {
            Some(secrets) => Ok(Arc::clone(secrets)),
            None => self.read(&mut known).await,
        }
    }

    async fn newer_than(
        &self,
        refused: &Arc<Secrets>,
    ) -> Result<Option<Arc<Secrets>>, Unavailable> {
        let mut known = self.known.lock().await;
        let is_newer = |secrets: &Arc<Secrets>| **secrets != **refused;
        if let Some(newer) = known.secrets.clone().filter(is_newer) {
            return Ok(Some(newer));
        }
        let now = (self.clock)();
        if known.read_at.is_some_and(|at| now.duration_since(at) < REREAD_AFTER) {
            return Ok(None);
        }
        tracing::warn!("the payment provider's keys do not fit; their secret is read again");
        Ok(Some(self.read(&mut known).await?).filter(is_newer))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    thread_local! {
        static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    #[expect(clippy::disallowed_methods, reason = "the start of the tests' clock")]
    fn now() -> Instant {
        NOW.get().unwrap_or_else(|| {
            NOW.set(Some(Instant::now()));
            now()
        })
    }

    fn holds(api_key: &'static str) -> Rule {
        mock!(Client::get_secret_value)
            .match_requests(|request| request.secret_id() == Some("stripe"))
            .then_output(move || {
                let text = format!(r#"{{"api_key":"{api_key}","webhook_secret":"whsec_1"}}"#);
                GetSecretValueOutput::builder().secret_string(text).build()
            })
    }

    /// The secret has these keys, one per read.
    fn secret(rules: &[&Rule]) -> StripeSecret {
        let client = mock_client!(aws_sdk_secretsmanager, RuleMode::Sequential, rules);
        StripeSecret::new(client, "stripe".to_owned(), now)
    }

    fn key(secrets: &Arc<Secrets>) -> &str {
        secrets.api_key.expose()
    }

    #[tokio::test]
    async fn secret_is_read_once() {
        let first = holds("sk_1");
        let secret = secret(&[&first]);
        for _ in 0..2 {
            assert_eq!(key(&secret.secrets().await.unwrap()), "sk_1");
        }
        assert_eq!(first.num_calls(), 1);
    }

    #[tokio::test]
    async fn refused_key_is_read_again_at_most_once_per_minute() {
        let (first, same, third) = (holds("sk_1"), holds("sk_1"), holds("sk_2"));
        let secret = secret(&[&first, &same, &third]);
        let old = secret.secrets().await.unwrap();
        assert_eq!(secret.newer_than(&old).await.unwrap(), None, "it was just read");
        NOW.set(Some(now() + REREAD_AFTER));
        assert_eq!(secret.newer_than(&old).await.unwrap(), None, "it has not changed");
        assert_eq!(secret.newer_than(&old).await.unwrap(), None);
        assert_eq!((same.num_calls(), third.num_calls()), (1, 0));
        NOW.set(Some(now() + REREAD_AFTER));
        assert_eq!(key(&secret.newer_than(&old).await.unwrap().unwrap()), "sk_2");
        assert_eq!(key(&secret.newer_than(&old).await.unwrap().unwrap()), "sk_2", "without a read");
        assert_eq!(key(&secret.secrets().await.unwrap()), "sk_2");
        assert_eq!(third.num_calls(), 1);
    }

    #[tokio::test]
    async fn secret_that_cannot_be_read_again_leaves_the_keys_as_they_are() {
        let first = holds("sk_1");
        let down = mock!(Client::get_secret_value).then_error(|| {
            aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError::unhandled(
                "down",
            )
        });
        let secret = secret(&[&first, &down]);
        let old = secret.secrets().await.unwrap();
        NOW.set(Some(now() + REREAD_AFTER));
        assert!(secret.newer_than(&old).await.is_err());
        assert_eq!(secret.newer_than(&old).await.unwrap(), None, "not before another minute");
        assert_eq!(key(&secret.secrets().await.unwrap()), "sk_1");
    }
}
