//! The deployed stack that a command works on: the CloudFormation stack with its parameters, and the
//! resources that its outputs name.

use std::{collections::HashMap, str::FromStr};

use adapters::{
    clients,
    event_source::WorkerEventSource,
    tables::{
        CoursesTable, EmailsTable, EnrollmentsTable, HoldsTable, PriceChangesTable, ProgressTable,
        ResumeIndex, SuppressionsTable,
    },
};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::{Client, error::ProvideErrorMetadata};

use crate::{aws_call::CallFailed, session::Session};

/// The argument that names the stack.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Name of the deployed CloudFormation stack
    #[arg(
        long,
        value_name = "NAME",
        env = "REGISTRAR_STACK_NAME",
        default_value = "registrar",
        global = true
    )]
    stack: String,
}

/// Why a command cannot use a stack.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    #[error("no AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile that has one")]
    NoRegion,
    #[error(
        "there is no CloudFormation stack `{stack}` in {region}: --stack or REGISTRAR_STACK_NAME \
         selects another stack, AWS_REGION another region"
    )]
    NoStack { stack: String, region: String },
    #[error(
        "the stack `{stack}` has no output {output}: it is older than this command, still being \
         deployed, or not a stack of Registrar"
    )]
    NoOutput { stack: String, output: &'static str },
    #[error(
        "the stack `{stack}` has no usable parameter {parameter}: it is older than this command, or \
         not a stack of Registrar"
    )]
    NoParameter { stack: String, parameter: &'static str },
    #[error(transparent)]
    Call(#[from] CallFailed),
}

/// What CloudFormation reports about a stack.
#[derive(Debug, Default)]
struct Described {
    outputs: HashMap<String, String>,
    parameters: HashMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Stack {
    name: String,
    described: Described,
    sdk: SdkConfig,
}

impl Stack {
    /// Needs `cloudformation:DescribeStacks`.
    pub(crate) async fn find(args: &Args, session: &Session) -> Result<Self, StackError> {
        let sdk = session.sdk().await;
        let region = sdk.region().ok_or(StackError::NoRegion)?.to_string();
        let described = describe(&Client::new(&sdk), &args.stack, &region).await?;
        Ok(Self { name: args.stack.clone(), described, sdk })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    pub(crate) fn region(&self) -> &str {
        self.sdk.region().map_or("", AsRef::as_ref)
    }

    pub(crate) fn output(&self, name: &'static str) -> Result<String, StackError> {
        let output = self.described.outputs.get(name).cloned();
        output.ok_or_else(|| StackError::NoOutput { stack: self.name.clone(), output: name })
    }

    /// The deployed value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.described.parameters.get(name).map(String::as_str)
    }

    /// The deployed value of a parameter that every stack has.
    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, StackError> {
        let parsed = self.parameter(name).and_then(|text| text.parse().ok());
        let missing = || StackError::NoParameter { stack: self.name.clone(), parameter: name };
        parsed.ok_or_else(missing)
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        clients::sqs(&self.sdk)
    }

    pub(crate) fn email_queue_url(&self) -> Result<String, StackError> {
        self.output("EmailQueueUrl")
    }

    pub(crate) fn dead_letter_queue_url(&self) -> Result<String, StackError> {
        self.output("EmailDeadLetterQueueUrl")
    }

    pub(crate) fn ledger(&self) -> Result<EmailsTable, StackError> {
        Ok(EmailsTable::new(clients::dynamodb(&self.sdk), self.output("EmailsTableName")?))
    }

    pub(crate) fn progress(&self) -> Result<ProgressTable, StackError> {
        Ok(ProgressTable::new(clients::dynamodb(&self.sdk), self.output("EmailsTableName")?))
    }

    pub(crate) fn enrollments(&self) -> Result<EnrollmentsTable, StackError> {
        let table = self.output("EnrollmentsTableName")?;
        let seats = self.output("SeatsTableName")?;
        Ok(EnrollmentsTable::new(clients::dynamodb(&self.sdk), table, seats))
    }

    pub(crate) fn courses(&self) -> Result<CoursesTable, StackError> {
        Ok(CoursesTable::new(clients::dynamodb(&self.sdk), self.output("CoursesTableName")?))
    }

    pub(crate) fn price_changes(&self) -> Result<PriceChangesTable, StackError> {
        let table = self.output("PriceChangesTableName")?;
        Ok(PriceChangesTable::new(clients::dynamodb(&self.sdk), table))
    }

    /// The ARN of the policy of those who act on enrollments.
    pub(crate) fn payments_operator_policy(&self) -> Result<String, StackError> {
        self.output("PaymentsOperatorPolicyArn")
    }

    pub(crate) fn suppressions(&self) -> Result<SuppressionsTable, StackError> {
        let table = self.output("SuppressionsTableName")?;
        Ok(SuppressionsTable::new(clients::dynamodb(&self.sdk), table))
    }

    pub(crate) fn holds(&self) -> Result<HoldsTable, StackError> {
        Ok(HoldsTable::new(clients::dynamodb(&self.sdk), self.output("HoldsTableName")?))
    }

    pub(crate) fn resume_index(&self) -> Result<ResumeIndex, StackError> {
        let table = self.output("EnrollmentsTableName")?;
        Ok(ResumeIndex::new(clients::dynamodb(&self.sdk), table))
    }

    pub(crate) fn event_source(&self) -> Result<WorkerEventSource, StackError> {
        let function = self.output("EmailWorkerFunctionName")?;
        Ok(WorkerEventSource::new(clients::lambda(&self.sdk), function))
    }
}

async fn describe(client: &Client, stack: &str, region: &str) -> Result<Described, StackError> {
    const OPERATION: &str = "finding the stack";
    let described = client.describe_stacks().stack_name(stack).send().await;
    let stacks = match described {
        Ok(described) => described.stacks.unwrap_or_default(),
        Err(error) if error.as_service_error().is_some_and(is_no_such_stack) => Vec::new(),
        Err(error) => return Err(CallFailed::new(OPERATION, error).into()),
    };
    let found = stacks.into_iter().next().ok_or_else(|| StackError::NoStack {
        stack: stack.to_owned(),
        region: region.to_owned(),
    })?;
    let outputs = found.outputs.unwrap_or_default().into_iter();
    let parameters = found.parameters.unwrap_or_default().into_iter();
    Ok(Described {
        outputs: outputs.filter_map(|each| Some((each.output_key?, each.output_value?))).collect(),
        // CloudFormation reports every parameter, also one that has its default.
        parameters: parameters
            .filter_map(|each| Some((each.parameter_key?, each.parameter_value?)))
            .collect(),
    })
}

/// CloudFormation has no specific error for a stack that does not exist.
fn is_no_such_stack(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("ValidationError")
        && error.message().is_some_and(|message| message.contains("does not exist"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::{
        error::ErrorMetadata,
        operation::describe_stacks::{DescribeStacksError, DescribeStacksOutput},
        types::{self, Output, Parameter, StackStatus},
    };
    use aws_smithy_mocks::{Rule, mock, mock_client};

    use super::*;

    async fn described_by(rule: &Rule) -> Result<Described, StackError> {
        let client = mock_client!(aws_sdk_cloudformation, [rule]);
        describe(&client, "registrar", "eu-west-1").await
    }

    fn error_response(code: &'static str, message: &'static str) -> Rule {
        mock!(Client::describe_stacks).then_error(move || {
            DescribeStacksError::generic(
                ErrorMetadata::builder().code(code).message(message).build(),
            )
        })
    }

    #[tokio::test]
    async fn stack_is_found_by_its_name_with_its_outputs_and_parameters() {
        let rule = mock!(Client::describe_stacks)
            .match_requests(|request| request.stack_name() == Some("registrar"))
            .then_output(|| {
                let output = Output::builder().output_key("EmailQueueUrl").output_value("q");
                let limit = Parameter::builder().parameter_key("SendLimit").parameter_value("300");
                let stack = types::Stack::builder()
                    .parameters(limit.build())
                    .stack_name("registrar")
                    .creation_time(aws_sdk_cloudformation::primitives::DateTime::from_secs(0))
                    .stack_status(StackStatus::CreateComplete)
                    .outputs(output.build());
                DescribeStacksOutput::builder().stacks(stack.build()).build()
            });
        let described = described_by(&rule).await.unwrap();
        let sdk = SdkConfig::builder().build();
        let stack = Stack { name: "registrar".to_owned(), described, sdk };
        assert_eq!(stack.email_queue_url().unwrap(), "q");
        let error = stack.output("EmailsTableName").unwrap_err().to_string();
        assert!(
            error.starts_with("the stack `registrar` has no output EmailsTableName"),
            "{error}"
        );
        assert_eq!(stack.parsed::<u32>("SendLimit").unwrap(), 300);
        let error = stack.parsed::<u32>("SendWindowSeconds").unwrap_err().to_string();
        assert!(error.contains("has no usable parameter SendWindowSeconds"), "{error}");
    }

    #[tokio::test]
    async fn missing_stack_and_denied_access_are_named_in_the_error() {
        let none = error_response("ValidationError", "Stack with id registrar does not exist");
        let error = described_by(&none).await.unwrap_err().to_string();
        assert!(error.starts_with("there is no CloudFormation stack `registrar` in eu-west-1: "));

        let denied = error_response("AccessDenied", "User: x is not authorized to perform: y");
        let error = described_by(&denied).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "finding the stack failed: access denied: User: x is not authorized to perform: y"
        );
    }
}
