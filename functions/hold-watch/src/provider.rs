//! What SES and CloudWatch say of the account that emails are sent from.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use aws_sdk_sesv2::types::{
    BehaviorOnMxFailure, MailFromAttributes, MailFromDomainStatus, SendQuota, SendingOptions,
};
use email::hold::{Provider, Rates, Standing};
use lambda::{Environment, env::InvalidVariable};
use time::OffsetDateTime;
use unavailable::Unavailable;

/// SES's word for an account that it has shut down (`GetAccount`, `EnforcementStatus`).
const SHUT_DOWN: &str = "SHUTDOWN";

/// What emails are sent from, and which alarms watch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderConfig {
    /// `SENDER_IDENTITY`: the identity that covers the sender's address.
    pub identity: String,
    /// `SES_CONFIGURATION_SET`: what every email is sent by.
    pub configuration_set: String,
    /// `BOUNCE_RATE_ALARM`: the alarm on the account's bounce rate.
    pub bounce_rate_alarm: String,
    /// `COMPLAINT_RATE_ALARM`: the alarm on the account's complaint rate.
    pub complaint_rate_alarm: String,
}

impl SenderConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first variable that is missing.
    pub fn read(environment: &Environment<'_>) -> Result<Self, InvalidVariable> {
        Ok(Self {
            identity: environment.required("SENDER_IDENTITY")?,
            configuration_set: environment.required("SES_CONFIGURATION_SET")?,
            bounce_rate_alarm: environment.required("BOUNCE_RATE_ALARM")?,
            complaint_rate_alarm: environment.required("COMPLAINT_RATE_ALARM")?,
        })
    }
}

/// The sending account. Needs `ses:GetAccount`, `ses:GetEmailIdentity` on the identity,
/// `ses:GetConfigurationSet` on the set, and `cloudwatch:DescribeAlarms` on the alarms.
///
/// Rates are asked of the alarms, so that the thresholds are in one place, the template, and a hold
/// can be rehearsed by `aws cloudwatch set-alarm-state`.
#[derive(Debug, Clone)]
pub struct SendingAccount {
    ses: aws_sdk_sesv2::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    config: SenderConfig,
}

impl SendingAccount {
    /// Clients over one configuration, and so over one HTTP client.
    pub fn new(sdk: &SdkConfig, config: SenderConfig) -> Self {
        let ses = aws_sdk_sesv2::Client::new(sdk);
        let cloudwatch = aws_sdk_cloudwatch::Client::new(sdk);
        Self { ses, cloudwatch, config }
    }

    async fn sender_is_verified(&self) -> Result<bool, Unavailable> {
        let identity = self
            .ses
            .get_email_identity()
            .email_identity(&self.config.identity)
            .send()
            .await
            .map_err(|error| Unavailable::new("asking SES for the sender's identity", error))?;
        let mail_from = identity.mail_from_attributes();
        Ok(identity.verified_for_sending_status() && mail_from.is_none_or(mail_from_works))
    }

    async fn configuration_set_may_send(&self) -> Result<bool, Unavailable> {
        let set = self
            .ses
            .get_configuration_set()
            .configuration_set_name(&self.config.configuration_set)
            .send()
            .await
            .map_err(|error| Unavailable::new("asking SES for the configuration set", error))?;
        Ok(set.sending_options().is_none_or(SendingOptions::sending_enabled))
    }
}

/// Whether SES would send although, or because, a MAIL FROM domain of its own is set up: it refuses
/// only where it was told to reject messages while the domain's MX record is not in order.
fn mail_from_works(mail_from: &MailFromAttributes) -> bool {
    mail_from.behavior_on_mx_failure() != &BehaviorOnMxFailure::RejectMessage
        || mail_from.mail_from_domain_status() == &MailFromDomainStatus::Success
}

impl Provider for SendingAccount {
    async fn standing(&self) -> Result<Standing, Unavailable> {
        let account = self
            .ses
            .get_account()
            .send()
            .await
            .map_err(|error| Unavailable::new("asking SES for the account", error))?;
        let quota = account.send_quota();
        Ok(Standing {
            sending_enabled: account.sending_enabled(),
            shut_down: account.enforcement_status() == Some(SHUT_DOWN),
            // SES says -1 for an account without a quota.
            daily_quota: quota.map(SendQuota::max24_hour_send).filter(|&quota| quota > 0.0),
            sent_last_24_hours: quota.map_or(0.0, SendQuota::sent_last24_hours),
            configuration_set_enabled: self.configuration_set_may_send().await?,
            sender_verified: self.sender_is_verified().await?,
        })
    }

    async fn rates(&self) -> Result<Rates, Unavailable> {
        let SenderConfig { bounce_rate_alarm, complaint_rate_alarm, .. } = &self.config;
        let described = self
            .cloudwatch
            .describe_alarms()
            .alarm_names(bounce_rate_alarm)
            .alarm_names(complaint_rate_alarm)
            .send()
            .await
            .map_err(|error| Unavailable::new("asking CloudWatch for the rates' alarms", error))?;
        let since = |name: &str| {
            let mut alarms = described.metric_alarms().iter();
            alarms.find(|alarm| alarm.alarm_name() == Some(name)).and_then(alarming_since)
        };
        Ok(Rates {
            bounces_since: since(bounce_rate_alarm),
            complaints_since: since(complaint_rate_alarm),
        })
    }
}

/// Since when, if it is in alarm. Where CloudWatch does not say since when, always.
fn alarming_since(alarm: &MetricAlarm) -> Option<OffsetDateTime> {
    if alarm.state_value() != Some(&StateValue::Alarm) {
        return None;
    }
    let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let since = since.and_then(|since| SystemTime::try_from(*since).ok());
    Some(since.map_or(OffsetDateTime::now_utc(), OffsetDateTime::from))
}

#[cfg(test)]
mod tests;
