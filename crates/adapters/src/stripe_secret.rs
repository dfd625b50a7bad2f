//! The keys for Stripe, in Secrets Manager.

use aws_sdk_secretsmanager::Client;
use stripe::{Secrets, SecretsSource};
use tokio::sync::OnceCell;
use unavailable::Unavailable;

/// Reads the secret on first use and keeps it for the life of the execution environment: a changed
/// secret needs new execution environments (a deployment, or any change of the function's
/// configuration). Needs `secretsmanager:GetSecretValue`.
#[derive(Debug)]
pub struct StripeSecret {
    client: Client,
    arn: String,
    read: OnceCell<Secrets>,
}

impl StripeSecret {
    /// `arn` may also be the secret's name.
    pub fn new(client: Client, arn: String) -> Self {
        Self { client, arn, read: OnceCell::new() }
    }

    async fn read(&self) -> Result<Secrets, Unavailable> {
        const READ: &str = "reading the payment provider's secret";
        let secret = self
            .client
            .get_secret_value()
            .secret_id(&self.arn)
            .send()
            .await
            .map_err(|error| Unavailable::new(READ, error.into_service_error()))?;
        Secrets::parse(secret.secret_string().unwrap_or_default())
    }
}

impl SecretsSource for StripeSecret {
    async fn secrets(&self) -> Result<&Secrets, Unavailable> {
        self.read.get_or_try_init(|| self.read()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    #[tokio::test]
    async fn secret_is_read_once() {
        let get = mock!(Client::get_secret_value)
            .match_requests(|request| request.secret_id() == Some("stripe"))
            .then_output(|| {
                let text = r#"{"api_key":"sk_1","webhook_secret":"whsec_1"}"#;
                GetSecretValueOutput::builder().secret_string(text).build()
            });
        let client = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&get]);
        let secret = StripeSecret::new(client, "stripe".to_owned());
        for _ in 0..2 {
            assert_eq!(secret.secrets().await.unwrap().api_key.expose(), "sk_1");
        }
        assert_eq!(get.num_calls(), 1);
    }
}
