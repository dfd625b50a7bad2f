//! The calls to Stripe's API.

use std::{sync::Arc, time::Duration};

use enrollment::{
    payment::{
        Charge, Created, Intent, IntentId, IntentStatus, PaymentError, Refund, RefundId,
        RefundStatus,
    },
    ports::PaymentProvider,
};
use invocation::calls::{self, Service};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use unavailable::Unavailable;

use crate::{
    breaker::Breaker,
    error::{self, Failure},
    notice,
    object::{IntentObject, List, RefundObject},
    secret::{Secrets, SecretsSource},
    transport::{Https, Request, Response, Transport},
    webhook::REFUND_MARK,
};

const LIST_REFUNDS: &str = "listing the refunds of a payment";

pub const API_URL: &str = "https://api.stripe.com";

/// Maximum time for a call that asks the card's bank, which may take seconds.
pub const CHARGE_TIMEOUT: Duration = Duration::from_secs(6);

/// Maximum time for any other call.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum time for a page of a list, which has up to 100 objects.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// An intent that is still unconfirmed after a confirmation that failed is confirmed once more if this
/// much time has passed at most: with [`CHARGE_TIMEOUT`] and [`CALL_TIMEOUT`] after it, a confirmation
/// stays within [`MAX_CONFIRM_DURATION`](enrollment::payment::MAX_CONFIRM_DURATION).
const REPEAT_WITHIN: Duration = Duration::from_secs(3);

/// Stripe's payment intents and refunds.
///
/// Results are never the saved response of an earlier call: whenever Stripe marks a response as a
/// replay, the object is read again.
#[derive(Debug)]
pub struct Stripe<S, T = Https> {
    transport: T,
    secrets: S,
    clock: fn() -> Instant,
    breaker: Breaker,
}

struct Call<'a> {
    operation: &'static str,
    path: String,
    /// `None`: a `GET`.
    form: Option<&'a [(&'a str, String)]>,
    idempotency_key: Option<String>,
    timeout: Duration,
}

impl<'a> Call<'a> {
    fn get(operation: &'static str, path: String) -> Self {
        Self { operation, path, form: None, idempotency_key: None, timeout: CALL_TIMEOUT }
    }

    fn post(
        operation: &'static str,
        path: String,
        form: &'a [(&'a str, String)],
        key: String,
    ) -> Self {
        let (form, idempotency_key) = (Some(form), Some(key));
        Self { operation, path, form, idempotency_key, timeout: CALL_TIMEOUT }
    }
}

impl<S> Stripe<S> {
    /// Over HTTPS. `url` is [`API_URL`], except in tests.
    pub fn new(url: &str, secrets: S, clock: fn() -> Instant) -> Self {
        Self::over(Https::new(url), secrets, clock)
    }
}

impl<S, T> Stripe<S, T> {
    /// Over this transport.
    pub fn over(transport: T, secrets: S, clock: fn() -> Instant) -> Self {
        Self { transport, secrets, clock, breaker: Breaker::new(clock) }
    }

    pub fn secrets(&self) -> &S {
        &self.secrets
    }
}

impl<S: SecretsSource + Sync, T: Transport + Sync> Stripe<S, T> {
    async fn call(&self, call: Call<'_>) -> Result<Response, PaymentError> {
        let secrets = self.secrets.secrets().await?;
        let response = self.send(&call, &secrets).await?;
        if response.status != 401 {
            return Ok(response);
        }
        // The key was rolled. Authentication comes first, so the call had no effect.
        match self.secrets.newer_than(&secrets).await? {
            Some(newer) => Ok(self.send(&call, &newer).await?),
            None => Ok(response),
        }
    }

    async fn send(&self, call: &Call<'_>, secrets: &Arc<Secrets>) -> Result<Response, Unavailable> {
        let operation = call.operation;
        let unavailable = |error| Unavailable::new(operation, error);
        let form = call.form.map(serde_urlencoded::to_string).transpose();
        let request = Request {
            operation,
            method: if call.form.is_some() { "POST" } else { "GET" },
            path: call.path.clone(),
            api_key: secrets.api_key.clone(),
            idempotency_key: call.idempotency_key.clone(),
            form: form.map_err(|error| Unavailable::new(operation, error))?.unwrap_or_default(),
            timeout: call.timeout,
        };
        let permit = self.breaker.permit().map_err(unavailable)?;
        let started_at = (self.clock)();
        let result = self.transport.send(request).await;
        calls::add(Service::Stripe, (self.clock)() - started_at);
        permit
            .end(result.as_ref().is_ok_and(|response| response.status < 500 || response.is_replay));
        result
    }

    async fn read_intent(&self, id: &IntentId) -> Result<Intent, PaymentError> {
        const FIND: &str = "looking up a payment";
        let response = self.call(Call::get(FIND, format!("/v1/payment_intents/{id}"))).await?;
        match response.status {
            200 => intent(FIND, parse(FIND, &response)?),
            _ => Err(error::ours(FIND, &response)),
        }
    }

    /// The intent after a call that was refused because of its state.
    async fn as_it_is(
        &self,
        operation: &'static str,
        response: &Response,
        shown: Option<IntentObject>,
        id: &IntentId,
    ) -> Result<Intent, PaymentError> {
        match shown.filter(|_| !response.is_replay) {
            Some(shown) => intent(operation, shown),
            None => self.read_intent(id).await,
        }
    }

    /// One call that confirms. `None`: it was refused under its key before, and the refusal is repeated.
    async fn confirm_under(
        &self,
        id: &IntentId,
        key: String,
    ) -> Result<Option<Intent>, PaymentError> {
        const CONFIRM: &str = "confirming a payment";
        let path = format!("/v1/payment_intents/{id}/confirm");
        let call = Call { timeout: CHARGE_TIMEOUT, ..Call::post(CONFIRM, path, &[], key) };
        let response = self.call(call).await?;
        match response.status {
            200 if response.is_replay => return self.read_intent(id).await.map(Some),
            200 => return intent(CONFIRM, parse(CONFIRM, &response)?).map(Some),
            _ => {}
        }
        match error::failure(CONFIRM, &response) {
            Failure::State(shown) => self.as_it_is(CONFIRM, &response, shown, id).await.map(Some),
            Failure::Student(why) => {
                let now = self.read_intent(id).await?;
                Ok(Some(match now.status {
                    // Only this payment method cannot pay it.
                    IntentStatus::AwaitingConfirmation => {
                        Intent { status: IntentStatus::Declined(why), ..now }
                    }
                    _ => now,
                }))
            }
            Failure::Other(_) if response.is_replay => Ok(None),
            Failure::Other(why) => Err(why),
        }
    }

    /// The refunds of an intent, the newest first.
    async fn refunds_of(&self, id: &IntentId) -> Result<Vec<RefundObject>, PaymentError> {
        let path = format!("/v1/refunds?payment_intent={id}&limit=100");
        let response = self.call(Call::get(LIST_REFUNDS, path)).await?;
        if response.status != 200 {
            return Err(error::ours(LIST_REFUNDS, &response));
        }
        let list: List<RefundObject> = parse(LIST_REFUNDS, &response)?;
        Ok(list.data)
    }

    /// The refund of an intent that is not failed, if there is one among these.
    async fn refund_of(
        &self,
        id: &IntentId,
        counts: impl Fn(&RefundObject) -> bool + Send,
    ) -> Result<Option<Refund>, PaymentError> {
        let refunds = self.refunds_of(id).await?.into_iter().filter(|object| counts(object));
        let refunds = refunds.map(|object| refund(LIST_REFUNDS, object));
        let refunds = refunds.collect::<Result<Vec<_>, _>>()?;
        Ok(refunds.into_iter().find(|refund| refund.status != RefundStatus::Failed))
    }
}

impl<S: SecretsSource + Sync, T: Transport + Sync> PaymentProvider for Stripe<S, T> {
    async fn create(&self, charge: Charge<'_>) -> Result<Created, PaymentError> {
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
        let path = "/v1/payment_intents".to_owned();
        let response = self.call(Call::post(CREATE, path, &form, charge.create_key())).await?;
        if response.status == 200 {
            let created = intent(CREATE, parse(CREATE, &response)?)?;
            let now =
                if response.is_replay { self.read_intent(&created.id).await? } else { created };
            return Ok(Created::Intent(now));
        }
        match error::failure(CREATE, &response) {
            Failure::Student(why) => Ok(Created::Declined(why)),
            Failure::State(shown) => match shown.and_then(IntentObject::intent) {
                Some(Intent { status: IntentStatus::Declined(why), .. }) => {
                    Ok(Created::Declined(why))
                }
                _ => Err(error::ours(CREATE, &response)),
            },
            Failure::Other(_) if response.is_replay => Err(PaymentError::KeyIsSpent),
            Failure::Other(why) => Err(why),
        }
    }

    async fn find(&self, id: &IntentId) -> Result<Intent, PaymentError> {
        self.read_intent(id).await
    }

    async fn confirm(&self, _: Charge<'_>, id: &IntentId) -> Result<Intent, PaymentError> {
        let started_at = (self.clock)();
        if let Some(intent) = self.confirm_under(id, id.confirm_key()).await? {
            return Ok(intent);
        }
        let now = self.read_intent(id).await?;
        let late = (self.clock)().duration_since(started_at) > REPEAT_WITHIN;
        if late || now.status != IntentStatus::AwaitingConfirmation {
            return Ok(now);
        }
        // The failure is all that will ever come of the key. An intent charges once, under any key.
        let again = format!("{}-again", id.confirm_key());
        Ok(self.confirm_under(id, again).await?.unwrap_or(now))
    }

    async fn cancel(&self, id: &IntentId) -> Result<Intent, PaymentError> {
        const CANCEL: &str = "cancelling a payment";
        let path = format!("/v1/payment_intents/{id}/cancel");
        // Without an idempotency key, whose saved failure would be repeated: a cancelled intent stays so.
        let call = Call { idempotency_key: None, ..Call::post(CANCEL, path, &[], String::new()) };
        let response = self.call(call).await?;
        if response.status == 200 {
            return intent(CANCEL, parse(CANCEL, &response)?);
        }
        match error::failure(CANCEL, &response) {
            Failure::State(shown) => self.as_it_is(CANCEL, &response, shown, id).await,
            Failure::Student(_) => Err(error::ours(CANCEL, &response)),
            Failure::Other(why) => Err(why),
        }
    }

    async fn refund(&self, id: &IntentId, refund_attempt: u32) -> Result<Refund, PaymentError> {
        const REFUND: &str = "refunding a payment";
        let mark = format!("metadata[{}]", REFUND_MARK.0);
        let form = [("payment_intent", id.to_string()), (&mark, REFUND_MARK.1.to_owned())];
        let key = id.refund_key(refund_attempt);
        let call = Call::post(REFUND, "/v1/refunds".to_owned(), &form, key);
        let response = self.call(Call { timeout: CHARGE_TIMEOUT, ..call }).await?;
        if response.status == 200 {
            let made = refund(REFUND, parse(REFUND, &response)?)?;
            return if response.is_replay { self.find_refund(&made.id).await } else { Ok(made) };
        }
        // It may be refunded by a call whose response was lost or was a failure.
        match error::failure(REFUND, &response) {
            Failure::State(_) | Failure::Student(_) => {
                let why = || error::ours(REFUND, &response);
                self.refund_of(id, |_| true).await?.ok_or_else(why)
            }
            // A refund that others made may be of a part.
            Failure::Other(_) if response.is_replay => {
                let ours = |refund: &RefundObject| notice::is_ours(&refund.metadata);
                self.refund_of(id, ours).await?.ok_or(PaymentError::KeyIsSpent)
            }
            Failure::Other(why) => Err(why),
        }
    }

    async fn find_refund(&self, id: &RefundId) -> Result<Refund, PaymentError> {
        const FIND: &str = "looking up a refund";
        let response = self.call(Call::get(FIND, format!("/v1/refunds/{id}"))).await?;
        match response.status {
            200 => refund(FIND, parse(FIND, &response)?),
            _ => Err(error::ours(FIND, &response)),
        }
    }
}

fn parse<T: DeserializeOwned>(
    operation: &'static str,
    response: &Response,
) -> Result<T, PaymentError> {
    serde_json::from_slice(&response.body).map_err(|error| {
        // Not serde's text, which repeats values.
        let place = format!("line {}, column {}", error.line(), error.column());
        let why = format!("status {}, unreadable at {place}", response.status);
        Unavailable::new(operation, why).into()
    })
}

fn intent(operation: &'static str, object: IntentObject) -> Result<Intent, PaymentError> {
    let unknown = || Unavailable::new(operation, "the payment's status or amount is unknown");
    object.intent().ok_or_else(|| unknown().into())
}

fn refund(operation: &'static str, object: RefundObject) -> Result<Refund, PaymentError> {
    let unknown = || Unavailable::new(operation, "the refund's status is unknown");
    object.refund().ok_or_else(|| unknown().into())
}

mod list;
mod outside;
#[cfg(test)]
mod tests;
