//! The queues whose messages may have a student's address.

use crate::{
    dead_letters::{Concerned, DeadLetterQueue, SqsDeadLetterQueue, Then, concerned},
    outcome::Failure,
    session::Session,
    stack::{Stack, StackError},
};

use super::whom::Whom;

/// Of the email queue, how many messages are searched. They are hidden from the workers in the meantime, so a backlog is
/// left alone: a search of so many takes about a minute.
const MAX_SEARCHED: u64 = 10_000;

#[derive(Debug)]
pub(super) struct Queue {
    /// As the document names it.
    pub(super) name: &'static str,
    sqs: SqsDeadLetterQueue,
    /// Whether others use it all the time.
    is_busy: bool,
}

/// The queue of delivery events is not among them: its events are handled within seconds.
pub(super) fn all(stack: &Stack) -> Result<[Queue; 4], StackError> {
    let queue = |name, url, is_busy| {
        Ok::<_, StackError>(Queue {
            name,
            sqs: SqsDeadLetterQueue::new(stack.sqs(), url?),
            is_busy,
        })
    };
    Ok([
        queue("email_queue", stack.email_queue_url(), true)?,
        queue("dead_letters", stack.dead_letter_queue_url(), false)?,
        queue("dead_delivery_events", stack.output("EmailFeedbackDeadLetterQueueUrl"), false)?,
        queue(
            "undelivered_delivery_events",
            stack.output("EmailFeedbackRuleDeadLetterQueueUrl"),
            false,
        )?,
    ])
}

/// The messages of a queue that concern a student, and what could not be searched.
pub(super) async fn search(
    queue: &Queue,
    whom: &Whom,
    then: Then,
    session: &Session,
) -> Result<(Concerned, Vec<String>), Failure> {
    let name = queue.name;
    let mut missed = Vec::new();
    let count = queue.sqs.count().await?;
    if queue.is_busy && count.visible > MAX_SEARCHED {
        missed.push(format!(
            "{name} has about {} messages, and at most {MAX_SEARCHED} are searched: repeat this when it has fewer",
            count.visible
        ));
        return Ok((Concerned::default(), missed));
    }
    if count.visible + count.hidden == 0 {
        return Ok((Concerned::default(), missed));
    }
    let max = if queue.is_busy {
        usize::try_from(MAX_SEARCHED).unwrap_or(usize::MAX)
    } else {
        usize::MAX
    };
    let concerns = |letter: &_| whom.is_concerned_by(letter);
    let found = concerned(&queue.sqs, max, then, concerns, session.interrupted()).await?;
    if found.is_cut_short {
        missed.push(format!(
            "{name} was not searched to its end: repeat this when it has fewer messages"
        ));
    }
    if count.hidden > 0 {
        missed.push(format!(
            "about {} messages of {name} are with a worker, or wait for a retry, and cannot be seen",
            count.hidden
        ));
    }
    Ok((found, missed))
}
