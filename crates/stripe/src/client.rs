//! The payment provider's five calls.

use enrollment::{
    payment::{Charge, Created, Decline, Intent, IntentId},
    ports::PaymentProvider,
};
use http::Method;
use unavailable::Unavailable;

use crate::{
    object::{Failed, IntentObject},
    secret::SecretsSource,
    transport::{Answer, Call, Transport},
};

/// Where Stripe's API is.
pub const API_URL: &str = "https://api.stripe.com";

/// Stripe's payment intents and refunds.
///
/// Every writing call carries an idempotency key made from the enrollment, the attempt and the step,
/// so it may be repeated. What Stripe answers to a repeated key is what it answered the first time;
/// the intent is then read again, so every answer here is how the intent is now.
#[derive(Debug)]
pub struct Stripe<S> {
    transport: Transport,
    secrets: S,
}

impl<S: SecretsSource + Sync> Stripe<S> {
    /// At that URL ([`API_URL`]), with those keys.
    pub fn new(url: String, secrets: S) -> Self {
        Self { transport: Transport::new(url), secrets }
    }

    /// Where its keys are.
    pub fn secrets(&self) -> &S {
        &self.secrets
    }

    async fn call(&self, call: Call<'_>) -> Result<Answer, Unavailable> {
        let operation = call.operation;
        let answer = self.transport.call(&self.secrets.secrets().await?.api_key, call).await?;
        match answer.status {
            // Our key is wrong, a repeated key is still being worked on, too many calls, or Stripe is
            // down: nothing that the student can mend.
            401 | 403 | 409 | 429 | 500.. => Err(refused(operation, &answer)),
            _ => Ok(answer),
        }
    }

    async fn find(&self, id: &str) -> Result<Intent, Unavailable> {
        const FIND: &str = "looking up a payment";
        let path = format!("/v1/payment_intents/{id}");
        let method = Method::GET;
        let call = Call { operation: FIND, method, path, idempotency_key: None, form: &[] };
        let answer = self.call(call).await?;
        if answer.status != 200 {
            return Err(refused(FIND, &answer));
        }
        intent(FIND, &answer)
    }

    /// A step of an intent that exists: its answer, or how the intent is if the step was not for it.
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
        let answer = self.call(call).await?;
        if answer.status == 200 && !answer.replayed {
            intent(operation, &answer)
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
            ("amount", u64::from(payment.price).to_string()),
            ("currency", payment.currency.to_string().to_lowercase()),
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
        let answer = self.call(call).await?;
        if answer.status != 200 {
            return Ok(Created::Refused(decline(CREATE, &answer)?));
        }
        let created = intent(CREATE, &answer)?;
        let now = if answer.replayed { self.find(created.id.as_str()).await? } else { created };
        Ok(Created::Intent(now))
    }

    async fn confirm(&self, charge: Charge<'_>, id: &IntentId) -> Result<Intent, Unavailable> {
        self.step("confirming a payment", charge, id, "confirm", &[]).await
    }

    async fn cancel(&self, charge: Charge<'_>, id: &IntentId) -> Result<Intent, Unavailable> {
        self.step("calling a payment off", charge, id, "cancel", &[]).await
    }

    async fn refund(&self, charge: Charge<'_>, id: &IntentId) -> Result<(), Unavailable> {
        const REFUND: &str = "paying back";
        let form = [("payment_intent", id.to_string())];
        let call = Call {
            operation: REFUND,
            method: Method::POST,
            path: "/v1/refunds".to_owned(),
            idempotency_key: Some(charge.idempotency_key("refund")),
            form: &form,
        };
        let answer = self.call(call).await?;
        let done = answer.status == 200
            || answer.parse::<Failed>(REFUND)?.error.code() == "charge_already_refunded";
        if done { Ok(()) } else { Err(refused(REFUND, &answer)) }
    }
}

fn intent(operation: &'static str, answer: &Answer) -> Result<Intent, Unavailable> {
    answer
        .parse::<IntentObject>(operation)?
        .intent()
        .ok_or_else(|| Unavailable::new(operation, "the payment has a status that is not known"))
}

fn decline(operation: &'static str, answer: &Answer) -> Result<Decline, Unavailable> {
    Ok(answer.parse::<Failed>(operation)?.error.decline())
}

/// Status and code only: a message may name what was sent.
fn refused(operation: &'static str, answer: &Answer) -> Unavailable {
    let failed = answer.parse::<Failed>(operation);
    let code = failed.as_ref().map(|failed| failed.error.code()).unwrap_or_default();
    Unavailable::new(operation, format!("Stripe answered {} {code}", answer.status))
}

#[cfg(test)]
mod tests;
