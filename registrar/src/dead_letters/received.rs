//! The letters that a command has received. They are hidden from other consumers until they are deleted
//! or given back.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::{aws_call::CallFailed, clock};

use super::{
    letter::{Letter, Receipt},
    queue::{DeadLetterQueue, MAX_ENTRIES_PER_CALL, Refused, VISIBILITY_TIMEOUT},
};

/// For the visibility timeouts of all received letters.
const MAX_CONCURRENT_CALLS: usize = 8;

pub(crate) struct ReceivedLetters<'a, Q> {
    queue: &'a Q,
    /// By the letter's id.
    letters: RefCell<HashMap<String, Received>>,
    hidden_at: Cell<Instant>,
}

struct Received {
    /// The last one.
    receipt: Receipt,
    deleted: bool,
}

impl<'a, Q: DeadLetterQueue> ReceivedLetters<'a, Q> {
    pub(crate) fn new(queue: &'a Q) -> Self {
        Self { queue, letters: RefCell::default(), hidden_at: Cell::new(clock::instant()) }
    }

    /// Receives letters. Returns `None` if no letter is visible. SQS may deliver a message twice: a letter
    /// that was received before is not returned again.
    pub(crate) async fn receive(&self) -> Result<Option<Vec<Letter>>, CallFailed> {
        let mut new = self.queue.receive().await?;
        if new.is_empty() {
            return Ok(None);
        }
        let mut deleted = Vec::new();
        {
            let mut letters = self.letters.borrow_mut();
            new.retain(|letter| {
                let receipt = letter.receipt.clone();
                let Some(received) = letters.get_mut(letter.message_id()) else {
                    let received = Received { receipt, deleted: false };
                    letters.insert(letter.message_id().to_owned(), received);
                    return true;
                };
                if received.deleted {
                    deleted.push(receipt.clone());
                }
                received.receipt = receipt;
                false
            });
        }
        if !deleted.is_empty() {
            // The deletion has not reached all of SQS's servers.
            self.queue.delete(&deleted).await?;
        }
        self.keep_hidden().await?;
        Ok(Some(new))
    }

    /// Deletes up to [`MAX_ENTRIES_PER_CALL`] letters, by their ids. Returns the letters for which it
    /// failed.
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
                && let Some(received) = letters.get_mut(&receipt.message_id)
            {
                received.deleted = true;
            }
        }
        Ok(refused)
    }

    /// Extends the visibility timeout when half of it has passed. A letter for which that fails becomes
    /// visible early, which is harmless.
    pub(crate) async fn keep_hidden(&self) -> Result<(), CallFailed> {
        let now = clock::instant();
        if now - self.hidden_at.get() < VISIBILITY_TIMEOUT / 2 {
            return Ok(());
        }
        self.hidden_at.set(now);
        self.hide_all(VISIBILITY_TIMEOUT).await
    }

    /// Makes every letter that was not deleted visible again. After an `Err` some letters become visible
    /// only when [`VISIBILITY_TIMEOUT`] ends.
    pub(crate) async fn give_back(&self) -> Result<(), CallFailed> {
        self.hide_all(Duration::ZERO).await
    }

    async fn hide_all(&self, duration: Duration) -> Result<(), CallFailed> {
        let kept: Vec<Receipt> = {
            let letters = self.letters.borrow();
            let kept = letters.values().filter(|received| !received.deleted);
            kept.map(|received| received.receipt.clone()).collect()
        };
        let calls = kept.chunks(MAX_ENTRIES_PER_CALL).map(|batch| self.queue.hide(batch, duration));
        let mut calls = stream::iter(calls).buffer_unordered(MAX_CONCURRENT_CALLS);
        let mut result = Ok(());
        while let Some(called) = calls.next().await {
            result = result.and(called.map(drop));
        }
        result
    }
}
