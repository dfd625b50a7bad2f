//! The payment provider, as unkind as Stripe documents itself: it forgets idempotency keys after 24
//! hours, saves failures under them, takes each payment method once, and its refunds may be pending or
//! fail later.

use std::time::Duration;

use time::OffsetDateTime;

use super::{
    bank::{Bank, IntentRow, RefundRow, Refunds, SavedAnswer, declined},
    world::{Dependency, Missing, State, World, unavailable},
};
use crate::{
    enrollment::EnrollmentState,
    money::Money,
    payment::{
        Charge, Created, Decline, Intent, IntentId, IntentStatus, PaymentError, ProviderRefusal,
        Refund, RefundId, RefundStatus,
    },
    ports::PaymentProvider,
};

/// How long the provider keeps idempotency keys (Stripe API reference, "Idempotent requests").
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

impl World {
    /// The student does what the bank asked for, for every intent that waits for it.
    pub fn student_acts(&self) {
        self.change_intents(|intent| {
            // A declined intent can be paid from the student's screen too, until it is cancelled.
            if matches!(
                intent.status,
                IntentStatus::RequiresAction { .. } | IntentStatus::Declined(_)
            ) {
                intent.status = IntentStatus::Succeeded;
            }
        });
    }

    /// Every payment that is processed has this result.
    pub fn bank_decides(&self, succeeds: bool) {
        self.change_intents(|intent| {
            if intent.status == IntentStatus::Processing {
                intent.status = if succeeds {
                    IntentStatus::Succeeded
                } else {
                    IntentStatus::Declined(declined())
                };
            }
        });
    }

    /// Every intent is for this amount.
    pub fn set_money(&self, money: Money) {
        self.change_intents(|intent| intent.money = money);
    }

    /// Every intent is of this mode.
    pub fn set_livemode(&self, livemode: bool) {
        self.change_intents(|intent| intent.livemode = livemode);
    }

    /// A charge for this attempt that the rules did not make.
    pub fn charge_outside(&self, attempt: u32, money: Money) -> Intent {
        let mut state = self.state();
        let id = format!("pi_outside_{}", state.intents.len() + 1);
        let row = IntentRow {
            status: IntentStatus::Succeeded,
            attempt,
            money,
            livemode: true,
            method: "pm_outside".parse().unwrap(),
            refunds: Vec::new(),
            foreign: true,
        };
        state.intents.insert(id.clone(), row);
        state.changed(&id);
        state.intent(&id)
    }

    /// One webhook event per intent, with its attempt.
    pub fn events(&self) -> Vec<(u32, Intent)> {
        let state = self.state();
        state.intents.iter().map(|(id, row)| (row.attempt, state.intent(id))).collect()
    }

    /// Every event so far, with the status of its time, in order.
    pub fn past_events(&self) -> Vec<(u32, Intent)> {
        self.state().past_events.clone()
    }

    /// The number of charges that are not refunded.
    pub fn charges(&self) -> usize {
        self.state().charged().count()
    }

    /// The highest number of charges by the rules at the same time.
    pub fn peak_charges(&self) -> usize {
        self.state().peak_charges
    }

    /// The charges that are not refunded.
    pub fn charged(&self) -> Vec<IntentId> {
        self.state().charged().map(|(id, _)| id.parse().unwrap()).collect()
    }

    /// Whether this intent has a refund that succeeded.
    pub fn is_refunded(&self, intent: &IntentId) -> bool {
        let state = self.state();
        let row = state.intents.get(intent.as_str());
        row.is_some_and(|row| {
            row.refunds.iter().any(|refund| refund.status == RefundStatus::Succeeded)
        })
    }

    /// The highest number of refunds of one intent that did not fail.
    pub fn refunds_per_intent(&self) -> usize {
        let count = |row: &IntentRow| {
            row.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed).count()
        };
        self.state().intents.values().map(count).max().unwrap_or_default()
    }

    /// Keys that were used with two sets of parameters.
    pub fn idempotency_errors(&self) -> usize {
        self.state().idempotency_errors
    }

    pub fn has_charges_outside(&self) -> bool {
        self.state().intents.values().any(|row| row.foreign)
    }

    /// The status of an intent.
    pub fn intent_status(&self, id: &IntentId) -> IntentStatus {
        self.state().intents[id.as_str()].status.clone()
    }

    pub fn set_refunds(&self, refunds: Refunds) {
        self.state().refunds = refunds;
    }

    /// Whether the provider refuses us, as with a wrong key.
    pub fn refuse_us(&self, refuses: bool) {
        self.state().refuses = refuses;
    }

    /// The next creation fails, and its key is spent.
    pub fn spend_next_key(&self) {
        self.state().spend_next_key = true;
    }

    /// Sets the provider's clock, by which it forgets keys.
    pub fn set_time(&self, now: OffsetDateTime) {
        self.state().now = now;
    }

    fn change_intents(&self, change: impl Fn(&mut IntentRow)) {
        let mut state = self.state();
        let ids: Vec<_> = state.intents.keys().cloned().collect();
        for id in ids {
            let row = state.intents.get_mut(&id).unwrap();
            let before = row.status.clone();
            change(row);
            if row.status != before {
                state.changed(&id);
            }
        }
    }

    /// A call to the provider.
    async fn pay<T>(
        &self,
        operation: &'static str,
        effect: impl FnOnce(&mut State) -> Result<T, PaymentError>,
    ) -> Result<T, PaymentError> {
        self.call(Dependency::Payments, |state| {
            if state.refuses { Err(refusal(operation, 401, "", "")) } else { effect(state) }
        })
        .await?
    }
}

fn refusal(operation: &'static str, status: u16, error_type: &str, code: &str) -> PaymentError {
    let (error_type, code) = (error_type.to_owned(), code.to_owned());
    ProviderRefusal { operation, status, error_type, code }.into()
}

impl State {
    fn intent(&self, id: &str) -> Intent {
        let row = &self.intents[id];
        Intent {
            id: id.parse().unwrap(),
            status: row.status.clone(),
            money: row.money,
            livemode: row.livemode,
        }
    }

    /// The charges that are not paid back.
    fn charged(&self) -> impl Iterator<Item = (&String, &IntentRow)> {
        self.intents.iter().filter(|(_, row)| row.is_charged())
    }

    /// Writes an event.
    fn changed(&mut self, id: &str) {
        let event = (self.intents[id].attempt, self.intent(id));
        self.past_events.push(event);
        let charges = self.charged().filter(|(id, row)| !row.foreign && !self.is_kept(id)).count();
        self.peak_charges = self.peak_charges.max(charges);
    }

    /// Whether an operator ended the access that this intent paid for, and kept the charge.
    fn is_kept(&self, id: &str) -> bool {
        self.enrollments.values().any(|found| {
            let ended = found.state == EnrollmentState::Unenrolled;
            let current = found.intent().filter(|_| ended);
            found.kept_intents.iter().chain(current).any(|kept| kept.as_str() == id)
        })
    }

    /// What was saved for a key that is not forgotten.
    fn saved(&mut self, key: &str, parameters: &str) -> Result<Option<Saved>, PaymentError> {
        let Some(answer) = self.keys.get(key) else { return Ok(None) };
        if self.now - answer.saved_at >= KEY_LIFETIME {
            self.keys.remove(key);
            return Ok(None);
        }
        if answer.parameters != parameters {
            self.idempotency_errors += 1;
            return Err(refusal("a payment", 400, "idempotency_error", ""));
        }
        answer.id.clone().map_or(Err(PaymentError::KeyIsSpent), |id| Ok(Some(Saved(id))))
    }

    fn save(&mut self, key: String, parameters: String, id: Option<String>) {
        self.keys.insert(key, SavedAnswer { saved_at: self.now, parameters, id });
    }
}

struct Saved(String);

impl PaymentProvider for World {
    async fn create(&self, charge: Charge<'_>) -> Result<Created, PaymentError> {
        let (key, payment) = (charge.create_key(), charge.payment);
        let parameters = format!("{:?} {}", payment.price, payment.method);
        self.pay("creating a payment", |state| {
            if let Some(Saved(id)) = state.saved(&key, &parameters)? {
                return Ok(Created::Intent(state.intent(&id)));
            }
            if state.spend_next_key || state.bad_luck() {
                state.spend_next_key = false;
                state.save(key, parameters, None);
                return Err(unavailable().into());
            }
            if state.bank == Bank::DoesNotKnowTheCard {
                return Ok(Created::Declined(Decline::payment_method_unknown()));
            }
            if state.used_methods.contains(&payment.method) {
                return Ok(Created::Declined(Decline::payment_method_used()));
            }
            let id = format!("pi_{}", state.intents.len() + 1);
            let row = IntentRow {
                status: IntentStatus::AwaitingConfirmation,
                attempt: payment.attempt,
                money: payment.price,
                livemode: true,
                method: payment.method.clone(),
                refunds: Vec::new(),
                foreign: false,
            };
            state.intents.insert(id.clone(), row);
            state.save(key, parameters, Some(id.clone()));
            Ok(Created::Intent(state.intent(&id)))
        })
        .await
    }

    async fn find(&self, id: &IntentId) -> Result<Intent, PaymentError> {
        self.pay("looking up a payment", |state| {
            if state.intents.contains_key(id.as_str()) {
                Ok(state.intent(id.as_str()))
            } else {
                Err(refusal(
                    "looking up a payment",
                    404,
                    "invalid_request_error",
                    "resource_missing",
                ))
            }
        })
        .await
    }

    async fn confirm(&self, _: Charge<'_>, id: &IntentId) -> Result<Intent, PaymentError> {
        self.pay("confirming a payment", |state| {
            let bank = state.bank;
            let row = state.intents.get_mut(id.as_str()).unwrap();
            if row.status == IntentStatus::AwaitingConfirmation {
                let (method, attempt) = (row.method.clone(), row.attempt);
                if !state.used_methods.insert(method) {
                    let status = IntentStatus::Declined(Decline::payment_method_used());
                    return Ok(Intent { status, ..state.intent(id.as_str()) });
                }
                let row = state.intents.get_mut(id.as_str()).unwrap();
                row.status = bank.confirm(id.as_str(), attempt);
                state.changed(id.as_str());
            }
            Ok(state.intent(id.as_str()))
        })
        .await
    }

    async fn cancel(&self, id: &IntentId) -> Result<Intent, PaymentError> {
        self.pay("cancelling a payment", |state| {
            let mut intent = state.intent(id.as_str());
            // Only from these (Stripe API reference, "Cancel a PaymentIntent").
            if matches!(
                intent.status,
                IntentStatus::AwaitingConfirmation
                    | IntentStatus::RequiresAction { .. }
                    | IntentStatus::Declined(_)
            ) {
                intent.status = IntentStatus::Cancelled;
                if !state.is_missing(Missing::CancelBeforeRetry) {
                    state.intents.get_mut(id.as_str()).unwrap().status = IntentStatus::Cancelled;
                    state.changed(id.as_str());
                }
            }
            Ok(intent)
        })
        .await
    }

    async fn refund(&self, id: &IntentId, refund_attempt: u32) -> Result<Refund, PaymentError> {
        let key = id.refund_key(refund_attempt);
        self.pay("refunding a payment", |state| {
            if let Some(Saved(refund)) = state.saved(&key, "")? {
                return Ok(state.refund(&refund));
            }
            if state.bad_luck() {
                state.save(key, String::new(), None);
                return Err(unavailable().into());
            }
            let (refunds, once) = (state.refunds, !state.is_missing(Missing::RefundOnce));
            let row = state.intents.get_mut(id.as_str()).unwrap();
            assert_eq!(row.status, IntentStatus::Succeeded, "a refund of what was never charged");
            // `charge_already_refunded`, after which the adapter looks for that refund.
            let existing = row.refunds.iter().find(|row| row.status != RefundStatus::Failed);
            if let Some(existing) = existing.filter(|_| once) {
                return Ok(Refund { id: existing.id.clone(), status: existing.status });
            }
            let earlier = row.refunds.len();
            let refund: RefundId = format!("re_{id}_{}", earlier + 1).parse().unwrap();
            row.refunds.push(RefundRow::new(refund.clone(), refunds, earlier));
            state.save(key, String::new(), Some(refund.to_string()));
            Ok(state.refund(refund.as_str()))
        })
        .await
    }

    async fn find_refund(&self, id: &RefundId) -> Result<Refund, PaymentError> {
        self.pay("looking up a refund", |state| {
            if let Some(row) = state.refund_row(id.as_str()) {
                row.read();
            }
            Ok(state.refund(id.as_str()))
        })
        .await
    }
}

impl State {
    fn refund_row(&mut self, id: &str) -> Option<&mut RefundRow> {
        let rows = self.intents.values_mut().flat_map(|row| &mut row.refunds);
        rows.into_iter().find(|row| row.id.as_str() == id)
    }

    fn refund(&mut self, id: &str) -> Refund {
        let lies = self.is_missing(Missing::RefundResult);
        let row = self.refund_row(id).unwrap();
        let status = if lies { RefundStatus::Succeeded } else { row.status };
        Refund { id: row.id.clone(), status }
    }
}
