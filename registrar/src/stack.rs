//! The deployed stack that a command works on: the CloudFormation stack with its parameters, and the
//! resources that its outputs name.

use std::{collections::HashMap, str::FromStr};

use adapters::{
    clients,
    event_source::WorkerEventSource,
    tables::{
        CatalogueTables, CoursesTable, EmailsTable, EnrollmentsTable, HoldsTable, PersonalData,
        PriceChangesTable, ProgressTable, ResumeIndex, SuppressionsTable,
    },
};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::{Client, error::ProvideErrorMetadata};
use enrollment::retention::Retention;

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
    /// Its ARN.
    id: String,
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

    /// The ARN of the stack.
    pub(crate) fn id(&self) -> &str {
        &self.described.id
    }

    /// The deployed values of all parameters.
    pub(crate) fn parameters(&self) -> &HashMap<String, String> {
        &self.described.parameters
    }

    /// The physical ids of the resources, by their logical ids. Needs `cloudformation:ListStackResources`.
    pub(crate) async fn resources(&self) -> Result<HashMap<String, String>, StackError> {
        resources(&Client::new(&self.sdk), &self.name).await
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
        // A stack of an earlier version has no retention.
        let retention = match self.parameter("EnrollmentRetentionDays") {
            Some(_) => self.parsed("EnrollmentRetentionDays")?,
            None => Retention::default(),
        };
        let table = EnrollmentsTable::new(clients::dynamodb(&self.sdk), table, seats);
        Ok(table.retaining(retention))
    }

    pub(crate) fn personal_data(&self) -> Result<PersonalData, StackError> {
        let enrollments = self.output("EnrollmentsTableName")?;
        let emails = self.output("EmailsTableName")?;
        Ok(PersonalData::new(clients::dynamodb(&self.sdk), enrollments, emails))
    }

    pub(crate) fn courses(&self) -> Result<CoursesTable, StackError> {
        Ok(CoursesTable::new(clients::dynamodb(&self.sdk), self.output("CoursesTableName")?))
    }

    /// The courses, to write them.
    pub(crate) fn catalogue(&self) -> Result<CatalogueTables, StackError> {
        let (seats, prices) =
            (self.output("SeatsTableName")?, self.output("PriceChangesTableName")?);
        Ok(CatalogueTables::new(self.courses()?, seats, prices))
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
        id: found.stack_id.unwrap_or_default(),
        outputs: outputs.filter_map(|each| Some((each.output_key?, each.output_value?))).collect(),
        // CloudFormation reports every parameter, also one that has its default.
        parameters: parameters
            .filter_map(|each| Some((each.parameter_key?, each.parameter_value?)))
            .collect(),
    })
}

async fn resources(client: &Client, stack: &str) -> Result<HashMap<String, String>, StackError> {
    let pages = client.list_stack_resources().stack_name(stack).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await;
    let all = all.map_err(|error| CallFailed::new("listing the resources of the stack", error))?;
    let ids = all
        .into_iter()
        .filter_map(|each| Some((each.logical_resource_id?, each.physical_resource_id?)));
    Ok(ids.collect())
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
        operation::{
            describe_stacks::{DescribeStacksError, DescribeStacksOutput},
            list_stack_resources::ListStackResourcesOutput,
        },
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
    async fn resources_are_read_from_all_pages() {
        let page = |id: &'static str, token: Option<&'static str>| {
            let resource = types::StackResourceSummary::builder()
                .logical_resource_id(id)
                .physical_resource_id(format!("physical {id}"))
                .resource_type("T")
                .last_updated_timestamp(aws_sdk_cloudformation::primitives::DateTime::from_secs(0))
                .resource_status(types::ResourceStatus::CreateComplete)
                .build();
            let page = ListStackResourcesOutput::builder().stack_resource_summaries(resource);
            let page = page.set_next_token(token.map(ToOwned::to_owned)).build();
            move || page.clone()
        };
        let first = mock!(Client::list_stack_resources)
            .match_requests(|request| request.next_token().is_none())
            .then_output(page("A", Some("next")));
        let second = mock!(Client::list_stack_resources)
            .match_requests(|request| request.next_token() == Some("next"))
            .then_output(page("B", None));
        let client = mock_client!(aws_sdk_cloudformation, [&first, &second]);
        let found = resources(&client, "registrar").await.unwrap();
        assert_eq!((found["A"].as_str(), found["B"].as_str()), ("physical A", "physical B"));
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
