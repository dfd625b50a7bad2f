//! `registrar doctor`: checks a deployed stack and its account, or the account before a deployment.

mod checks;
mod finding;
mod gather;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, io::Write, str::FromStr};

use crate::{
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
};

use self::{
    finding::{Finding, Verdict},
    gather::{Parameters, before_deploy, of_account, of_stack},
};

/// The parameters that checks use.
const PARAMETERS: [&str; 8] = [
    "SenderAddress",
    "SenderIdentity",
    "SendLimit",
    "SendWindowSeconds",
    "SendSlackMilliseconds",
    "WorkerConcurrency",
    "ReserveConcurrency",
    "StripeSecretArn",
];

/// Check a deployed stack and its account, and say how to fix what is wrong
///
/// With --before-deploy, no stack is needed: the account is checked against the parameters that follow, as
/// `registrar plan --format parameters` prints them. A check whose parameters are not given is left out.
/// Exit code: 0 if nothing is wrong; 1 if something is wrong or could not be checked; 2 if the input is
/// invalid or the stack cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    /// Check what can be checked without a stack
    #[arg(long)]
    before_deploy: bool,
    /// Parameters of the deployment to come
    #[arg(value_name = "NAME=VALUE", requires = "before_deploy")]
    parameters: Vec<Assignment>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// A parameter and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assignment {
    name: String,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not NAME=VALUE")]
struct InvalidAssignment;

impl FromStr for Assignment {
    type Err = InvalidAssignment;

    fn from_str(text: &str) -> Result<Self, InvalidAssignment> {
        let (name, value) = text.split_once('=').ok_or(InvalidAssignment)?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let findings = if args.before_deploy {
        let given = args.parameters.iter().cloned();
        let given: HashMap<_, _> = given.map(|Assignment { name, value }| (name, value)).collect();
        let (sdk, parameters) = (session.sdk().await, Parameters(given));
        if sdk.region().is_none() {
            return Err(stack::StackError::NoRegion.into());
        }
        let mut findings = of_account(&sdk, &parameters).await;
        findings.extend(before_deploy(&sdk, &parameters).await);
        findings
    } else {
        let stack = Stack::find(&args.stack, session).await?;
        let deployed = PARAMETERS
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), stack.parameter(name)?.to_owned())));
        let parameters = Parameters(deployed.collect());
        let mut findings = of_account(stack.sdk(), &parameters).await;
        findings.extend(of_stack(&stack, &parameters).await);
        findings
    };
    write(&findings, args.json, out)?;
    Ok(outcome(&findings))
}

fn outcome(findings: &[Finding]) -> Outcome {
    let is_wrong =
        |finding: &Finding| matches!(finding.verdict, Verdict::Wrong | Verdict::NotChecked);
    if findings.iter().any(is_wrong) { Outcome::NeedsPerson } else { Outcome::Fine }
}

fn write(findings: &[Finding], json: bool, out: &mut impl Write) -> Result<(), Failure> {
    for finding in findings {
        if json {
            let line = serde_json::to_string(finding).map_err(std::io::Error::from)?;
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{:<11}  {:<20}  {}", finding.verdict.name(), finding.check, finding.what)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "{:35}to fix it: {remedy}", "")?;
        }
    }
    Ok(())
}
