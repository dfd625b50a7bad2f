//! Suppressed recipients. The copy of the list is looked up first; for a recipient in the copy, SES
//! decides.

use adapters::tables::SuppressionsTable;
use aws_sdk_sesv2::{
    Client, error::ProvideErrorMetadata,
    operation::get_suppressed_destination::GetSuppressedDestinationError as Refusal,
};
use email::{
    EmailAddress,
    suppression::{SuppressionCause, Suppressions},
};
use unavailable::Unavailable;

/// The copy, and SES's account-level suppression list. Needs `dynamodb:GetItem` and
/// `dynamodb:DeleteItem` on the table, and `ses:GetSuppressedDestination`.
///
/// SES allows about one such request per second for a whole account, so it is asked only about
/// recipients in the copy. If SES no longer lists a recipient, the adapter removes it from the copy.
#[derive(Debug, Clone)]
pub struct KnownSuppressions {
    copy: SuppressionsTable,
    ses: Client,
}

impl KnownSuppressions {
    /// `ses` is a client with the usual limits, not the one that sends.
    pub fn new(copy: SuppressionsTable, ses: Client) -> Self {
        Self { copy, ses }
    }

    /// Whether SES suppresses the recipient now.
    async fn is_listed(&self, recipient: &EmailAddress) -> Result<bool, Unavailable> {
        let listed = self
            .ses
            .get_suppressed_destination()
            .email_address(recipient.for_provider())
            .send()
            .await;
        match listed {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(Refusal::is_not_found_exception) => {
                Ok(false)
            }
            // Only the code: SES's messages and the request's path name the recipient.
            Err(error) => {
                let code = error.code().unwrap_or("no response").to_owned();
                Err(Unavailable::new("asking SES for a suppression", code))
            }
        }
    }
}

impl Suppressions for KnownSuppressions {
    async fn find(
        &self,
        recipient: &EmailAddress,
    ) -> Result<Option<SuppressionCause>, Unavailable> {
        self.copy.find(recipient).await
    }

    async fn confirm(&self, recipient: &EmailAddress) -> Result<bool, Unavailable> {
        if self.is_listed(recipient).await? {
            return Ok(true);
        }
        if let Err(error) = self.copy.remove(recipient).await {
            // Harmless: the next lookup asks SES again.
            tracing::warn!(%error, "a suppression was not removed from the copy");
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        operation::{delete_item::DeleteItemOutput, get_item::GetItemOutput},
        types::AttributeValue,
    };
    use aws_sdk_sesv2::{
        config::retry::RetryConfig,
        error::ErrorMetadata,
        operation::get_suppressed_destination::{
            GetSuppressedDestinationError, GetSuppressedDestinationOutput,
        },
        types::error::{NotFoundException, TooManyRequestsException},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    /// The result, and how many times the recipient was removed from the copy.
    async fn find(
        is_in_copy: bool,
        ses: &Rule,
    ) -> (Result<Option<SuppressionCause>, Unavailable>, usize) {
        let get = mock!(aws_sdk_dynamodb::Client::get_item).then_output(move || {
            let output = GetItemOutput::builder();
            if is_in_copy {
                output.item("cause", AttributeValue::S("bounce".to_owned())).build()
            } else {
                output.build()
            }
        });
        let remove = mock!(aws_sdk_dynamodb::Client::delete_item)
            .then_output(|| DeleteItemOutput::builder().build());
        let dynamodb = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&get, &remove]);
        let ses = mock_client!(aws_sdk_sesv2, RuleMode::MatchAny, [ses], |config| config
            .retry_config(RetryConfig::disabled()));
        let copy = SuppressionsTable::new(dynamodb, "suppressions".to_owned());
        let known = KnownSuppressions::new(copy, ses);
        let recipient = "ada@example.com".parse().unwrap();
        let found = match known.find(&recipient).await.unwrap() {
            None => Ok(None),
            Some(cause) => known.confirm(&recipient).await.map(|listed| listed.then_some(cause)),
        };
        (found, remove.num_calls())
    }

    fn refused(error: impl Fn() -> GetSuppressedDestinationError + Send + Sync + 'static) -> Rule {
        mock!(Client::get_suppressed_destination).then_error(error)
    }

    fn not_listed() -> Rule {
        refused(|| {
            let error = NotFoundException::builder().build();
            GetSuppressedDestinationError::NotFoundException(error)
        })
    }

    #[tokio::test]
    async fn ses_is_asked_only_about_recipients_in_the_copy() {
        let ses = not_listed();
        let (found, removed) = find(false, &ses).await;
        assert_eq!((found.unwrap(), removed, ses.num_calls()), (None, 0, 0));
    }

    #[tokio::test]
    async fn recipient_that_ses_lists_is_suppressed() {
        let ses = mock!(Client::get_suppressed_destination)
            .match_requests(|request| request.email_address() == Some("ada@example.com"))
            .then_output(|| GetSuppressedDestinationOutput::builder().build());
        let (found, removed) = find(true, &ses).await;
        assert_eq!((found.unwrap(), removed), (Some(SuppressionCause::Bounce), 0));
    }

    #[tokio::test]
    async fn recipient_that_ses_no_longer_lists_is_removed_from_the_copy() {
        let (found, removed) = find(true, &not_listed()).await;
        assert_eq!((found.unwrap(), removed), (None, 1));
    }

    #[tokio::test]
    async fn lookup_that_ses_refuses_is_an_error_without_the_address() {
        let ses = refused(|| {
            let error = TooManyRequestsException::builder()
                .message("ada@example.com was asked for too often")
                .meta(ErrorMetadata::builder().code("TooManyRequestsException").build())
                .build();
            GetSuppressedDestinationError::TooManyRequestsException(error)
        });
        let (found, removed) = find(true, &ses).await;
        let error = found.unwrap_err().to_string();
        let expected = "asking SES for a suppression failed: TooManyRequestsException (at ";
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains('@'), "{error}");
        assert_eq!(removed, 0);
    }
}
