//! The payment provider.

use unavailable::Unavailable;

use super::{
    bank::{Bank, IntentRow, declined},
    world::{Dependency, Missing, State, World},
};
use crate::{
    payment::{Charge, Created, Intent, IntentId, IntentStatus},
    ports::PaymentProvider,
};

impl World {
    /// The student does what the bank asked for, for every intent that waits for it.
    pub fn student_acts(&self) {
        for intent in self.state().intents.values_mut() {
            // A declined intent can be paid from the student's screen too, until it is cancelled.
            if matches!(
                intent.status,
                IntentStatus::RequiresAction { .. } | IntentStatus::Declined(_)
            ) {
                intent.status = IntentStatus::Succeeded;
            }
        }
    }

    /// One webhook event per intent, with its attempt.
    pub fn events(&self) -> Vec<(u32, Intent)> {
        let state = self.state();
        state.intents.iter().map(|(id, row)| (row.attempt, state.intent(id))).collect()
    }

    /// The number of charges that are not refunded.
    pub fn charges(&self) -> usize {
        let kept = |row: &&IntentRow| row.status == IntentStatus::Succeeded && !row.refunded;
        self.state().intents.values().filter(kept).count()
    }
}

impl State {
    fn intent(&self, id: &str) -> Intent {
        Intent { id: id.parse().unwrap(), status: self.intents[id].status.clone() }
    }
}

impl PaymentProvider for World {
    async fn create(&self, charge: Charge<'_>) -> Result<Created, Unavailable> {
        let key = charge.idempotency_key("create");
        let attempt = charge.payment.attempt;
        self.call(Dependency::Payments, |state| {
            if state.bank == Bank::DoesNotKnowTheCard {
                return Created::Refused(declined());
            }
            let known = state.keys.get(&key).cloned();
            let id = known.filter(|_| !state.is_missing(Missing::IdempotencyKey));
            let id = id.unwrap_or_else(|| {
                let id = format!("pi_{}", state.intents.len() + 1);
                let status = IntentStatus::AwaitingConfirmation;
                state.intents.insert(id.clone(), IntentRow { status, attempt, refunded: false });
                state.keys.insert(key, id.clone());
                id
            });
            Created::Intent(state.intent(&id))
        })
        .await
    }

    async fn confirm(&self, charge: Charge<'_>, id: &IntentId) -> Result<Intent, Unavailable> {
        let attempt = charge.payment.attempt;
        self.call(Dependency::Payments, |state| {
            let bank = state.bank;
            let row = state.intents.get_mut(id.as_str()).unwrap();
            if row.status == IntentStatus::AwaitingConfirmation {
                row.status = bank.confirm(id.as_str(), attempt);
            }
            state.intent(id.as_str())
        })
        .await
    }

    async fn cancel(&self, _: Charge<'_>, id: &IntentId) -> Result<Intent, Unavailable> {
        self.call(Dependency::Payments, |state| {
            let mut intent = state.intent(id.as_str());
            if intent.status != IntentStatus::Succeeded {
                intent.status = IntentStatus::Cancelled;
                if !state.is_missing(Missing::CancelBeforeRetry) {
                    state.intents.get_mut(id.as_str()).unwrap().status = IntentStatus::Cancelled;
                }
            }
            intent
        })
        .await
    }

    async fn refund(&self, _: Charge<'_>, id: &IntentId) -> Result<(), Unavailable> {
        self.call(Dependency::Payments, |state| {
            let row = state.intents.get_mut(id.as_str()).unwrap();
            assert_eq!(row.status, IntentStatus::Succeeded, "a refund of what was never charged");
            row.refunded = true;
        })
        .await
    }
}
