//! The SES account that emails are sent from.

use aws_config::SdkConfig;
use aws_sdk_sesv2::{Client, operation::get_account::GetAccountOutput, types::SendQuota};

use crate::aws_call::CallFailed;

/// The account's limits and its standing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Account {
    /// Emails per second. `None` if SES reports none.
    pub(crate) max_send_rate: Option<f64>,
    /// Emails in 24 hours. `None` if the account has no quota.
    pub(crate) daily_quota: Option<f64>,
    pub(crate) sent_last_24_hours: f64,
    /// Only verified recipients, 200 emails per day, one per second (SES Developer Guide, "Request production
    /// access").
    pub(crate) is_in_sandbox: bool,
    pub(crate) sending_enabled: bool,
    pub(crate) is_shut_down: bool,
}

impl Account {
    /// Needs `ses:GetAccount`.
    pub(crate) async fn read(sdk: &SdkConfig) -> Result<Self, CallFailed> {
        Self::read_with(&Client::new(sdk)).await
    }

    pub(crate) async fn read_with(client: &Client) -> Result<Self, CallFailed> {
        let account = client.get_account().send().await;
        let account = account.map_err(|error| CallFailed::new("reading the SES account", error))?;
        Ok(Self::from(&account))
    }
}

impl From<&GetAccountOutput> for Account {
    fn from(account: &GetAccountOutput) -> Self {
        let quota = account.send_quota();
        // -1 means that the account has no quota (SES API v2 Reference, `SendQuota`).
        let positive = |value: f64| (value > 0.0).then_some(value);
        Self {
            max_send_rate: quota.map(SendQuota::max_send_rate).and_then(positive),
            daily_quota: quota.map(SendQuota::max24_hour_send).and_then(positive),
            sent_last_24_hours: quota.map_or(0.0, SendQuota::sent_last24_hours),
            is_in_sandbox: !account.production_access_enabled(),
            sending_enabled: account.sending_enabled(),
            is_shut_down: account.enforcement_status() == Some("SHUTDOWN"),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    #[tokio::test]
    async fn account_without_a_quota_has_none() {
        let rule = mock!(Client::get_account).then_output(|| {
            let quota = SendQuota::builder().max24_hour_send(-1.0).max_send_rate(14.0);
            GetAccountOutput::builder()
                .production_access_enabled(true)
                .sending_enabled(true)
                .send_quota(quota.sent_last24_hours(7.0).build())
                .build()
        });
        let account = Account::read_with(&mock_client!(aws_sdk_sesv2, [&rule])).await.unwrap();
        assert_eq!((account.daily_quota, account.max_send_rate), (None, Some(14.0)));
        assert!(!account.is_in_sandbox && !account.is_shut_down && account.sending_enabled);
    }
}
