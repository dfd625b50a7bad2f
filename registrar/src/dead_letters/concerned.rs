//! The messages of any queue that concern somebody, for the commands about one student: found, or deleted.

use std::collections::BTreeSet;

use crate::{aws_call::CallFailed, outcome::Failure};

use super::{
    letter::Letter,
    queue::{DeadLetterQueue, Refused},
    received::ReceivedLetters,
};

/// What a search of a queue found.
#[derive(Debug, Default)]
pub(crate) struct Concerned {
    pub(crate) messages: Vec<Letter>,
    /// The messages that SQS did not delete.
    pub(crate) left: Vec<Refused>,
    /// Whether the search ended at its maximum, so that there may be more.
    pub(crate) is_cut_short: bool,
}

/// What becomes of a message that concerns somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    GiveBack,
    Delete,
}

/// Receives at most about `max` messages, each once, and gives back those that are not deleted. A queue in use gets
/// new messages all the time, so a search without a maximum might not end.
pub(crate) async fn concerned<Q: DeadLetterQueue>(
    queue: &Q,
    max: usize,
    then: Then,
    concerns: impl Fn(&Letter) -> bool,
    interrupted: impl Future<Output = ()>,
) -> Result<Concerned, Failure> {
    let received = ReceivedLetters::new(queue);
    let result = tokio::select! {
        found = search(&received, max, then, concerns) => found.map_err(Failure::from),
        () = interrupted => Err(Failure::Interrupted),
    };
    // What is not given back is visible again within minutes.
    let _ = received.give_back().await;
    result
}

async fn search<Q: DeadLetterQueue>(
    received: &ReceivedLetters<'_, Q>,
    max: usize,
    then: Then,
    concerns: impl Fn(&Letter) -> bool,
) -> Result<Concerned, CallFailed> {
    let (mut found, mut searched) = (Concerned::default(), 0);
    while let Some(letters) = received.receive().await? {
        searched += letters.len();
        let wanted: Vec<Letter> = letters.into_iter().filter(|letter| concerns(letter)).collect();
        if then == Then::Delete {
            let ids: BTreeSet<&str> = wanted.iter().map(Letter::message_id).collect();
            found.left.extend(received.delete(&ids.into_iter().collect::<Vec<_>>()).await?);
        }
        found.messages.extend(wanted);
        if searched >= max {
            found.is_cut_short = true;
            break;
        }
    }
    Ok(found)
}
