//! The parts of Stripe's objects that are used here.

use enrollment::payment::{Decline, Intent, IntentStatus};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct IntentObject {
    id: String,
    status: String,
    client_secret: Option<String>,
    last_payment_error: Option<ErrorObject>,
    #[serde(default)]
    pub(crate) metadata: Metadata,
}

/// Written by us when the intent was created.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) enrollment_id: Option<String>,
    pub(crate) student_id: Option<String>,
    pub(crate) course_id: Option<String>,
    pub(crate) attempt: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorObject {
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
}

/// The body of a response that is not a success.
#[derive(Deserialize)]
pub(crate) struct Failed {
    pub(crate) error: ErrorObject,
}

impl ErrorObject {
    /// Empty if there is none.
    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// For the student: the bank's code before Stripe's, and Stripe's text, which is written for
    /// customers.
    pub(crate) fn decline(self) -> Decline {
        let code = self.decline_code.or(self.code);
        Decline {
            code: code.unwrap_or_else(|| "card_declined".to_owned()),
            message: self.message.unwrap_or_else(|| "The payment was declined.".to_owned()),
        }
    }
}

impl IntentObject {
    /// `None`: unknown status.
    pub(crate) fn intent(self) -> Option<Intent> {
        let status = match (self.status.as_str(), self.last_payment_error) {
            ("requires_payment_method", Some(error)) => IntentStatus::Declined(error.decline()),
            ("requires_payment_method" | "requires_confirmation", _) => {
                IntentStatus::AwaitingConfirmation
            }
            ("requires_action", _) => IntentStatus::RequiresAction {
                client_secret: self.client_secret.unwrap_or_default(),
            },
            ("processing" | "requires_capture", _) => IntentStatus::Processing,
            ("succeeded", _) => IntentStatus::Succeeded,
            ("canceled", _) => IntentStatus::Cancelled,
            _ => return None,
        };
        Some(Intent { id: self.id.parse().ok()?, status })
    }
}
