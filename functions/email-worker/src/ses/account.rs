//! The account's own rate.

use aws_config::SdkConfig;
use aws_sdk_sesv2::{Client, types::SendQuota};
use unavailable::Unavailable;

use crate::pace::AccountRate;

/// Asks SES for the account. Needs `ses:GetAccount`.
#[derive(Debug, Clone)]
pub struct Account(Client);

impl Account {
    /// The client retries, as for every call that sends nothing.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk))
    }
}

impl AccountRate for Account {
    async fn ask(&self) -> Result<Option<f64>, Unavailable> {
        let account = self.0.get_account().send().await;
        let account = account
            .map_err(|error| Unavailable::new("asking SES for the account's rate", error))?;
        Ok(account.send_quota().map(SendQuota::max_send_rate).filter(|&rate| rate > 0.0))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::{
        error::ErrorMetadata,
        operation::get_account::{GetAccountError, GetAccountOutput},
        types::error::TooManyRequestsException,
    };
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    #[tokio::test]
    async fn rate_is_what_ses_reports_if_it_reports_one() {
        for (rate, expected) in [(14.0, Some(14.0)), (0.0, None), (-1.0, None)] {
            let rule = mock!(Client::get_account).then_output(move || {
                let quota = SendQuota::builder().max_send_rate(rate).build();
                GetAccountOutput::builder().send_quota(quota).build()
            });
            let account = Account(mock_client!(aws_sdk_sesv2, [&rule]));
            assert_eq!(account.ask().await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn rate_that_ses_does_not_tell_is_an_error() {
        let rule = mock!(Client::get_account).then_error(|| {
            let meta = ErrorMetadata::builder().code("TooManyRequestsException").build();
            let error = TooManyRequestsException::builder().meta(meta).build();
            GetAccountError::TooManyRequestsException(error)
        });
        let account = Account(mock_client!(aws_sdk_sesv2, [&rule]));
        assert!(account.ask().await.is_err());
    }
}
