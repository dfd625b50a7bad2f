//! How a stuck payment is resolved. An operator decides; the resumer, which can ask the payment provider, carries
//! it out. In the meantime the enrollment stays stuck, as it is for a reader of an earlier version.

use time::OffsetDateTime;

use crate::{
    enrollment::Enrollment,
    history::What,
    payment::{Decline, IntentId, IntentStatus, PaymentError},
    ports::PaymentProvider,
    resolution::Resolution,
};

/// The next version of a stuck enrollment; `None`: the provider does not know yet whether it is charged.
pub(crate) async fn outcome(
    provider: Option<&(impl PaymentProvider + Sync)>,
    stuck: &Enrollment,
    resolution: Resolution,
    now: OffsetDateTime,
) -> Result<Option<Enrollment>, PaymentError> {
    let charged = match (stuck.intent(), provider) {
        // Without an id it was never confirmed.
        (None, _) => Charged::Never,
        (Some(_), None) => Charged::NotYetKnown,
        (Some(id), Some(provider)) => cancel_unless_charged(provider, id).await?,
    };
    Ok(match (charged, resolution) {
        (Charged::NotYetKnown, _) => None,
        (Charged::Yes, Resolution::Grant) => Some(stuck.granted(now)),
        (Charged::Never, Resolution::Grant) => {
            let mut granted = stuck.granted(now);
            granted.drop_payment();
            Some(granted)
        }
        (Charged::Yes, Resolution::Refund) => Some(stuck.refunding(now)),
        (Charged::Never, Resolution::Refund) => {
            Some(stuck.noted(What::NotRefunded, now).failed(Decline::abandoned()))
        }
        (Charged::Yes, Resolution::Fail) => Some(stuck.noted(What::NotFailed, now).unresolved(now)),
        (Charged::Never, Resolution::Fail) => Some(stuck.failed(Decline::abandoned())),
    })
}

/// Whether an intent is charged, once that can no longer change.
enum Charged {
    Yes,
    /// It was never charged, and is cancelled.
    Never,
    NotYetKnown,
}

/// Cancels the intent unless it is charged or in progress: nobody may pay it on a screen later.
async fn cancel_unless_charged(
    provider: &(impl PaymentProvider + Sync),
    id: &IntentId,
) -> Result<Charged, PaymentError> {
    let mut status = provider.find(id).await?.status;
    if !matches!(
        status,
        IntentStatus::Succeeded | IntentStatus::Cancelled | IntentStatus::Processing
    ) {
        // The provider decides the race with the student.
        status = provider.cancel(id).await?.status;
    }
    Ok(match status {
        IntentStatus::Succeeded => Charged::Yes,
        IntentStatus::Cancelled => Charged::Never,
        _ => Charged::NotYetKnown,
    })
}
