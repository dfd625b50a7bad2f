//! The calls of the checks. A call that fails makes its check `not checked`; it never ends the others.

use std::{collections::HashMap, str::FromStr};

use adapters::{clients, stripe_secret::StripeSecret};
use aws_config::SdkConfig;
use aws_sdk_sesv2::{
    operation::{
        get_configuration_set::GetConfigurationSetError, get_email_identity::GetEmailIdentityError,
    },
    types::{
        BehaviorOnMxFailure, DkimStatus, MailFromAttributes, MailFromDomainStatus, SendingOptions,
    },
};
use aws_sdk_sqs::types::QueueAttributeName;
use pacer::Slots;
use stripe::SecretsSource;

use crate::{account::Account, aws_call::CallFailed, clock, stack::Stack};

use super::{
    checks::{self, Concurrency, Identity, SendSettings},
    finding::Finding,
};

/// The template's parameters, deployed or to be deployed.
#[derive(Debug, Default)]
pub(crate) struct Parameters(pub(crate) HashMap<String, String>);

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    fn limit(&self) -> Option<SendSettings> {
        Some(SendSettings {
            limit: self.parsed("SendLimit")?,
            window: self.parsed("SendWindowSeconds")?,
            slack: self.parsed("SendSlackMilliseconds")?,
            slots: self.slots()?,
        })
    }

    fn slots(&self) -> Option<Slots> {
        self.parsed("WorkerConcurrency")
    }

    fn reserves(&self) -> bool {
        self.get("ReserveConcurrency") != Some("false")
    }
}

/// The checks that need no stack.
pub(super) async fn of_account(sdk: &SdkConfig, parameters: &Parameters) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(name) = parameters.get("SenderIdentity").or(parameters.get("SenderAddress")) {
        findings.push(match read_identity(sdk, name).await {
            Ok(identity) => checks::identity(name, identity),
            Err(error) => Finding::not_checked("SES identity", error),
        });
    }
    findings.extend(parameters.limit().map(checks::limit));
    match Account::read(sdk).await {
        Ok(account) => {
            findings.push(checks::account(&account));
            let limit = parameters.limit();
            findings.extend(limit.into_iter().flat_map(|limit| checks::quota(limit, &account)));
        }
        Err(error) => findings.push(Finding::not_checked("SES account", error)),
    }
    findings.push(stripe(sdk, parameters).await);
    findings
}

/// The check of a deployment to come.
pub(super) async fn before_deploy(sdk: &SdkConfig, parameters: &Parameters) -> Option<Finding> {
    let slots = parameters.slots()?;
    Some(match read_concurrency(sdk).await {
        Ok(concurrency) => checks::can_reserve(concurrency, slots, parameters.reserves()),
        Err(error) => Finding::not_checked("Lambda concurrency", error),
    })
}

/// The checks of a deployed stack.
pub(super) async fn of_stack(stack: &Stack, parameters: &Parameters) -> Vec<Finding> {
    let slots = parameters.slots();
    let mut findings = Vec::new();
    if let Some(slots) = slots {
        findings.push(match read_reserved(stack).await {
            Ok(reserved) => checks::reserved(reserved, slots, parameters.reserves()),
            Err(error) => Finding::not_checked("reserved concurrency", error),
        });
        findings.push(match read_maximum_concurrency(stack).await {
            Ok(maximum) => checks::maximum_concurrency(maximum, slots),
            Err(error) => Finding::not_checked("event source", error),
        });
    }
    findings.push(match read_redrive(stack).await {
        Ok((policy, queue)) => checks::redrive(policy.as_deref(), queue.as_deref()),
        Err(error) => Finding::not_checked("dead-letter queue", error),
    });
    findings.push(configuration_set(stack).await);
    findings
}

async fn read_identity(sdk: &SdkConfig, name: &str) -> Result<Option<Identity>, CallFailed> {
    let request = aws_sdk_sesv2::Client::new(sdk).get_email_identity().email_identity(name);
    match request.send().await {
        Ok(found) => Ok(Some(Identity {
            verified: found.verified_for_sending_status(),
            dkim_works: found.dkim_attributes().is_some_and(|dkim| {
                dkim.signing_enabled() && dkim.status() == Some(&DkimStatus::Success)
            }),
            mail_from_works: found.mail_from_attributes().is_none_or(mail_from_works),
        })),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(GetEmailIdentityError::is_not_found_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(CallFailed::new("reading the SES identity", error)),
    }
}

/// As in hold-watch: SES refuses only if the identity is configured to reject without the MX record.
fn mail_from_works(mail_from: &MailFromAttributes) -> bool {
    mail_from.behavior_on_mx_failure() != &BehaviorOnMxFailure::RejectMessage
        || mail_from.mail_from_domain_status() == &MailFromDomainStatus::Success
}

async fn read_concurrency(sdk: &SdkConfig) -> Result<Concurrency, CallFailed> {
    let settings = clients::lambda(sdk).get_account_settings().send().await;
    let settings =
        settings.map_err(|error| CallFailed::new("reading Lambda's account settings", error))?;
    let limit = settings
        .account_limit
        .unwrap_or_else(|| aws_sdk_lambda::types::AccountLimit::builder().build());
    let number = |value: i32| u32::try_from(value).unwrap_or(0);
    Ok(Concurrency {
        total: number(limit.concurrent_executions),
        unreserved: number(limit.unreserved_concurrent_executions.unwrap_or(0)),
    })
}

async fn read_reserved(stack: &Stack) -> Result<Option<u32>, String> {
    let function = stack.output("EmailWorkerFunctionName").map_err(|error| error.to_string())?;
    let client = clients::lambda(stack.sdk());
    let found = client.get_function_concurrency().function_name(function).send().await;
    let found = found
        .map_err(|error| CallFailed::new("reading the reserved concurrency", error).to_string())?;
    Ok(found.reserved_concurrent_executions.and_then(|reserved| reserved.try_into().ok()))
}

async fn read_maximum_concurrency(stack: &Stack) -> Result<Option<i32>, String> {
    let function = stack.output("EmailWorkerFunctionName").map_err(|error| error.to_string())?;
    let client = clients::lambda(stack.sdk());
    let found = client.list_event_source_mappings().function_name(function).send().await;
    let found =
        found.map_err(|error| CallFailed::new("reading the event source", error).to_string())?;
    let mapping = found.event_source_mappings.unwrap_or_default().into_iter().next();
    Ok(mapping.and_then(|mapping| mapping.scaling_config?.maximum_concurrency))
}

/// The email queue's redrive policy, and the dead-letter queue's ARN.
async fn read_redrive(stack: &Stack) -> Result<(Option<String>, Option<String>), String> {
    let attribute = async |url: String, name: QueueAttributeName| {
        let client = stack.sqs();
        let request = client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        let found = request.send().await;
        let found = found.map_err(|error| CallFailed::new("reading a queue", error).to_string())?;
        Ok::<_, String>(found.attributes.and_then(|mut found| found.remove(&name)))
    };
    let emails = stack.email_queue_url().map_err(|error| error.to_string())?;
    let letters = stack.dead_letter_queue_url().map_err(|error| error.to_string())?;
    Ok((
        attribute(emails, QueueAttributeName::RedrivePolicy).await?,
        attribute(letters, QueueAttributeName::QueueArn).await?,
    ))
}

async fn configuration_set(stack: &Stack) -> Finding {
    const CHECK: &str = "configuration set";
    let name = match stack.output("EmailConfigurationSetName") {
        Ok(name) => name,
        Err(error) => return Finding::not_checked(CHECK, error),
    };
    let client = aws_sdk_sesv2::Client::new(stack.sdk());
    match client.get_configuration_set().configuration_set_name(&name).send().await {
        Ok(set) => {
            let sends = set.sending_options().is_none_or(SendingOptions::sending_enabled);
            checks::configuration_set(&name, Some(sends))
        }
        Err(error)
            if error
                .as_service_error()
                .is_some_and(GetConfigurationSetError::is_not_found_exception) =>
        {
            checks::configuration_set(&name, None)
        }
        Err(error) => {
            Finding::not_checked(CHECK, CallFailed::new("reading the configuration set", error))
        }
    }
}

async fn stripe(sdk: &SdkConfig, parameters: &Parameters) -> Finding {
    const CHECK: &str = "Stripe secret";
    let Some(arn) = parameters.get("StripeSecretArn") else {
        return Finding::fine(CHECK, "none is configured: only free courses are available");
    };
    let source = StripeSecret::new(clients::secrets_manager(sdk), arn.to_owned(), clock::instant);
    match source.secrets().await {
        Ok(secrets) => checks::stripe_key(secrets.api_key.expose()),
        Err(error) => Finding::not_checked(
            CHECK,
            format!(
                "{error}; it needs secretsmanager:GetSecretValue, which no operator's policy grants"
            ),
        ),
    }
}
