//! SES's account-level suppression list, which decides whether SES delivers to a recipient.
//!
//! SES allows about one such request per second for a whole account, so these calls are for people only.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_sesv2::{
    Client,
    operation::{
        delete_suppressed_destination::DeleteSuppressedDestinationError,
        get_suppressed_destination::GetSuppressedDestinationError,
    },
    primitives::DateTime,
    types::SuppressionListReason,
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

    /// The whole list. Needs `ses:ListSuppressedDestinations`.
    pub(crate) async fn all(&self) -> Result<Vec<Listed>, CallFailed> {
        const OPERATION: &str = "reading SES's suppression list";
        let mut listed = Vec::new();
        let request = self.client.list_suppressed_destinations();
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| CallFailed::new(OPERATION, error))?;
            listed.extend(
                page.suppressed_destination_summaries.unwrap_or_default().into_iter().map(|each| {
                    Listed {
                        cause: cause(&each.reason),
                        since: time(&each.last_update_time),
                        address: each.email_address,
                    }
                }),
            );
        }
        Ok(listed)
    }

    /// Needs `ses:PutSuppressedDestination`.
    pub(crate) async fn add(
        &self,
        recipient: &EmailAddress,
        cause: SuppressionCause,
    ) -> Result<(), CallFailed> {
        let reason = match cause {
            SuppressionCause::Bounce => SuppressionListReason::Bounce,
            SuppressionCause::Complaint => SuppressionListReason::Complaint,
        };
        let request = self.client.put_suppressed_destination();
        let put = request.email_address(recipient.for_provider()).reason(reason).send().await;
        put.map_err(|error| CallFailed::new("adding to SES's suppression list", error))?;
        Ok(())
    }

    /// Whether the recipient was on the list. Needs `ses:DeleteSuppressedDestination`.
    pub(crate) async fn remove(&self, recipient: &EmailAddress) -> Result<bool, CallFailed> {
        const OPERATION: &str = "removing from SES's suppression list";
        let request = self.client.delete_suppressed_destination();
        match request.email_address(recipient.for_provider()).send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteSuppressedDestinationError::is_not_found_exception) =>
            {
                Ok(false)
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
        operation::{
            get_suppressed_destination::GetSuppressedDestinationOutput,
            list_suppressed_destinations::ListSuppressedDestinationsOutput,
        },
        types::{SuppressedDestination, SuppressedDestinationSummary, error::NotFoundException},
    };
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

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

    #[tokio::test]
    async fn list_is_read_page_by_page() {
        let page =
            |token: Option<&'static str>, next: Option<&'static str>, address: &'static str| {
                mock!(Client::list_suppressed_destinations)
                    .match_requests(move |request| request.next_token() == token)
                    .then_output(move || {
                        let entry = SuppressedDestinationSummary::builder()
                            .email_address(address)
                            .reason(SuppressionListReason::Bounce)
                            .last_update_time(DateTime::from_secs(60));
                        ListSuppressedDestinationsOutput::builder()
                            .suppressed_destination_summaries(entry.build().unwrap())
                            .set_next_token(next.map(str::to_owned))
                            .build()
                    })
            };
        let (first, second) = (page(None, Some("2"), "a@x.org"), page(Some("2"), None, "b@x.org"));
        let client = mock_client!(aws_sdk_sesv2, RuleMode::MatchAny, [&first, &second]);
        let listed = SesList::with_client(client).all().await.unwrap();
        let addresses: Vec<_> = listed.iter().map(|each| each.address.as_str()).collect();
        assert_eq!(addresses, ["a@x.org", "b@x.org"]);
    }
}
