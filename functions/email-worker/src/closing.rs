//! The end of an invocation. A plan that counts on the usual duration of a call is killed by its own worker: Lambda
//! ends the invocation after an email was accepted and before its message was deleted, and the email is sent again.
//!
//! So each step has an end of its own, which it does not exceed however slow its calls are:
//!
//! ```text
//! last start            attempts end           settled                returned      deadline
//!     |-- SES_ATTEMPT_TIMEOUT --|-- SETTLING_ROOM --|-- RETURNING_ROOM --|-- ENDING_ROOM --|
//! ```

use std::time::Duration;

use adapters::clients::CALL_TIMEOUT;
use sizing::{CLOSING_ROOM, ENDING_ROOM, RETURNING_ROOM, SES_ATTEMPT_TIMEOUT};
use tokio::time::Instant;

/// The plan's rooms are made of the limit of a call. Another limit needs other rooms.
const _: () = assert!(CALL_TIMEOUT.as_millis() == sizing::CALL_TIMEOUT.as_millis());

/// When each step of an invocation ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// No attempt starts later.
    pub starts_end: Instant,
    /// An attempt without a response is given up.
    pub attempts_end: Instant,
    /// What is not recorded by then is not recorded.
    pub settled: Instant,
    /// Messages that are not returned by then stay hidden until their visibility timeout ends.
    pub returned: Instant,
}

impl Closing {
    /// The end of an invocation that began at this time and may last this long.
    pub fn of(began: Instant, lasts: Duration) -> Self {
        let before_end = |room| began + lasts.saturating_sub(room);
        Self {
            starts_end: before_end(SES_ATTEMPT_TIMEOUT + CLOSING_ROOM),
            attempts_end: before_end(CLOSING_ROOM),
            settled: before_end(RETURNING_ROOM + ENDING_ROOM),
            returned: before_end(ENDING_ROOM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_in_their_order_before_the_deadline() {
        let began = lambda::clock::instant();
        let deadline = began + Duration::from_mins(1);
        let Closing { starts_end, attempts_end, settled, returned } =
            Closing::of(began, Duration::from_mins(1));
        assert_eq!(attempts_end - starts_end, SES_ATTEMPT_TIMEOUT);
        assert_eq!(deadline - attempts_end, CLOSING_ROOM);
        assert_eq!(settled - attempts_end, 2 * CALL_TIMEOUT, "a dead letter, and its mark");
        assert_eq!(returned - settled, CALL_TIMEOUT);
        assert_eq!(deadline - returned, ENDING_ROOM);
    }

    #[test]
    fn invocation_without_room_starts_nothing() {
        let began = lambda::clock::instant();
        let closing = Closing::of(began, Duration::from_secs(2));
        assert_eq!(closing.starts_end, began);
        assert_eq!(closing.settled, began);
    }
}
