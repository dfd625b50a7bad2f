//! The parts of a deployment that an enrollment passes, and the rate at which each is full.
//!
//! Each part has a limit per second, and each enrollment takes the same of it. So a part is full at one rate of enrollments.
//! A burst that is shorter than a second, and the time in which a part grows, are not in this model.

use std::time::Duration;

use sizing::Plan;

use crate::{bill::enroll_duration, quotas, usage};

/// `DefaultRouteSettings` of the API's stage in template.yaml.
pub const STAGE_REQUESTS: f64 = 1_000.0;
/// `ThrottlingRateLimit` of Stripe's webhook in template.yaml.
pub const WEBHOOK_REQUESTS: f64 = 100.0;
/// `MaximumConcurrency` and `BatchSize` of `EmailFeedbackEventSource` in template.yaml.
pub const FEEDBACK_CONCURRENCY: f64 = 50.0;
pub const FEEDBACK_BATCH: f64 = 10.0;
/// The time that template.yaml allows a batch of delivery events.
pub const FEEDBACK_BATCH_DURATION: Duration = Duration::from_millis(100);
/// `ReservedConcurrentExecutions` of the resumer in template.yaml.
pub const RESUMER_CONCURRENCY: f64 = 1.0;
/// Items per run of the resumer, and so per minute, as measured in docs/benchmarks.md.
pub const RESUMED_PER_MINUTE: f64 = 88_067.0;

/// After this time a job is not sent (docs/architecture.md, "The email path").
pub const JOB_LIFETIME: Duration = Duration::from_hours(7 * 24);

const TEMPLATE: &str = "template.yaml";

/// One limit on the way of an enrollment and its email.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How much of it an enrollment takes.
    pub per_enrollment: f64,
    /// How much of it there is per second.
    pub limit: f64,
    /// What happens to more.
    pub beyond: &'static str,
    pub change: &'static str,
    /// The page, file or command that the limit is from.
    pub source: &'static str,
}

impl Part {
    /// The rate of enrollments at which the part is full.
    pub fn full_at(&self) -> f64 {
        self.limit / self.per_enrollment
    }
}

/// Every part, the one that is full first at the beginning. The worker has this plan; all other settings are the defaults.
pub fn parts(plan: &Plan) -> Vec<Part> {
    let mut parts: Vec<Part> =
        [request_parts(plan), table_parts(), payment_parts(), email_parts(plan)].concat();
    parts.sort_by(|a, b| a.full_at().total_cmp(&b.full_at()));
    parts
}

fn request_parts(plan: &Plan) -> Vec<Part> {
    let concurrency = quotas::LAMBDA_CONCURRENCY.value
        - f64::from(plan.settings().slots.get())
        - RESUMER_CONCURRENCY;
    vec![
        Part {
            name: "API stage",
            unit: "requests",
            per_enrollment: 1.0,
            limit: STAGE_REQUESTS,
            beyond: "429",
            change: "raise DefaultRouteSettings of ApiStage, up to the account's quota",
            source: TEMPLATE,
        },
        Part {
            name: "API Gateway, account",
            unit: "requests",
            per_enrollment: 1.0,
            limit: quotas::API_GATEWAY_REQUESTS.value,
            beyond: "429",
            change: "request a higher throttle quota (L-8A5B8E43)",
            source: quotas::API_GATEWAY_REQUESTS.page,
        },
        Part {
            name: "Lambda, requests",
            unit: "requests",
            per_enrollment: 1.0,
            limit: concurrency.max(0.0) * quotas::LAMBDA_REQUESTS_PER_EXECUTION.value,
            beyond: "503",
            change: "request more concurrent executions: the quota of requests is ten times theirs. The worker and the resumer \
                     take their reservations from them",
            source: quotas::LAMBDA_REQUESTS_PER_EXECUTION.page,
        },
        Part {
            name: "Lambda, concurrency",
            unit: "executions",
            per_enrollment: enroll_duration().as_secs_f64(),
            limit: concurrency.max(0.0),
            beyond: "503",
            change: "request more concurrent executions",
            source: quotas::LAMBDA_CONCURRENCY.page,
        },
        Part {
            name: "resumer, after an outage",
            unit: "enrollments",
            per_enrollment: 1.0,
            limit: RESUMED_PER_MINUTE / 60.0,
            beyond: "slow recovery",
            change: "nothing is lost. More memory is more processor for the resumer; a second run at the same time is safe, and \
                     needs a higher reservation",
            source: "docs/benchmarks.md",
        },
    ]
}

fn table_parts() -> Vec<Part> {
    let writes = |name, per_enrollment: u32, quota: quotas::Quota, change| Part {
        name,
        unit: "write units",
        per_enrollment: f64::from(per_enrollment),
        limit: quota.value,
        beyond: "503",
        change,
        source: quota.page,
    };
    let shards = |name, units: u32, shards: u32, change| Part {
        limit: f64::from(shards) * quotas::KEY_WRITE_UNITS.value,
        ..writes(name, units, quotas::KEY_WRITE_UNITS, change)
    };
    vec![
        writes(
            "enrollments, a new table",
            usage::TABLE_WRITE_UNITS,
            quotas::NEW_TABLE_WRITE_UNITS,
            "`aws dynamodb update-table --warm-throughput` for the table and its indexes, or at most twice the load every 30 minutes",
        ),
        writes(
            "enrollments, quota",
            usage::TABLE_WRITE_UNITS,
            quotas::TABLE_WRITE_UNITS,
            "request a higher table-level write quota",
        ),
        writes(
            "index resume, quota",
            usage::RESUME_WRITE_UNITS,
            quotas::TABLE_WRITE_UNITS,
            "request a higher table-level write quota: it holds for each index too",
        ),
        shards(
            "index resume, its shards",
            usage::RESUME_WRITE_UNITS,
            usage::RESUME_SHARDS,
            "more OTHER_SHARDS in crates/adapters/src/tables/resume_index.rs, after a release whose resumer reads them",
        ),
        shards(
            "index roster, one course",
            usage::ROSTER_WRITE_UNITS,
            usage::ROSTER_SHARDS,
            "more SHARDS in crates/adapters/src/tables/roster.rs; there must never be fewer again",
        ),
        shards(
            "seats, one course",
            usage::SEAT_WRITE_UNITS,
            1,
            "one course with seats is one item. Transactions on it exclude each other, so it is slower already before: open such a \
             course to groups one after the other, or give it no seats",
        ),
    ]
}

fn payment_parts() -> Vec<Part> {
    vec![
        Part {
            name: "Stripe, priced courses",
            unit: "calls",
            per_enrollment: f64::from(usage::STRIPE_CALLS_PER_ENDPOINT),
            limit: quotas::STRIPE_ENDPOINT.value,
            beyond: "503",
            change: "ask Stripe for a higher limit, weeks before a sale",
            source: quotas::STRIPE_ENDPOINT.page,
        },
        Part {
            name: "Stripe's webhook, priced",
            unit: "requests",
            per_enrollment: f64::from(usage::STRIPE_EVENTS),
            limit: WEBHOOK_REQUESTS,
            beyond: "429, retried",
            change: "raise the throttle of POST /webhooks/stripe in RouteSettings of ApiStage",
            source: TEMPLATE,
        },
    ]
}

fn email_parts(plan: &Plan) -> Vec<Part> {
    let settings = plan.settings();
    let per_second = f64::from(settings.limit.get()) / settings.window.get().as_secs_f64();
    let emails = f64::from(usage::EMAILS_PER_ENROLLMENT);
    let events = emails * f64::from(usage::DELIVERY_EVENTS);
    let new_table = quotas::NEW_TABLE_WRITE_UNITS;
    let prepared = plan.parameters().into_iter().find(|(name, _)| name == "EmailsTableWriteUnits");
    let prepared = prepared.and_then(|(_, units)| units.parse().ok()).unwrap_or(new_table.value);
    vec![
        Part {
            name: "emails, the limit",
            unit: "emails",
            per_enrollment: emails,
            limit: per_second * plan.usable().fraction(),
            beyond: "emails wait",
            change: "a higher SendLimit, as far as SES's quota allows. Enrollments do not wait for it",
            source: "registrar plan, usable",
        },
        Part {
            name: "emails table",
            unit: "write units",
            per_enrollment: emails * f64::from(usage::EMAIL_WRITE_UNITS),
            limit: prepared,
            beyond: "emails wait",
            change: "EmailsTableWriteUnits, as `registrar plan` prints it for a higher limit",
            source: new_table.page,
        },
        Part {
            name: "email-feedback",
            unit: "delivery events",
            per_enrollment: events,
            limit: FEEDBACK_CONCURRENCY * FEEDBACK_BATCH / FEEDBACK_BATCH_DURATION.as_secs_f64(),
            beyond: "events wait",
            change: "raise MaximumConcurrency of EmailFeedbackEventSource",
            source: TEMPLATE,
        },
        Part {
            name: "EventBridge, SES's events",
            unit: "delivery events",
            per_enrollment: events,
            limit: quotas::EVENTBRIDGE_INVOCATIONS.value,
            beyond: "events are late",
            change: "request a higher quota of invocations",
            source: quotas::EVENTBRIDGE_INVOCATIONS.page,
        },
        Part {
            name: "EventBridge, our events",
            unit: "events",
            per_enrollment: f64::from(usage::BUS_EVENTS),
            limit: quotas::EVENTBRIDGE_PUTS.value,
            beyond: "events are late",
            change: "request a higher quota of PutEvents. Only with EventBusName",
            source: quotas::EVENTBRIDGE_PUTS.page,
        },
    ]
}

/// What a lasting rate of emails does to the queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// Emails that come each second and cannot leave.
    pub growth: f64,
    /// After this time, a new email would be sent later than its deadline.
    pub full_after: Duration,
}

/// The emails that the plan sends before the last one of them is too late.
pub fn largest_backlog(plan: &Plan) -> f64 {
    sent_per_second(plan) * JOB_LIFETIME.as_secs_f64()
}

/// The emails per second that a plan sends of a backlog.
pub fn sent_per_second(plan: &Plan) -> f64 {
    let settings = plan.settings();
    let limit = f64::from(settings.limit.get()) * plan.usable().fraction();
    limit / settings.window.get().as_secs_f64()
}

/// `None` if the emails of this rate of enrollments leave as they come.
pub fn backlog(plan: &Plan, enrollments_per_second: f64) -> Option<Backlog> {
    let emails = enrollments_per_second * f64::from(usage::EMAILS_PER_ENROLLMENT);
    let growth = emails - sent_per_second(plan);
    let full_after = Duration::try_from_secs_f64(largest_backlog(plan) / growth).ok()?;
    (growth > 0.0).then_some(Backlog { growth, full_after })
}

/// How long Lambda takes to grow from nothing to this rate of requests.
pub fn growth_time(enrollments_per_second: f64) -> Duration {
    Duration::try_from_secs_f64(enrollments_per_second / quotas::LAMBDA_GROWTH.value)
        .unwrap_or(Duration::MAX)
}
