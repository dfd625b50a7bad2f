//! The adapter against mocked responses of SES and CloudWatch.

use aws_sdk_cloudwatch::{operation::describe_alarms::DescribeAlarmsOutput, primitives::DateTime};
use aws_sdk_sesv2::{
    operation::{
        get_account::GetAccountOutput, get_configuration_set::GetConfigurationSetOutput,
        get_email_identity::GetEmailIdentityOutput,
    },
    types::error::NotFoundException,
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::*;

fn config() -> SenderConfig {
    SenderConfig {
        identity: "example.com".to_owned(),
        configuration_set: "set".to_owned(),
        bounces: alarms("bounces"),
        complaints: alarms("complaints"),
    }
}

fn alarms(of: &str) -> RateAlarms {
    RateAlarms { rate: format!("{of}-rate"), count: format!("{of}-count") }
}

fn account(build: impl Fn() -> GetAccountOutput + Send + Sync + 'static) -> Rule {
    mock!(aws_sdk_sesv2::Client::get_account).then_output(build)
}

fn quota(most: f64, sent: f64) -> SendQuota {
    SendQuota::builder().max24_hour_send(most).sent_last24_hours(sent).build()
}

fn healthy_account() -> Rule {
    account(|| {
        GetAccountOutput::builder()
            .sending_enabled(true)
            .enforcement_status("HEALTHY")
            .send_quota(quota(200.0, 7.0))
            .build()
    })
}

fn configuration_set(enabled: Option<bool>) -> Rule {
    mock!(aws_sdk_sesv2::Client::get_configuration_set)
        .match_requests(|request| request.configuration_set_name() == Some("set"))
        .then_output(move || {
            let options =
                enabled.map(|enabled| SendingOptions::builder().sending_enabled(enabled).build());
            GetConfigurationSetOutput::builder().set_sending_options(options).build()
        })
}

fn missing_configuration_set() -> Rule {
    mock!(aws_sdk_sesv2::Client::get_configuration_set).then_error(|| {
        GetConfigurationSetError::NotFoundException(NotFoundException::builder().build())
    })
}

fn identity(verified: bool, mail_from: Option<MailFromAttributes>) -> Rule {
    mock!(aws_sdk_sesv2::Client::get_email_identity)
        .match_requests(|request| request.email_identity() == Some("example.com"))
        .then_output(move || {
            GetEmailIdentityOutput::builder()
                .verified_for_sending_status(verified)
                .set_mail_from_attributes(mail_from.clone())
                .build()
        })
}

fn mail_from(status: MailFromDomainStatus, behavior: BehaviorOnMxFailure) -> MailFromAttributes {
    MailFromAttributes::builder()
        .mail_from_domain("mail.example.com")
        .mail_from_domain_status(status)
        .behavior_on_mx_failure(behavior)
        .build()
        .unwrap()
}

async fn standing(account: Rule, set: Rule, identity: Rule) -> Standing {
    let ses = mock_client!(aws_sdk_sesv2, RuleMode::MatchAny, [&account, &set, &identity]);
    let never = mock!(aws_sdk_cloudwatch::Client::describe_alarms)
        .then_output(|| DescribeAlarmsOutput::builder().build());
    let cloudwatch = mock_client!(aws_sdk_cloudwatch, [&never]);
    SendingAccount { ses, cloudwatch, config: config() }.standing().await.unwrap()
}

#[tokio::test]
async fn healthy_account_has_no_obstacle() {
    let standing = standing(healthy_account(), configuration_set(None), identity(true, None)).await;
    assert_eq!(standing.obstacle(), None);
    assert_eq!((standing.daily_quota, standing.sent_last_24_hours), (Some(200.0), 7.0));
}

#[tokio::test]
async fn quota_of_minus_one_means_without_a_quota() {
    let unlimited = account(|| {
        let account = GetAccountOutput::builder().sending_enabled(true);
        account.send_quota(quota(-1.0, 1e9)).build()
    });
    let standing = standing(unlimited, configuration_set(Some(true)), identity(true, None)).await;
    assert_eq!((standing.daily_quota, standing.obstacle()), (None, None));
}

#[tokio::test]
async fn each_state_that_stops_sending_is_an_obstacle_with_its_cause() {
    use email::hold::HoldCause;

    let shut_down = account(|| {
        GetAccountOutput::builder().sending_enabled(true).enforcement_status("SHUTDOWN").build()
    });
    let paused = account(|| GetAccountOutput::builder().sending_enabled(false).build());
    let broken = mail_from(MailFromDomainStatus::Failed, BehaviorOnMxFailure::RejectMessage);
    for (account, set, identity, cause) in [
        (shut_down, configuration_set(None), identity(true, None), HoldCause::AccountSuspended),
        (paused, configuration_set(None), identity(true, None), HoldCause::SendingPaused),
        (
            healthy_account(),
            configuration_set(Some(false)),
            identity(true, None),
            HoldCause::SendingPaused,
        ),
        (
            healthy_account(),
            missing_configuration_set(),
            identity(true, None),
            HoldCause::ConfigurationSetMissing,
        ),
        (
            healthy_account(),
            configuration_set(None),
            identity(false, None),
            HoldCause::SenderNotVerified,
        ),
        (
            healthy_account(),
            configuration_set(None),
            identity(true, Some(broken)),
            HoldCause::SenderNotVerified,
        ),
    ] {
        assert_eq!(standing(account, set, identity).await.obstacle(), Some(cause));
    }
}

#[test]
fn mail_from_domain_is_an_obstacle_only_if_ses_must_reject_without_its_mx_record() {
    use BehaviorOnMxFailure::{RejectMessage, UseDefaultValue};
    use MailFromDomainStatus::{Failed, Pending, Success};

    for (status, behavior, works) in [
        (Success, RejectMessage, true),
        (Failed, RejectMessage, false),
        (Pending, RejectMessage, false),
        (Failed, UseDefaultValue, true),
    ] {
        assert_eq!(mail_from_works(&mail_from(status, behavior)), works);
    }
}

#[tokio::test]
async fn rate_is_too_high_and_events_are_enough_while_their_alarms_are_in_alarm() {
    let alarms = mock!(aws_sdk_cloudwatch::Client::describe_alarms)
        .match_requests(|request| {
            request.alarm_names()
                == ["bounces-rate", "bounces-count", "complaints-rate", "complaints-count"]
        })
        .then_output(|| {
            let alarm = |name: &str, state: StateValue, since: i64| {
                MetricAlarm::builder()
                    .alarm_name(name)
                    .state_value(state)
                    .state_transitioned_timestamp(DateTime::from_secs(since))
                    .build()
            };
            DescribeAlarmsOutput::builder()
                .metric_alarms(alarm("complaints-rate", StateValue::Alarm, 9))
                .metric_alarms(alarm("complaints-count", StateValue::Ok, 8))
                .metric_alarms(alarm("bounces-rate", StateValue::InsufficientData, 7))
                .metric_alarms(alarm("bounces-count", StateValue::Alarm, 6))
                .build()
        });
    let never = healthy_account();
    let account = SendingAccount {
        ses: mock_client!(aws_sdk_sesv2, [&never]),
        cloudwatch: mock_client!(aws_sdk_cloudwatch, [&alarms]),
        config: config(),
    };
    let rates = account.rates().await.unwrap();
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
    assert_eq!(rates.bounces, Rate { high_since: None, counts_since: at(6) });
    assert_eq!(rates.complaints, Rate { high_since: at(9), counts_since: None });
}
