//! Reads what happened to a payment without us.

use enrollment::{
    money::Amount,
    outside::OutsideRefund,
    payment::{IntentId, PaymentError},
};
use unavailable::Unavailable;

use super::{Call, LIST_REFUNDS, Stripe, error, parse, refund};
use crate::{
    notice,
    secret::SecretsSource,
    transport::Transport,
    webhook::{self, Event},
};

impl<S: SecretsSource + Sync, T: Transport + Sync> Stripe<S, T> {
    /// Reads an intent with the attempt that it was created for. `None`: it was not created here.
    pub async fn find_attempt(&self, id: &IntentId) -> Result<Option<Event>, PaymentError> {
        const FIND: &str = "looking up the payment of an event";
        let response = self.call(Call::get(FIND, format!("/v1/payment_intents/{id}"))).await?;
        match response.status {
            200 => webhook::about_intent(parse(FIND, &response)?)
                .map_err(|error| Unavailable::new(FIND, error).into()),
            _ => Err(error::ours(FIND, &response)),
        }
    }

    /// The refunds of an intent that we did not make, the oldest first, at most 100.
    pub async fn refunds_of_others(
        &self,
        id: &IntentId,
    ) -> Result<Vec<OutsideRefund>, PaymentError> {
        let refunds = self.refunds_of(id).await?.into_iter().rev();
        let of_others = refunds.filter(|object| !notice::is_ours(&object.metadata));
        let read = of_others.map(|object| {
            let amount = Amount::try_from(object.amount)
                .map_err(|error| Unavailable::new(LIST_REFUNDS, error))?;
            Ok(OutsideRefund { refund: refund(LIST_REFUNDS, object)?, amount })
        });
        read.collect()
    }
}
