//! Reads one moment of a deployed stack.

use std::time::Duration;

use futures_util::join;
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::{
    account::Account,
    aws_call::CallFailed,
    outcome::Failure,
    sending::{Depth, Sending},
    stack::{Stack, StackError},
};

use super::{
    cloudwatch::{self, Names},
    figure::{Measured, SETTLED_AFTER, settled_until},
    history::SPAN,
    reading::Reading,
};

/// For each part of a reading. Shorter than the timeout of a single call with its retries: in a live view, the
/// next reading repeats it.
const MAX_DURATION: Duration = Duration::from_secs(8);

/// Minutes that are read again, because `CloudWatch` may have received values late.
const REREAD: Duration = Duration::from_mins(3);

/// Reads a stack again and again.
#[derive(Debug)]
pub(crate) struct LiveStack<'a> {
    stack: &'a Stack,
    sqs: aws_sdk_sqs::Client,
    ses: aws_sdk_sesv2::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    dead_letters: String,
    feedback_dead_letters: String,
    names: Names,
    /// The last one that was read. Its rate may lower the limit.
    account: Option<Account>,
    /// Until when `CloudWatch` has been read.
    measured_until: Option<OffsetDateTime>,
}

impl<'a> LiveStack<'a> {
    pub(crate) fn new(stack: &'a Stack) -> Result<Self, StackError> {
        let queue = stack.email_queue_url()?;
        let queue = queue.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self {
            stack,
            sqs: stack.sqs(),
            ses: aws_sdk_sesv2::Client::new(stack.sdk()),
            cloudwatch: aws_sdk_cloudwatch::Client::new(stack.sdk()),
            dead_letters: stack.dead_letter_queue_url()?,
            feedback_dead_letters: stack.output("EmailFeedbackDeadLetterQueueUrl")?,
            names: Names {
                stack: stack.name().to_owned(),
                queue,
                worker: stack.output("EmailWorkerFunctionName")?,
            },
            account: None,
            measured_until: None,
        })
    }

    /// Takes [`MAX_DURATION`] twice at most. Needs what `registrar status` needs, without the alarms, and
    /// `cloudwatch:GetMetricData`. SES allows one `GetAccount` per second (Service Quotas, "SES API sending
    /// quotas"), and hold-watch makes one per minute: read every two seconds at most.
    pub(crate) async fn read(&mut self, now: OffsetDateTime) -> Reading {
        let depth = |url| within("counting the messages of a queue", Depth::read(&self.sqs, url));
        let known = self.account;
        let sending = async {
            let account = within("reading the SES account", Account::read_with(&self.ses)).await;
            let latest = account.as_ref().ok().or(known.as_ref());
            let sending = Box::pin(Sending::read(self.stack, latest));
            (within("reading the state of sending", sending).await, account)
        };
        let ((sending, account), dead_letters, feedback_dead_letters, measured) = join!(
            sending,
            depth(&self.dead_letters),
            depth(&self.feedback_dead_letters),
            self.measure(now)
        );
        let mut reading = Reading::empty(now);
        let failures = &mut reading.failures;
        reading.sending = noted(sending, failures);
        reading.account = noted(account, failures);
        reading.dead_letters = noted(dead_letters, failures);
        reading.feedback_dead_letters = noted(feedback_dead_letters, failures);
        reading.measured = noted(measured, failures).flatten();
        self.account = reading.account.or(known);
        if let Some(measured) = &reading.measured {
            self.measured_until = Some(measured.until);
        }
        reading
    }

    /// `None` until there is another settled minute: `CloudWatch` charges for every metric that is read.
    async fn measure(&self, now: OffsetDateTime) -> Result<Option<Measured>, Failure> {
        let oldest = now - SPAN - SETTLED_AFTER;
        if self.measured_until.is_some_and(|until| settled_until(now) <= until) {
            return Ok(None);
        }
        let from = self.measured_until.map_or(oldest, |until| (until - REREAD).max(oldest));
        let measured = cloudwatch::read(&self.cloudwatch, &self.names, from, now);
        within("reading the metrics", measured).await.map(Some)
    }
}

async fn within<T, E: Into<Failure>>(
    operation: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match timeout(MAX_DURATION, call).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(CallFailed::timed_out(operation, MAX_DURATION).into()),
    }
}

fn noted<T>(result: Result<T, Failure>, failures: &mut Vec<String>) -> Option<T> {
    result.map_err(|failure| failures.push(failure.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_fails_and_says_which() {
        let silent = future::pending::<Result<(), CallFailed>>();
        let error = within("reading the metrics", silent).await.unwrap_err().to_string();
        assert_eq!(error, "reading the metrics failed: no response within 8 s");
    }
}
