//! What can be seen on the local AWS, and what cannot.

/// What the journey expects of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// A cause sets it, and `registrar status` names it.
    Set,
    /// Nothing sets it here, for this reason.
    NotHere(&'static str),
}

use Expected::{NotHere, Set};

const NO_INIT_REPORT: &str = "the local AWS does not log platform.initReport";
const NO_SES_METRICS: &str =
    "the local AWS has no metrics of SES; tests/journeys/holds.rs sets its state";
const NO_AGE: &str = "a message would have to be an hour old. EmailAgeAlarm has the same cause";
const NO_ITERATOR_AGE: &str = "the local AWS does not publish the age of a stream's records";
const NO_COMPOSITE: &str = "the local AWS deploys no composite alarms";

/// Every alarm, in the order of template.yaml.
pub(super) const ALARMS: [(&str, Expected); 65] = [
    ("ApiErrorAlarm", Set),
    ("StripeEventDeadLetterAlarm", Set),
    ("StripeEventRuleDeadLetterAlarm", Set),
    ("PaymentProviderRefusedAlarm", Set),
    ("PaymentOrphanedAlarm", Set),
    ("EnrollmentStuckAlarm", Set),
    ("RefundFailedAlarm", Set),
    ("RefundedAtStripeAlarm", Set),
    ("PaymentDisputedAlarm", Set),
    ("DisputeLostAlarm", Set),
    ("PaymentWithoutEnrollmentAlarm", Set),
    ("EnrollErrorAlarm", Set),
    ("EnrollThrottleAlarm", Set),
    ("EnrollInitAlarm", NotHere(NO_INIT_REPORT)),
    ("RefundNotSettledAlarm", Set),
    ("EnrollmentUnreadableAlarm", Set),
    ("EnrollmentsOverdueAlarm", Set),
    ("ResumerErrorAlarm", Set),
    ("ResumerNotInvokedAlarm", Set),
    ("ResumerThrottleAlarm", Set),
    ("ResumerInitAlarm", NotHere(NO_INIT_REPORT)),
    ("PaymentDiffersAlarm", Set),
    ("ReconciliationUnfinishedAlarm", Set),
    ("ReconcilerErrorAlarm", Set),
    ("ReconcilerNotInvokedAlarm", Set),
    ("ReconcilerThrottleAlarm", Set),
    ("ReconcilerInitAlarm", NotHere(NO_INIT_REPORT)),
    ("DeadLetterAlarm", Set),
    ("EmailQueueAgeAlarm", NotHere(NO_AGE)),
    ("EmailQueueExpiryAlarm", NotHere(NO_AGE)),
    ("UnknownSendErrorAlarm", Set),
    ("SendingImpossibleAlarm", Set),
    ("EmailAgeAlarm", Set),
    ("EmailExpiryAlarm", Set),
    ("JobRefusedAlarm", Set),
    ("UnansweredSendAlarm", Set),
    ("EmailWorkerErrorAlarm", Set),
    ("EmailWorkerThrottleAlarm", Set),
    ("EmailWorkerInitAlarm", NotHere(NO_INIT_REPORT)),
    ("EmailHeldAlarm", Set),
    ("LimitLoweredAlarm", Set),
    ("TemplateHeldAlarm", Set),
    ("HoldsUnattendedAlarm", Set),
    ("HoldWatchErrorAlarm", Set),
    ("HoldWatchNotInvokedAlarm", Set),
    ("HoldWatchThrottleAlarm", Set),
    ("HoldWatchInitAlarm", NotHere(NO_INIT_REPORT)),
    ("BounceRateAlarm", NotHere(NO_SES_METRICS)),
    ("BounceCountAlarm", NotHere(NO_SES_METRICS)),
    ("ComplaintRateAlarm", NotHere(NO_SES_METRICS)),
    ("ComplaintCountAlarm", NotHere(NO_SES_METRICS)),
    ("EmailFeedbackRuleDeadLetterAlarm", Set),
    ("EmailFeedbackDeadLetterAlarm", Set),
    ("EmailRejectedAlarm", Set),
    ("EmailFeedbackErrorAlarm", Set),
    ("EmailFeedbackThrottleAlarm", Set),
    ("EmailFeedbackInitAlarm", NotHere(NO_INIT_REPORT)),
    ("AnnouncerDeadLetterAlarm", Set),
    ("AnnouncerLateAlarm", NotHere(NO_ITERATOR_AGE)),
    ("ChangeUnreadableAlarm", Set),
    ("AnnouncerErrorAlarm", Set),
    ("AnnouncerThrottleAlarm", Set),
    ("AnnouncerInitAlarm", NotHere(NO_INIT_REPORT)),
    ("EnrollmentBrokenAlarm", NotHere(NO_COMPOSITE)),
    ("EmailLateAlarm", NotHere(NO_COMPOSITE)),
];

const NOT_PUBLISHED: &str = "AWS publishes it itself, and the local AWS does not";
const NO_SUCH_EVENT: &str = "the webhook reads no event that Stripe sends for it";
const NO_REPORT: &str = "the local AWS logs platform.report as text";
const HALF_AN_HOUR: &str =
    "a worker keeps such a job only after half an hour of waiting for another release";

/// The metrics of the dashboard that are not emitted here: the start of the namespace, the name, a part of the
/// dimension's value, and the reason.
pub(super) const METRICS_NOT_HERE: [(&str, &str, &str, &str); 15] = [
    ("Registrar/", "EnrollColdStart", "", NO_REPORT),
    ("Registrar/", "EmailWorkerColdStart", "", NO_REPORT),
    ("Registrar/", "DeadLetters", "unknown_template", HALF_AN_HOUR),
    ("Registrar/", "DeadLetters", "unknown_version", HALF_AN_HOUR),
    ("Registrar/", "DeadLetters", "invalid_data", HALF_AN_HOUR),
    ("Registrar/", "DeadLetters", "job_too_large", "the queue refuses such a job"),
    ("Registrar/", "PaymentEvents", "action_required", NO_SUCH_EVENT),
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "", NOT_PUBLISHED),
    ("AWS/DynamoDB", "ReadThrottleEvents", "", NOT_PUBLISHED),
    ("AWS/DynamoDB", "WriteThrottleEvents", "", NOT_PUBLISHED),
    ("AWS/Logs", "IncomingBytes", "", NOT_PUBLISHED),
    ("AWS/SES", "Send", "", NOT_PUBLISHED),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", "", NOT_PUBLISHED),
    ("AWS/SQS", "NumberOfMessagesReceived", "", NOT_PUBLISHED),
    ("AWS/SQS", "NumberOfMessagesSent", "", NOT_PUBLISHED),
];

/// No run of the journey leaves enrollments for the next one.
pub(super) const MAY_BE_ZERO: &str = "ResumerLeft";
