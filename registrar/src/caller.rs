//! Who runs the command, as AWS knows them.

use aws_config::SdkConfig;
use aws_sdk_sts::Client;
use enrollment::history::Actor;

use crate::aws_call::CallFailed;

const OPERATION: &str = "finding out who runs the command";

/// The ARN of the caller. `sts:GetCallerIdentity` needs no permission (STS API Reference).
pub(crate) async fn caller(sdk: &SdkConfig) -> Result<Actor, CallFailed> {
    caller_with(&Client::new(sdk)).await
}

async fn caller_with(client: &Client) -> Result<Actor, CallFailed> {
    let identity = client.get_caller_identity().send().await;
    let identity = identity.map_err(|error| CallFailed::new(OPERATION, error))?;
    let arn = identity.arn().unwrap_or_default();
    arn.parse().map_err(|error| CallFailed::other(OPERATION, &error))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    #[tokio::test]
    async fn caller_is_an_arn_and_never_nobody() {
        const ARN: &str = "arn:aws:sts::123456789012:assumed-role/support/ada";
        for (arn, expected) in [(Some(ARN), Some(ARN)), (None, None)] {
            let rule = mock!(Client::get_caller_identity).then_output(move || {
                GetCallerIdentityOutput::builder().set_arn(arn.map(str::to_owned)).build()
            });
            let caller = caller_with(&mock_client!(aws_sdk_sts, [&rule])).await.ok();
            assert_eq!(caller.as_ref().map(Actor::as_str), expected);
        }
    }
}
