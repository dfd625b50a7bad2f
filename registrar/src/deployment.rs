//! Which deployment a command works on: a CloudFormation stack, and what its outputs name.

use std::collections::HashMap;

use adapters::{
    clients,
    event_source::WorkerEventSource,
    tables::{EmailsTable, HoldsTable},
};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::{Client, error::ProvideErrorMetadata};

use crate::{Surroundings, aws_call::CallFailed};

/// The arguments that name a deployment.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// The CloudFormation stack of the deployment
    #[arg(
        long,
        value_name = "NAME",
        env = "REGISTRAR_STACK_NAME",
        default_value = "registrar",
        global = true
    )]
    stack: String,
}

/// Why a deployment cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotFound {
    #[error("no AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile that has one")]
    NoRegion,
    #[error(
        "there is no CloudFormation stack `{stack}` in {region}: --stack (or REGISTRAR_STACK_NAME) \
         names another, AWS_REGION another region"
    )]
    NoStack { stack: String, region: String },
    #[error(
        "the stack `{stack}` has no output {output}: it is older than this tool, still being \
         deployed, or not Registrar's"
    )]
    NoOutput { stack: String, output: &'static str },
    #[error(transparent)]
    Call(#[from] CallFailed),
}

/// A deployed stack.
#[derive(Debug)]
pub(crate) struct Deployment {
    stack: String,
    outputs: HashMap<String, String>,
    sdk: SdkConfig,
}

impl Deployment {
    /// Finds the stack. Needs `cloudformation:DescribeStacks`.
    pub(crate) async fn find(args: &Args, surroundings: &Surroundings) -> Result<Self, NotFound> {
        let sdk = surroundings.sdk().await;
        let region = sdk.region().ok_or(NotFound::NoRegion)?.to_string();
        let outputs = outputs(&Client::new(&sdk), &args.stack, &region).await?;
        Ok(Self { stack: args.stack.clone(), outputs, sdk })
    }

    fn output(&self, name: &'static str) -> Result<String, NotFound> {
        let output = self.outputs.get(name).cloned();
        output.ok_or_else(|| NotFound::NoOutput { stack: self.stack.clone(), output: name })
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        clients::sqs(&self.sdk)
    }

    pub(crate) fn email_queue_url(&self) -> Result<String, NotFound> {
        self.output("EmailQueueUrl")
    }

    pub(crate) fn dead_letter_queue_url(&self) -> Result<String, NotFound> {
        self.output("EmailDeadLetterQueueUrl")
    }

    /// The delivery ledger.
    pub(crate) fn ledger(&self) -> Result<EmailsTable, NotFound> {
        Ok(EmailsTable::new(clients::dynamodb(&self.sdk), self.output("EmailsTableName")?))
    }

    pub(crate) fn holds(&self) -> Result<HoldsTable, NotFound> {
        Ok(HoldsTable::new(clients::dynamodb(&self.sdk), self.output("HoldsTableName")?))
    }

    pub(crate) fn event_source(&self) -> Result<WorkerEventSource, NotFound> {
        let function = self.output("EmailWorkerFunctionName")?;
        Ok(WorkerEventSource::new(clients::lambda(&self.sdk), function))
    }
}

async fn outputs(
    client: &Client,
    stack: &str,
    region: &str,
) -> Result<HashMap<String, String>, NotFound> {
    const FIND: &str = "finding the stack";
    let described = client.describe_stacks().stack_name(stack).send().await;
    let stacks = match described {
        Ok(described) => described.stacks.unwrap_or_default(),
        Err(error) if error.as_service_error().is_some_and(says_there_is_none) => Vec::new(),
        Err(error) => return Err(CallFailed::new(FIND, error).into()),
    };
    let found = stacks
        .into_iter()
        .next()
        .ok_or_else(|| NotFound::NoStack { stack: stack.to_owned(), region: region.to_owned() })?;
    let outputs = found.outputs.unwrap_or_default().into_iter();
    Ok(outputs.filter_map(|output| Some((output.output_key?, output.output_value?))).collect())
}

/// CloudFormation has no error of its own for it.
fn says_there_is_none(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("ValidationError")
        && error.message().is_some_and(|message| message.contains("does not exist"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::{
        error::ErrorMetadata,
        operation::describe_stacks::{DescribeStacksError, DescribeStacksOutput},
        types::{Output, Stack, StackStatus},
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};

    use super::*;

    async fn ask(rule: &Rule) -> Result<HashMap<String, String>, NotFound> {
        let client = mock_client!(aws_sdk_cloudformation, [rule]);
        outputs(&client, "registrar", "eu-west-1").await
    }

    fn refused(code: &'static str, message: &'static str) -> Rule {
        mock!(Client::describe_stacks).then_error(move || {
            DescribeStacksError::generic(
                ErrorMetadata::builder().code(code).message(message).build(),
            )
        })
    }

    #[tokio::test]
    async fn outputs_are_found_by_the_stacks_name() {
        let rule = mock!(Client::describe_stacks)
            .match_requests(|request| request.stack_name() == Some("registrar"))
            .then_output(|| {
                let output = Output::builder().output_key("EmailQueueUrl").output_value("q");
                let stack = Stack::builder()
                    .stack_name("registrar")
                    .creation_time(aws_sdk_cloudformation::primitives::DateTime::from_secs(0))
                    .stack_status(StackStatus::CreateComplete)
                    .outputs(output.build());
                DescribeStacksOutput::builder().stacks(stack.build()).build()
            });
        let outputs = ask(&rule).await.unwrap();
        assert_eq!(outputs["EmailQueueUrl"], "q");

        let sdk = SdkConfig::builder().build();
        let deployment = Deployment { stack: "registrar".to_owned(), outputs, sdk };
        assert_eq!(deployment.email_queue_url().unwrap(), "q");
        let error = deployment.output("EmailsTableName").unwrap_err().to_string();
        assert!(
            error.starts_with("the stack `registrar` has no output EmailsTableName"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn errors_say_what_is_wrong() {
        let none = refused("ValidationError", "Stack with id registrar does not exist");
        let error = ask(&none).await.unwrap_err().to_string();
        assert!(error.starts_with("there is no CloudFormation stack `registrar` in eu-west-1: "));

        let denied = refused("AccessDenied", "User: x is not authorized to perform: y");
        let error = ask(&denied).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "finding the stack failed: access denied: User: x is not authorized to perform: y"
        );
    }
}
