//! Lists payments, for the nightly comparison.
//!
//! Not by Stripe's search: "Don't use search in read-after-write flows where strict consistency is necessary"; its data
//! may be an hour late, and it is not available everywhere (Stripe API reference, "Search `PaymentIntents`"). A list has
//! every intent at once (Stripe docs, "Search", "Data freshness").

use enrollment::{
    payment::{IntentId, PaymentError},
    reconcile::{ListPayments, MadePayment, PaymentPage, Window},
};
use serde::Deserialize;
use serde_json::Value;
use unavailable::Unavailable;

use super::{Call, LIST_TIMEOUT, Stripe, error, parse};
use crate::{
    object::{ChargeObject, List},
    secret::SecretsSource,
    transport::Transport,
    webhook::{self, Event},
};

/// Intents per page: Stripe's maximum.
const PAGE_SIZE: u32 = 100;

impl<S: SecretsSource + Sync, T: Transport + Sync> ListPayments for Stripe<S, T> {
    async fn list_payments(
        &self,
        window: Window,
        after: Option<&IntentId>,
    ) -> Result<PaymentPage, PaymentError> {
        const LIST: &str = "listing payments";
        let mut query = vec![
            ("limit", PAGE_SIZE.to_string()),
            ("created[gte]", window.from.unix_timestamp().to_string()),
            ("created[lt]", window.until.unix_timestamp().to_string()),
            ("expand[]", "data.latest_charge".to_owned()),
        ];
        query.extend(after.map(|id| ("starting_after", id.to_string())));
        let query =
            serde_urlencoded::to_string(query).map_err(|error| Unavailable::new(LIST, error))?;
        let call = Call::get(LIST, format!("/v1/payment_intents?{query}"));
        let response = self.call(Call { timeout: LIST_TIMEOUT, ..call }).await?;
        if response.status != 200 {
            return Err(error::ours(LIST, &response));
        }
        let list: List<Value> = parse(LIST, &response)?;
        page(LIST, list)
    }

    async fn read_payment(&self, id: &IntentId) -> Result<Option<MadePayment>, PaymentError> {
        const READ: &str = "reading a payment again";
        let path = format!("/v1/payment_intents/{id}?expand%5B%5D=latest_charge");
        let response = self.call(Call::get(READ, path)).await?;
        if response.status != 200 {
            return Err(error::ours(READ, &response));
        }
        match payment(parse(READ, &response)?) {
            Listed::Foreign => Ok(None),
            Listed::MadeHere(made) => Ok(Some(*made)),
            Listed::Unreadable => {
                Err(Unavailable::new(READ, "the payment's status or amount is unknown").into())
            }
        }
    }
}

fn page(operation: &'static str, list: List<Value>) -> Result<PaymentPage, PaymentError> {
    let mut page = PaymentPage::default();
    let mut end = None;
    for object in list.data {
        let id: Option<IntentId> = object["id"].as_str().and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Unavailable::new(operation, "an id is missing or malformed"))?;
        match payment(object) {
            Listed::Foreign => page.foreign += 1,
            Listed::MadeHere(made) => page.made_here.push(*made),
            Listed::Unreadable => page.unreadable.push(id.clone()),
        }
        end = Some(id);
    }
    if list.has_more {
        // Otherwise the next call would read the first page again.
        let id = end.ok_or_else(|| Unavailable::new(operation, "an empty page is not the last"))?;
        page.next = Some(id);
    }
    Ok(page)
}

enum Listed {
    Foreign,
    MadeHere(Box<MadePayment>),
    Unreadable,
}

fn payment(object: Value) -> Listed {
    let charge = object["latest_charge"].clone();
    let event = match webhook::about_intent(object) {
        Ok(None) => return Listed::Foreign,
        Ok(Some(event)) => event,
        Err(_) => return Listed::Unreadable,
    };
    let Event { student_id, course_id, enrollment_id, attempt, intent } = event;
    // An intent that was never tried has no charge.
    let refunded = match charge {
        Value::Null => 0,
        charge => match ChargeObject::deserialize(charge) {
            Ok(charge) => charge.amount_refunded,
            Err(_) => return Listed::Unreadable,
        },
    };
    let made = MadePayment { student_id, course_id, enrollment_id, attempt, intent, refunded };
    Listed::MadeHere(Box::new(made))
}

#[cfg(test)]
mod tests;
