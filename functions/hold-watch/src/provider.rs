//! The state of the sending account, as SES and CloudWatch report it.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use aws_sdk_sesv2::{
    operation::get_configuration_set::GetConfigurationSetError,
    types::{
        BehaviorOnMxFailure, MailFromAttributes, MailFromDomainStatus, SendQuota, SendingOptions,
    },
};
use email::hold::{ConfigurationSet, Provider, Rate, Rates, Standing};
use lambda::{Environment, clock, env::InvalidVariable};
use time::OffsetDateTime;
use unavailable::Unavailable;

/// The `EnforcementStatus` of an account that SES has shut down (SES API v2, `GetAccount`).
const SHUT_DOWN: &str = "SHUTDOWN";

/// The sender of the emails, and the alarms on the account's rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderConfig {
    /// `SENDER_IDENTITY`: the identity that covers the sender's address.
    pub identity: String,
    /// `SES_CONFIGURATION_SET`: the configuration set of every email.
    pub configuration_set: String,
    /// The alarms on the account's bounces.
    pub bounces: RateAlarms,
    /// The alarms on the account's complaints.
    pub complaints: RateAlarms,
}

/// The alarms that together are a reason to hold sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateAlarms {
    /// `BOUNCE_RATE_ALARM`, `COMPLAINT_RATE_ALARM`: the rate is near SES's review threshold.
    pub rate: String,
    /// `BOUNCE_COUNT_ALARM`, `COMPLAINT_COUNT_ALARM`: there are enough events that the rate means something.
    pub count: String,
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
            bounces: RateAlarms {
                rate: environment.required("BOUNCE_RATE_ALARM")?,
                count: environment.required("BOUNCE_COUNT_ALARM")?,
            },
            complaints: RateAlarms {
                rate: environment.required("COMPLAINT_RATE_ALARM")?,
                count: environment.required("COMPLAINT_COUNT_ALARM")?,
            },
        })
    }
}

/// The sending account. Needs `ses:GetAccount`, `ses:GetEmailIdentity` on the identity,
/// `ses:GetConfigurationSet` on the set, and `cloudwatch:DescribeAlarms` on the alarms.
///
/// A rate is too high, and events are enough, while their alarms are in alarm. So the thresholds are in one place, the
/// template, and `aws cloudwatch set-alarm-state` rehearses a hold.
#[derive(Debug, Clone)]
pub struct SendingAccount {
    ses: aws_sdk_sesv2::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    config: SenderConfig,
}

impl SendingAccount {
    /// All clients share one configuration, and so one HTTP client.
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

    async fn configuration_set(&self) -> Result<ConfigurationSet, Unavailable> {
        let read = self
            .ses
            .get_configuration_set()
            .configuration_set_name(&self.config.configuration_set)
            .send()
            .await;
        match read {
            Ok(set) if set.sending_options().is_none_or(SendingOptions::sending_enabled) => {
                Ok(ConfigurationSet::Sends)
            }
            Ok(_) => Ok(ConfigurationSet::Paused),
            Err(error) => match error.as_service_error() {
                Some(GetConfigurationSetError::NotFoundException(_)) => {
                    Ok(ConfigurationSet::Missing)
                }
                _ => Err(Unavailable::new("asking SES for the configuration set", error)),
            },
        }
    }
}

/// Whether SES would send with this MAIL FROM domain. It refuses only if the domain's MX record is not
/// verified and the identity is configured to reject messages in that case.
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
            // -1 means that the account has no quota.
            daily_quota: quota.map(SendQuota::max24_hour_send).filter(|&quota| quota > 0.0),
            sent_last_24_hours: quota.map_or(0.0, SendQuota::sent_last24_hours),
            configuration_set: self.configuration_set().await?,
            sender_verified: self.sender_is_verified().await?,
        })
    }

    async fn rates(&self) -> Result<Rates, Unavailable> {
        let SenderConfig { bounces, complaints, .. } = &self.config;
        let described = self
            .cloudwatch
            .describe_alarms()
            .alarm_names(&bounces.rate)
            .alarm_names(&bounces.count)
            .alarm_names(&complaints.rate)
            .alarm_names(&complaints.count)
            .send()
            .await
            .map_err(|error| Unavailable::new("asking CloudWatch for the rates' alarms", error))?;
        let since = |name: &str| {
            let mut alarms = described.metric_alarms().iter();
            alarms.find(|alarm| alarm.alarm_name() == Some(name)).and_then(alarming_since)
        };
        let rate = |alarms: &RateAlarms| Rate {
            high_since: since(&alarms.rate),
            counts_since: since(&alarms.count),
        };
        Ok(Rates { bounces: rate(bounces), complaints: rate(complaints) })
    }
}

/// The start of the alarm. `None` if it is not in alarm; now if CloudWatch reports no start.
fn alarming_since(alarm: &MetricAlarm) -> Option<OffsetDateTime> {
    if alarm.state_value() != Some(&StateValue::Alarm) {
        return None;
    }
    let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let since = since.and_then(|since| SystemTime::try_from(*since).ok());
    Some(since.map_or_else(clock::now, OffsetDateTime::from))
}

#[cfg(test)]
mod tests;
