//! What one enrollment in a free course and one email use if all goes well. Each number names the test that counts it.

use std::time::Duration;

/// Writes of the table of enrollments: the insert, and the removal of `resume_at` (`cargo test -p storm --test backlog`).
pub const TABLE_WRITE_UNITS: u32 = 2;
/// Writes of the index `resume`: an entry is added and removed (the same test).
pub const RESUME_WRITE_UNITS: u32 = 2;
/// Writes of the index `roster`: an entry is added (the same test).
pub const ROSTER_WRITE_UNITS: u32 = 1;
/// All of them.
pub const ENROLLMENT_WRITE_UNITS: u32 = TABLE_WRITE_UNITS + RESUME_WRITE_UNITS + ROSTER_WRITE_UNITS;
/// The course, if it is not in the cache: at most one read (the same test).
pub const ENROLLMENT_READ_UNITS: u32 = 1;
/// Calls to SQS: the email job (the same test).
pub const ENROLLMENT_SQS_CALLS: u32 = 1;

/// A course with seats: its count is written in a transaction with the enrollment, and a transaction takes two units per
/// item (DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works"; `crates/adapters/src/tables/held_seats.rs`
/// has the test of the transaction).
pub const SEAT_WRITE_UNITS: u32 = 2;

/// The shards of the index `resume` for enrollments without a payment in progress (`OTHER_SHARDS` in
/// `crates/adapters/src/tables/resume_index.rs`; a test of the adapters compares them).
pub const RESUME_SHARDS: u32 = 16;
/// The shards of a course in the index `roster` (`SHARDS` in `crates/adapters/src/tables/roster.rs`; likewise).
pub const ROSTER_SHARDS: u32 = 8;

/// Calls to Stripe for a priced course: one to create the payment intent and one to confirm it, which are two endpoints
/// (`cargo test -p enroll --test log`).
pub const STRIPE_CALLS_PER_ENDPOINT: u32 = 1;
/// Stripe's events about a payment that succeeds: `payment_intent.succeeded`.
pub const STRIPE_EVENTS: u32 = 1;

/// Emails per enrollment: the confirmation.
pub const EMAILS_PER_ENROLLMENT: u32 = 1;
/// Writes of the worker to the ledger: the claim, and `sent` (`cargo test -p email-worker usage`).
pub const WORKER_WRITE_UNITS: u32 = 2;
/// Reads of the worker per email: the recipient's suppression, of one unit at most (the same test).
pub const WORKER_READ_UNITS: u32 = 1;
/// SES's events about an email that arrives, `send` and `delivery`, each of which is one write to the ledger.
pub const DELIVERY_EVENTS: u32 = 2;
/// All writes about an email.
pub const EMAIL_WRITE_UNITS: u32 = WORKER_WRITE_UNITS + DELIVERY_EVENTS;
/// Registrar's own events about an enrollment that goes well, with `EventBusName`: `enrollment.activated`, `email.sent`
/// and `email.delivered` (docs/events.md).
pub const BUS_EVENTS: u32 = 3;

/// The log of an enrollment: the function's line, Lambda's `platform.start` and `platform.report`, and API Gateway's
/// line. All are estimated: the function's has ten fields, and the other is that of `AccessLogSettings`.
pub const ENROLLMENT_LOG_BYTES: u32 = 450 + PLATFORM_LOG_BYTES + 500;
/// The worker's log of an email: two lines of some 370 bytes (docs/pacing.md, "Auditing a log"), and its part of the lines
/// per batch. Estimated.
pub const EMAIL_LOG_BYTES: u32 = 1_200;
/// Lambda's `platform.start` and `platform.report` of an invocation, estimated from the examples in Lambda Developer
/// Guide, "Lambda Telemetry API Event schema reference".
pub const PLATFORM_LOG_BYTES: u32 = 700;

/// Memory of all functions but the resumer: `Globals` of template.yaml.
pub const MEMORY_GB: f64 = 0.25;
/// At 1,769 MB a function has one processor (Lambda Developer Guide, "Configure Lambda function memory").
pub const PROCESSORS: f64 = 256.0 / 1_769.0;

/// Assumed durations of calls, the same as in docs/benchmarks.md. They are not measured on AWS.
pub const DYNAMODB_CALL: Duration = Duration::from_millis(5);
pub const SQS_CALL: Duration = Duration::from_millis(15);
