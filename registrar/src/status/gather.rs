//! Reads the facts from the deployed stack. Without the account, the alarms, the metrics, the dead letters or the
//! unfinished enrollments, there is a note; without the queue or the holds, there is no status.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{MetricAlarm, StateValue, Statistic},
};
use futures_util::try_join;
use time::OffsetDateTime;

use crate::{
    account::Account,
    aws_call::CallFailed,
    clock,
    dead_letters::{FoundLetter, recent_dead_letters},
    enrollments, http,
    outcome::Failure,
    sending::{Depth, Sending},
    stack::Stack,
};

use super::facts::{Alarm, Api, Facts, Unfinished};

/// How long the account's sends are averaged.
pub(crate) const SENDS_OVER: Duration = Duration::from_mins(5);

/// The facts, and notes on what is missing.
pub(crate) async fn gather(
    stack: &Stack,
    api_url: Option<&str>,
    now: OffsetDateTime,
) -> Result<(Facts, Vec<String>), Failure> {
    let mut notes = Vec::new();
    let account = noted(Account::read(stack.sdk()).await, &mut notes);
    let sending = Box::pin(Sending::read(stack, account.as_ref())).await?;
    let sqs = stack.sqs();
    let (emails, events) =
        (stack.dead_letter_queue_url()?, stack.output("EmailFeedbackDeadLetterQueueUrl")?);
    let (dead_letters, feedback_dead_letters) =
        try_join!(Depth::read(&sqs, &emails), Depth::read(&sqs, &events))?;
    let recent_failures = if dead_letters.total() > 0 {
        noted(recent(stack, emails).await, &mut notes).unwrap_or_default()
    } else {
        Vec::new()
    };
    let unfinished = noted(enrollments::unfinished(&stack.resume_index()?).await, &mut notes);
    let url = match api_url {
        Some(url) => url.to_owned(),
        None => stack.output("ApiUrl")?,
    };
    let facts = Facts {
        stack: stack.name().to_owned(),
        now,
        api: health(&url).await,
        sending,
        account,
        sent_per_minute: noted(sent_per_minute(stack.sdk(), now).await, &mut notes).flatten(),
        dead_letters,
        feedback_dead_letters,
        unfinished: unfinished.map(|found| Unfinished::count(&found, now)),
        recent_failures,
        alarms: noted(alarms(stack).await, &mut notes).unwrap_or_default(),
    };
    Ok((facts, notes))
}

async fn recent(stack: &Stack, url: String) -> Result<Vec<FoundLetter>, CallFailed> {
    recent_dead_letters(stack.sqs(), url).await
}

async fn health(url: &str) -> Api {
    let start = clock::instant();
    match http::get(&format!("{}/", url.trim_end_matches('/'))).await {
        Ok(status) => {
            let milliseconds = (clock::instant() - start).as_millis().try_into();
            Api::Responded { status, milliseconds: milliseconds.unwrap_or(u64::MAX) }
        }
        Err(error) => Api::Silent { error: error.to_string() },
    }
}

/// The account's metric `Send` (SES Developer Guide, "Retrieving Amazon SES event data from CloudWatch").
/// Needs `cloudwatch:GetMetricStatistics`.
async fn sent_per_minute(sdk: &SdkConfig, now: OffsetDateTime) -> Result<Option<f64>, CallFailed> {
    let time = |at: OffsetDateTime| DateTime::from_secs(at.unix_timestamp());
    let statistics = Client::new(sdk)
        .get_metric_statistics()
        .namespace("AWS/SES")
        .metric_name("Send")
        .statistics(Statistic::Sum)
        .start_time(time(now - SENDS_OVER))
        .end_time(time(now))
        .period(60)
        .send()
        .await
        .map_err(|error| CallFailed::new("reading the account's sends", error))?;
    let points = statistics.datapoints.unwrap_or_default();
    let sum: f64 = points.iter().filter_map(|point| point.sum).sum();
    Ok((!points.is_empty()).then(|| sum * 60.0 / SENDS_OVER.as_secs_f64()))
}

/// Of this stack: CloudFormation begins their names with the stack's. Needs `cloudwatch:DescribeAlarms`.
async fn alarms(stack: &Stack) -> Result<Vec<Alarm>, CallFailed> {
    let prefix = format!("{}-", stack.name());
    let client = Client::new(stack.sdk());
    let request = client.describe_alarms().alarm_name_prefix(&prefix);
    let mut pages = request.state_value(StateValue::Alarm).into_paginator().send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| CallFailed::new("reading the alarms", error))?;
        alarms.extend(page.metric_alarms().iter().filter_map(|alarm| in_alarm(alarm, &prefix)));
    }
    Ok(alarms)
}

/// `None` if it is an alarm of another stack whose name begins with this one's.
fn in_alarm(alarm: &MetricAlarm, prefix: &str) -> Option<Alarm> {
    // CloudFormation names a resource STACK-RESOURCE-RANDOM, and RESOURCE has no hyphen.
    let (name, random) = alarm.alarm_name()?.strip_prefix(prefix)?.split_once('-')?;
    if random.contains('-') {
        return None;
    }
    let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let since = since.and_then(|since| SystemTime::try_from(*since).ok());
    Some(Alarm {
        name: name.to_owned(),
        since: since.map(OffsetDateTime::from),
        about: alarm.alarm_description().unwrap_or_default().to_owned(),
    })
}

fn noted<T>(result: Result<T, CallFailed>, notes: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| notes.push(error.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_has_the_name_that_the_template_gives_it_and_those_of_other_stacks_are_left_out() {
        let named = |name: &str| {
            MetricAlarm::builder()
                .alarm_name(name)
                .alarm_description("An email could not be sent")
                .state_transitioned_timestamp(DateTime::from_secs(60))
                .build()
        };
        let alarm = in_alarm(&named("registrar-DeadLetterAlarm-1A2B3C"), "registrar-").unwrap();
        assert_eq!(alarm.name, "DeadLetterAlarm");
        assert_eq!(alarm.about, "An email could not be sent");
        assert_eq!(alarm.since.unwrap().unix_timestamp(), 60);
        let other = named("registrar-test-DeadLetterAlarm-1A2B3C");
        assert_eq!(in_alarm(&other, "registrar-"), None);
    }
}
