//! The letters that a command has received: hidden from others until they are deleted or given back.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::aws_call::CallFailed;

use super::{
    letter::{Letter, MessageId, Receipt},
    queue::{AT_ONCE, HIDDEN_FOR, Letters, Refused},
};

/// Calls under way at once, where many letters are hidden or shown.
const CALLS: usize = 8;

/// The letters in hand, each by its last receipt.
pub(crate) struct InHand<'a, Q> {
    queue: &'a Q,
    letters: RefCell<HashMap<MessageId, Held>>,
    hidden_at: Cell<Instant>,
}

struct Held {
    receipt: Receipt,
    deleted: bool,
}

impl<'a, Q: Letters> InHand<'a, Q> {
    pub(crate) fn new(queue: &'a Q) -> Self {
        Self { queue, letters: RefCell::default(), hidden_at: Cell::new(Instant::now()) }
    }

    /// Receives letters; `None` where there are none to be seen. Only what has not been received
    /// before is answered, for SQS may deliver a message twice.
    pub(crate) async fn receive(&self) -> Result<Option<Vec<Letter>>, CallFailed> {
        let mut received = self.queue.receive().await?;
        if received.is_empty() {
            return Ok(None);
        }
        let mut deleted = Vec::new();
        {
            let mut letters = self.letters.borrow_mut();
            received.retain(|letter| {
                let receipt = letter.receipt.clone();
                let Some(held) = letters.get_mut(letter.message_id()) else {
                    let held = Held { receipt, deleted: false };
                    letters.insert(letter.message_id().to_owned(), held);
                    return true;
                };
                if held.deleted {
                    deleted.push(receipt.clone());
                }
                held.receipt = receipt;
                false
            });
        }
        if !deleted.is_empty() {
            // Its deletion has not reached every server of SQS's.
            self.queue.delete(&deleted).await?;
        }
        self.keep_hidden().await?;
        Ok(Some(received))
    }

    /// Deletes up to ten letters, and says which it could not.
    pub(crate) async fn delete(&self, ids: &[&str]) -> Result<Vec<Refused>, CallFailed> {
        let receipts: Vec<Receipt> = {
            let letters = self.letters.borrow();
            ids.iter().filter_map(|id| Some(letters.get(*id)?.receipt.clone())).collect()
        };
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        let refused = self.queue.delete(&receipts).await?;
        let mut letters = self.letters.borrow_mut();
        for receipt in receipts {
            if refused.iter().all(|refused| refused.message_id != receipt.message_id)
                && let Some(held) = letters.get_mut(&receipt.message_id)
            {
                held.deleted = true;
            }
        }
        Ok(refused)
    }

    /// Hides everything for longer, where it is time to. A letter that cannot be hidden shows early.
    async fn keep_hidden(&self) -> Result<(), CallFailed> {
        let now = Instant::now();
        if now - self.hidden_at.get() < HIDDEN_FOR / 2 {
            return Ok(());
        }
        self.hidden_at.set(now);
        self.hide_all(HIDDEN_FOR).await
    }

    /// Shows again everything that was not deleted. After an `Err` some of it shows again only by
    /// itself, in [`HIDDEN_FOR`].
    pub(crate) async fn give_back(&self) -> Result<(), CallFailed> {
        self.hide_all(Duration::ZERO).await
    }

    async fn hide_all(&self, duration: Duration) -> Result<(), CallFailed> {
        let kept: Vec<Receipt> = {
            let letters = self.letters.borrow();
            letters.values().filter(|held| !held.deleted).map(|held| held.receipt.clone()).collect()
        };
        let calls = kept.chunks(AT_ONCE).map(|letters| self.queue.hide(letters, duration));
        let mut calls = stream::iter(calls).buffer_unordered(CALLS);
        let mut outcome = Ok(());
        while let Some(answer) = calls.next().await {
            outcome = outcome.and(answer.map(drop));
        }
        outcome
    }
}
