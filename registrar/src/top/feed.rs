//! Reads what is shown, at its intervals, until the command ends.

use std::time::Duration;

use adapters::tables::ResumeIndex;
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    aws_call::CallFailed,
    clock,
    dead_letters::{FoundLetter, recent_dead_letters},
    enrollments::{Unfinished, unfinished},
    live::LiveStack,
    stack::{Stack, StackError},
};

use super::message::{Detail, Input, Tab, Wanted};

/// How often a view's list is read again while it is shown. Receiving dead letters hides them from other
/// commands for a moment, and the list of enrollments reads each of its items.
const DETAIL_INTERVAL: Duration = Duration::from_secs(30);

/// For one list.
const MAX_DURATION: Duration = Duration::from_secs(20);

/// Reads the stack at each interval. After a slow reading, the next one is not due at once.
pub(super) async fn readings(
    mut live: LiveStack<'_>,
    every: Duration,
    mut wants: watch::Receiver<Wanted>,
    inputs: UnboundedSender<Input>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if wants.wait_for(|wanted| !wanted.paused).await.is_err() {
            return;
        }
        let reading = Box::pin(live.read(clock::now())).await;
        if inputs.send(Input::Reading(Box::new(reading))).is_err() {
            return;
        }
    }
}

/// Reads the list of the selected view.
pub(super) struct Details {
    sqs: aws_sdk_sqs::Client,
    dead_letters: String,
    enrollments: ResumeIndex,
}

impl Details {
    pub(super) fn new(stack: &Stack) -> Result<Self, StackError> {
        Ok(Self {
            sqs: stack.sqs(),
            dead_letters: stack.dead_letter_queue_url()?,
            enrollments: stack.resume_index()?,
        })
    }

    pub(super) async fn feed(
        self,
        mut wants: watch::Receiver<Wanted>,
        inputs: UnboundedSender<Input>,
    ) {
        let mut again = interval(DETAIL_INTERVAL);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shows_a_list = |wanted: &Wanted| {
            !wanted.paused && matches!(wanted.tab, Tab::DeadLetters | Tab::Payments)
        };
        loop {
            let Ok(tab) = wants.wait_for(shows_a_list).await.map(|wanted| wanted.tab) else {
                return;
            };
            let detail = match tab {
                Tab::Payments => Detail::Payments(clock::now(), self.payments().await),
                _ => Detail::Letters(clock::now(), self.letters().await),
            };
            if inputs.send(Input::Detail(detail)).is_err() {
                return;
            }
            again.reset();
            tokio::select! {
                _ = again.tick() => {}
                _ = wants.wait_for(|wanted| wanted.tab != tab) => {}
            }
        }
    }

    async fn letters(&self) -> Result<Vec<FoundLetter>, String> {
        let letters = recent_dead_letters(self.sqs.clone(), self.dead_letters.clone());
        within("receiving dead letters", letters).await
    }

    async fn payments(&self) -> Result<Unfinished, String> {
        let payments = unfinished(&self.enrollments);
        within("listing the enrollments", payments).await
    }
}

async fn within<T>(
    operation: &'static str,
    list: impl Future<Output = Result<T, CallFailed>>,
) -> Result<T, String> {
    let list = timeout(MAX_DURATION, Box::pin(list)).await;
    let timed_out = |_| Err(CallFailed::timed_out(operation, MAX_DURATION));
    list.unwrap_or_else(timed_out).map_err(|error| error.to_string())
}
