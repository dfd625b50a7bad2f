//! Amazon SES, API v2.

mod account;
mod classify;
mod tenant;

use std::error::Error;

use adapters::{connections::Connections, ses_tags};
use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sesv2::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::{Body, Content, Destination, EmailContent, MessageHeader, MessageTag},
};
use email::{
    EmailAddress, JobId, Message, Sender,
    job::{Headers, Unsubscribe},
    mailer::{Mailer, Outcome},
};
use sizing::SES_ATTEMPT_TIMEOUT;

pub use account::Account;
use classify::{Failure, classify};
pub use tenant::Tenant;

/// Sends through SES. Needs `ses:SendEmail` on the identity and the configuration set.
#[derive(Debug, Clone)]
pub struct Ses {
    mail: Mail,
    envelope: Envelope,
}

/// What every email has in common.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub sender: Sender,
    /// The address for replies, if the job names none.
    pub reply_to: Option<EmailAddress>,
    pub configuration_set: String,
    pub tenant: Option<Tenant>,
}

/// A client of SES, and its connections, which no other client shares.
#[derive(Debug, Clone)]
pub struct Mail {
    pub client: Client,
    pub connections: Connections,
}

/// A client that makes one HTTP attempt per call: a permit of the pacer is one attempt, and the SDK's own
/// retries would make it three (by default it retries throttles and 5xx).
pub fn client(sdk: &SdkConfig) -> Mail {
    let connections = Connections::default();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(adapters::clients::CONNECT_TIMEOUT)
        .read_timeout(SES_ATTEMPT_TIMEOUT)
        .operation_attempt_timeout(SES_ATTEMPT_TIMEOUT)
        .operation_timeout(SES_ATTEMPT_TIMEOUT)
        .build();
    let config = aws_sdk_sesv2::config::Builder::from(sdk)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(connections.clone())
        .build();
    Mail { client: Client::from_conf(config), connections }
}

impl Ses {
    pub fn new(mail: Mail, envelope: Envelope) -> Self {
        Self { mail, envelope }
    }
}

impl Mailer for Ses {
    fn leave_connections(&self) {
        self.mail.connections.renew();
    }

    async fn send(
        &self,
        id: &JobId,
        to: &EmailAddress,
        headers: &Headers,
        message: &Message,
    ) -> Outcome {
        let Ok((content, tag)) = content(id, headers, message) else {
            return classify(Failure::NotSent, self.envelope.sender.address(), to);
        };
        let reply_to = headers.reply_to.as_ref().or(self.envelope.reply_to.as_ref());
        let sent = self
            .mail
            .client
            .send_email()
            .from_email_address(self.envelope.sender.for_provider())
            .set_reply_to_addresses(
                reply_to.map(|address| vec![address.for_provider().into_owned()]),
            )
            .destination(Destination::builder().to_addresses(to.for_provider()).build())
            .content(content)
            .configuration_set_name(&self.envelope.configuration_set)
            .set_tenant_name(self.envelope.tenant.as_ref().map(ToString::to_string))
            .email_tags(tag)
            .send()
            .await;
        match sent {
            Ok(accepted) => {
                Outcome::Accepted { ses_message_id: accepted.message_id.unwrap_or_default() }
            }
            Err(error) => {
                let outcome = classify(failure(&error), self.envelope.sender.address(), to);
                // Over HTTP/2 all sends share a connection. If it is dead, it must fail no other send.
                if outcome == Outcome::Ambiguous {
                    self.mail.connections.renew();
                }
                outcome
            }
        }
    }
}

/// The message in SES's form. `Err` would mean that a mandatory part is missing, which cannot happen.
fn content(
    id: &JobId,
    headers: &Headers,
    message: &Message,
) -> Result<(EmailContent, MessageTag), aws_sdk_sesv2::error::BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder()
        .text(utf8(&message.text)?)
        .set_html(message.html.as_deref().map(utf8).transpose()?)
        .build();
    let unsubscribe = headers.unsubscribe.iter().flat_map(Unsubscribe::headers);
    let lines: Vec<_> = unsubscribe
        .map(|(name, value)| MessageHeader::builder().name(name).value(value).build())
        .collect::<Result<_, _>>()?;
    let simple = aws_sdk_sesv2::types::Message::builder()
        .subject(utf8(message.subject.as_str())?)
        .body(body)
        .set_headers((!lines.is_empty()).then_some(lines))
        .build();
    let tag =
        MessageTag::builder().name(ses_tags::JOB_ID).value(ses_tags::job_id_tag(id)).build()?;
    Ok((EmailContent::builder().simple(simple).build(), tag))
}

/// The kind of failure: [`Failure::NotSent`] only if the request certainly never left.
fn failure<E>(error: &SdkError<E, HttpResponse>) -> Failure<'_>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        // A success with an unreadable body: the email was probably sent.
        SdkError::ServiceError(refused) if refused.raw().status().is_success() => Failure::NoAnswer,
        SdkError::ServiceError(refused) => Failure::Service {
            status: refused.raw().status().as_u16(),
            code: refused.err().code().unwrap_or_default(),
            message: refused.err().message().unwrap_or_default(),
        },
        SdkError::ConstructionFailure(_) => Failure::NotSent,
        SdkError::DispatchFailure(dispatch)
            if dispatch.is_user()
                || dispatch.as_connector_error().is_some_and(|e| never_connected(e)) =>
        {
            Failure::NotSent
        }
        _ => Failure::NoAnswer,
    }
}

/// Whether the HTTP client failed before it had a connection.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
