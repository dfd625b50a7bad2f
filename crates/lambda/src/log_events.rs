//! The names of log events: the value of the field `event` of a log line.
//!
//! Metric filters in template.yaml and `registrar audit` read these names, so each one is written here
//! once. `tests/ties.rs` compares them with the template.

/// One attempt to send an email starts, or has ended.
pub const SEND_ATTEMPT: &str = "send_attempt";
/// A job is not sent because of what the ledger has under its id: another email, or an earlier dead letter. It is kept
/// as a dead letter.
pub const JOB_REFUSED: &str = "job_refused";
/// The age of the oldest job in a batch, in `oldest_job_age_seconds`.
pub const OLDEST_JOB: &str = "oldest_job";
/// A job was not sent because its recipient is suppressed.
pub const EMAIL_SUPPRESSED: &str = "email_suppressed";
/// A job became a dead letter, for the reason `code`.
pub const DEAD_LETTER_KEPT: &str = "dead_letter_kept";
/// Sending is held. The worker logs it when it places a hold.
pub const EMAIL_HELD: &str = "email_held";
/// Whether sending is held: `held` is 1 or 0; and for how long the limit has been lowered, and a template been held. hold-watch
/// logs it at each run that can read the holds.
pub const HOLDS_CHECKED: &str = "holds_checked";
/// No email can be sent with the deployed parameters, or at the account's rate. The worker logs it for each batch.
pub const SENDING_IMPOSSIBLE: &str = "sending_impossible";
/// A batch is sent at a limit that an operator has lowered. The worker logs it for each batch.
pub const LIMIT_LOWERED: &str = "limit_lowered";
/// The holds could not be read, changed or enforced. The next run retries it.
pub const HOLDS_UNATTENDED: &str = "holds_unattended";
/// An SES event about an email was handled.
pub const EMAIL_FEEDBACK: &str = "email_feedback";
/// An SES event could not be handled, and is returned to its queue.
pub const EMAIL_FEEDBACK_FAILED: &str = "email_feedback_failed";
/// An event of Stripe from its partner bus could not be handled, and is returned to its queue.
pub const STRIPE_EVENT_FAILED: &str = "stripe_event_failed";
/// Stripe reported a payment for an enrollment that does not exist.
pub const PAYMENT_WITHOUT_ENROLLMENT: &str = "payment_without_enrollment";
/// Stripe refuses us: a wrong key or mode, an invalid request.
pub const PAYMENT_PROVIDER_REFUSED: &str = "payment_provider_refused";
/// A charge belongs to an attempt that was over. `refund_requested` is whether a refund was requested; whether it
/// succeeds is for an operator to check.
pub const PAYMENT_ORPHANED: &str = "payment_orphaned";
/// A refund has been due for over an hour, at each run of the resumer.
pub const REFUND_NOT_SETTLED: &str = "refund_not_settled";
/// An enrollment's payment cannot be settled: an operator must look at it.
pub const ENROLLMENT_STUCK: &str = "enrollment_stuck";
/// An item in the resumer's index is not an enrollment that the code can read. It is put off by an hour.
pub const ENROLLMENT_UNREADABLE: &str = "enrollment_unreadable";
/// Enrollments have been overdue for over an hour; one line per run of the resumer.
pub const ENROLLMENTS_OVERDUE: &str = "enrollments_overdue";
/// Stripe reported that a refund failed, which we or others made.
pub const REFUND_FAILED: &str = "refund_failed";
/// A charge was refunded at Stripe, in full or in part, and not by us.
pub const REFUNDED_AT_STRIPE: &str = "refunded_at_stripe";
/// A student disputes a charge.
pub const PAYMENT_DISPUTED: &str = "payment_disputed";
/// A dispute is lost: the bank has paid the student back.
pub const DISPUTE_LOST: &str = "dispute_lost";
/// A payment at Stripe and the table of enrollments differ, as `difference` says.
pub const PAYMENT_DIFFERS: &str = "payment_differs";
/// A change of an item cannot be read, and is not announced.
pub const CHANGE_UNREADABLE: &str = "change_unreadable";
/// The event bus did not accept events: `refused` of them, for the reason `code`.
pub const EVENTS_REFUSED: &str = "events_refused";

/// A request to the API was responded to.
pub const REQUEST: &str = "request";
/// An invocation of the worker has handled its batch.
pub const BATCH: &str = "batch";
/// A run of the resumer is over.
pub const RESUMER_RUN: &str = "resumer_run";
/// A run of the reconciler is over; `unfinished` is 1 or 0.
pub const RECONCILIATION_RUN: &str = "reconciliation_run";
/// An invocation of announcer has handled its batch; `left` is 1 if a part of it is repeated, otherwise 0.
pub const ANNOUNCED: &str = "announced";

/// Every name.
pub const ALL: [&str; 32] = [
    SEND_ATTEMPT,
    JOB_REFUSED,
    OLDEST_JOB,
    EMAIL_SUPPRESSED,
    DEAD_LETTER_KEPT,
    EMAIL_HELD,
    HOLDS_CHECKED,
    SENDING_IMPOSSIBLE,
    LIMIT_LOWERED,
    HOLDS_UNATTENDED,
    EMAIL_FEEDBACK,
    EMAIL_FEEDBACK_FAILED,
    STRIPE_EVENT_FAILED,
    PAYMENT_WITHOUT_ENROLLMENT,
    PAYMENT_PROVIDER_REFUSED,
    PAYMENT_ORPHANED,
    REFUND_NOT_SETTLED,
    ENROLLMENT_STUCK,
    ENROLLMENT_UNREADABLE,
    ENROLLMENTS_OVERDUE,
    REFUND_FAILED,
    REFUNDED_AT_STRIPE,
    PAYMENT_DISPUTED,
    DISPUTE_LOST,
    PAYMENT_DIFFERS,
    CHANGE_UNREADABLE,
    EVENTS_REFUSED,
    REQUEST,
    BATCH,
    RESUMER_RUN,
    RECONCILIATION_RUN,
    ANNOUNCED,
];
