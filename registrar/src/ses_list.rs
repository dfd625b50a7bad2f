//! SES's account-level suppression list, which decides whether SES delivers to a recipient.
//!
//! SES allows about one such request per second for a whole account, so these calls are for people only.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_sesv2::{
    Client, operation::get_suppressed_destination::GetSuppressedDestinationError,
    primitives::DateTime, types::SuppressionListReason,
};
use email::{EmailAddress, suppression::SuppressionCause};
use time::OffsetDateTime;

use crate::aws_call::CallFailed;

/// A recipient on SES's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) address: String,
    pub(crate) cause: SuppressionCause,
    /// When SES last changed the entry.
    pub(crate) since: OffsetDateTime,
}

/// The list of this account and region.
#[derive(Debug, Clone)]
pub(crate) struct SesList {
    client: Client,
}

impl SesList {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk) }
    }

    #[cfg(test)]
    pub(crate) fn with_client(client: Client) -> Self {
        Self { client }
    }

    /// `None` if SES delivers to the recipient. Needs `ses:GetSuppressedDestination`.
    pub(crate) async fn find(
        &self,
        recipient: &EmailAddress,
    ) -> Result<Option<Listed>, CallFailed> {
        const OPERATION: &str = "asking SES for a suppression";
        let request = self.client.get_suppressed_destination();
        match request.email_address(recipient.for_provider()).send().await {
            Ok(found) => Ok(found.suppressed_destination.map(|found| Listed {
                address: found.email_address,
                cause: cause(&found.reason),
                since: time(&found.last_update_time),
            })),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetSuppressedDestinationError::is_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(CallFailed::new(OPERATION, error)),
        }
    }
}

/// SES has no other reasons (SES API v2 Reference, `SuppressedDestination`).
fn cause(reason: &SuppressionListReason) -> SuppressionCause {
    match reason {
        SuppressionListReason::Complaint => SuppressionCause::Complaint,
        _ => SuppressionCause::Bounce,
    }
}

fn time(at: &DateTime) -> OffsetDateTime {
    SystemTime::try_from(*at).map_or(OffsetDateTime::UNIX_EPOCH, OffsetDateTime::from)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::{
        operation::get_suppressed_destination::GetSuppressedDestinationOutput,
        types::{SuppressedDestination, error::NotFoundException},
    };
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    fn ada() -> EmailAddress {
        "ada@example.com".parse().unwrap()
    }

    #[tokio::test]
    async fn recipient_is_found_with_its_cause_or_not_listed() {
        let found = mock!(Client::get_suppressed_destination)
            .match_requests(|request| request.email_address() == Some("ada@example.com"))
            .then_output(|| {
                let entry = SuppressedDestination::builder()
                    .email_address("ada@example.com")
                    .reason(SuppressionListReason::Complaint)
                    .last_update_time(DateTime::from_secs(60));
                GetSuppressedDestinationOutput::builder()
                    .suppressed_destination(entry.build().unwrap())
                    .build()
            });
        let list = SesList::with_client(mock_client!(aws_sdk_sesv2, [&found]));
        let listed = list.find(&ada()).await.unwrap().unwrap();
        assert_eq!(
            (listed.cause, listed.since.unix_timestamp()),
            (SuppressionCause::Complaint, 60)
        );

        let none = mock!(Client::get_suppressed_destination).then_error(|| {
            let error = NotFoundException::builder().build();
            GetSuppressedDestinationError::NotFoundException(error)
        });
        let list = SesList::with_client(mock_client!(aws_sdk_sesv2, [&none]));
        assert_eq!(list.find(&ada()).await.unwrap(), None);
    }
}
