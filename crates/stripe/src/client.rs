//! The five calls to Stripe's API.

use enrollment::{
    payment::{Charge, Created, Decline, Intent, IntentId},
    ports::PaymentProvider,
};
use http::Method;
use unavailable::Unavailable;

use crate::{
    object::{Failed, IntentObject},
    secret::SecretsSource,
    transport::{Call, StripeResponse, Transport},
};

pub const API_URL: &str = "https://api.stripe.com";

/// Stripe's payment intents and refunds.
///
/// Every writing call carries an idempotency key made from the enrollment, the attempt and the step, so
/// it may be repeated. To a repeated key Stripe returns its first response. The intent is then read
/// again, so every result here is the intent's current status.
#[derive(Debug)]
pub struct Stripe<S> {
    transport: Transport,
    secrets: S,
}

impl<S: SecretsSource + Sync> Stripe<S> {
    /// `url` is [`API_URL`], except in tests.
    pub fn new(url: String, secrets: S) -> Self {
        Self { transport: Transport::new(url), secrets }
    }

    pub fn secrets(&self) -> &S {
        &self.secrets
    }

    async fn call(&self, call: Call<'_>) -> Result<StripeResponse, Unavailable> {
        let operation = call.operation;
        let response = self.transport.call(&self.secrets.secrets().await?.api_key, call).await?;
        match response.status {
            // The API key is wrong, a call with the same idempotency key is in progress, too many calls,
            // or Stripe is down: nothing that the student can fix.
            401 | 403 | 409 | 429 | 500.. => Err(refused(operation, &response)),
            _ => Ok(response),
        }
    }

    async fn find(&self, id: &str) -> Result<Intent, Unavailable> {
        const FIND: &str = "looking up a payment";
        let path = format!("/v1/payment_intents/{id}");
        let method = Method::GET;
        let call = Call { operation: FIND, method, path, idempotency_key: None, form: &[] };
        let response = self.call(call).await?;
        if response.status != 200 {
            return Err(refused(FIND, &response));
        }
        intent(FIND, &response)
    }

    /// One step of an existing intent. If the intent cannot take the step, returns its current status.
    async fn step(
        &self,
        operation: &'static str,
        charge: Charge<'_>,
        id: &IntentId,
        step: &str,
        form: &[(&str, String)],
    ) -> Result<Intent, Unavailable> {
        let call = Call {
            operation,
            method: Method::POST,
            path: format!("/v1/payment_intents/{id}/{step}"),
            idempotency_key: Some(charge.idempotency_key(step)),
            form,
        };
        let response = self.call(call).await?;
        if response.status == 200 && !response.replayed {
            intent(operation, &response)
        } else {
            self.find(id.as_str()).await
        }
    }
}

impl<S: SecretsSource + Sync> PaymentProvider for Stripe<S> {
    async fn create(&self, charge: Charge<'_>) -> Result<Created, Unavailable> {
        const CREATE: &str = "creating a payment";
        let payment = charge.payment;
        let form = [
            ("amount", u64::from(payment.price.amount).to_string()),
            ("currency", payment.price.currency.to_string().to_lowercase()),
            ("payment_method", payment.method.to_string()),
            ("payment_method_types[0]", "card".to_owned()),
            ("metadata[enrollment_id]", charge.enrollment_id.to_string()),
            ("metadata[student_id]", charge.student_id.to_string()),
            ("metadata[course_id]", charge.course_id.to_string()),
            ("metadata[attempt]", payment.attempt.to_string()),
        ];
        let call = Call {
            operation: CREATE,
            method: Method::POST,
            path: "/v1/payment_intents".to_owned(),
            idempotency_key: Some(charge.idempotency_key("create")),
            form: &form,
        };
        let response = self.call(call).await?;
        if response.status != 200 {
            return Ok(Created::Refused(decline(CREATE, &response)?));
        }
        let created = intent(CREATE, &response)?;
        let now = if response.replayed { self.find(created.id.as_str()).await? } else { created };
        Ok(Created::Intent(now))
    }

    async fn confirm(&self, charge: Charge<'_>, id: &IntentId) -> Result<Intent, Unavailable> {
        self.step("confirming a payment", charge, id, "confirm", &[]).await
    }

    async fn cancel(&self, charge: Charge<'_>, id: &IntentId) -> Result<Intent, Unavailable> {
        self.step("cancelling a payment", charge, id, "cancel", &[]).await
    }

    async fn refund(&self, charge: Charge<'_>, id: &IntentId) -> Result<(), Unavailable> {
        const REFUND: &str = "refunding a payment";
        let form = [("payment_intent", id.to_string())];
        let call = Call {
            operation: REFUND,
            method: Method::POST,
            path: "/v1/refunds".to_owned(),
            idempotency_key: Some(charge.idempotency_key("refund")),
            form: &form,
        };
        let response = self.call(call).await?;
        let done = response.status == 200
            || response.parse::<Failed>(REFUND)?.error.code() == "charge_already_refunded";
        if done { Ok(()) } else { Err(refused(REFUND, &response)) }
    }
}

fn intent(operation: &'static str, response: &StripeResponse) -> Result<Intent, Unavailable> {
    response
        .parse::<IntentObject>(operation)?
        .intent()
        .ok_or_else(|| Unavailable::new(operation, "the payment has an unknown status"))
}

fn decline(operation: &'static str, response: &StripeResponse) -> Result<Decline, Unavailable> {
    Ok(response.parse::<Failed>(operation)?.error.decline())
}

/// Status and code only: Stripe's message may repeat a value of the request.
fn refused(operation: &'static str, response: &StripeResponse) -> Unavailable {
    let failed = response.parse::<Failed>(operation);
    let code = failed.as_ref().map(|failed| failed.error.code()).unwrap_or_default();
    Unavailable::new(operation, format!("Stripe responded {} {code}", response.status))
}

#[cfg(test)]
mod tests;
