//! What a million enrollments, a million emails and a month cost, item by item.

use std::time::Duration;

use sizing::Plan;

use crate::{
    prices::{self, Price},
    usage,
};

/// As many enrollments, or emails, are priced.
pub const COUNT: f64 = 1e6;
const BYTES_PER_GB: f64 = 1e9;
const HOURS_PER_MONTH: f64 = 730.0;
const MINUTES_PER_MONTH: f64 = 60.0 * HOURS_PER_MONTH;

/// Of the default parameters, counted from template.yaml by a test. A metric with a dimension counts once; AWS counts each of its values.
pub const ALARM_COUNT: u32 = 54;
pub const COMPOSITE_ALARM_COUNT: u32 = 2;
pub const METRIC_COUNT: u32 = 52;
pub const DASHBOARD_COUNT: u32 = 1;

/// Processor time of a warm request, on a whole processor. Assumed: ten times as much changes a million enrollments by
/// eight cents.
pub const RUST_PROCESSOR_TIME: Duration = Duration::from_micros(400);
pub const NODE_PROCESSOR_TIME: Duration = Duration::from_millis(4);

/// Lambda polls an empty queue with five long polls of 20 s (Lambda Developer Guide, "Configuring scaling behavior for SQS
/// event source mappings").
const IDLE_POLLS_PER_MINUTE: f64 = 5.0 * 3.0;
/// A receive or a delete has at most ten messages (SQS Developer Guide, "Message batch").
const MESSAGES_PER_CALL: f64 = 10.0;
/// Queues with an event source: emails and delivery events.
const POLLED_QUEUES: f64 = 2.0;
/// Queries of an idle run of the resumer: one per shard, each of at least half a read unit.
const IDLE_READ_UNITS: f64 = 32.0 * 0.5;
/// hold-watch reads the four alarms of the rates by one call per minute.
const ALARM_READS_PER_MINUTE: f64 = 1.0;

/// One line of a bill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item {
    pub name: &'static str,
    pub quantity: f64,
    pub price: Price,
}

impl Item {
    const fn new(name: &'static str, quantity: f64, price: Price) -> Self {
        Self { name, quantity, price }
    }

    pub fn usd(&self) -> f64 {
        self.quantity * self.price.usd / self.price.per
    }
}

/// The sum of a bill.
pub fn sum(items: &[Item]) -> f64 {
    items.iter().map(Item::usd).sum()
}

/// The billed duration of an enrollment in a free course: its calls, one after the other, and its processor time at the
/// function's share of a processor.
pub fn enroll_duration() -> Duration {
    duration(RUST_PROCESSOR_TIME)
}

fn duration(processor_time: Duration) -> Duration {
    let calls = usage::DYNAMODB_CALL * usage::TABLE_WRITE_UNITS
        + usage::SQS_CALL * usage::ENROLLMENT_SQS_CALLS;
    let billed = calls + processor_time.div_f64(usage::PROCESSORS);
    // In whole milliseconds.
    Duration::from_millis(u64::try_from(billed.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX))
}

/// A million enrollments in free courses that go well, without their emails.
pub fn enrollments() -> Vec<Item> {
    enrollments_of(RUST_PROCESSOR_TIME)
}

/// The same with the functions in Node: the same calls, and the same memory, with more processor time.
pub fn enrollments_in_node() -> Vec<Item> {
    enrollments_of(NODE_PROCESSOR_TIME)
}

fn enrollments_of(processor_time: Duration) -> Vec<Item> {
    let seconds = duration(processor_time).as_secs_f64();
    let each = |count: u32| COUNT * f64::from(count);
    vec![
        Item::new("API Gateway", COUNT, prices::HTTP_API),
        Item::new("Lambda, requests", COUNT, prices::LAMBDA_REQUESTS),
        Item::new("Lambda, duration", COUNT * seconds * usage::MEMORY_GB, prices::LAMBDA_ARM),
        Item::new("DynamoDB, writes", each(usage::ENROLLMENT_WRITE_UNITS), prices::DYNAMODB_WRITES),
        Item::new("DynamoDB, reads", each(usage::ENROLLMENT_READ_UNITS), prices::DYNAMODB_READS),
        Item::new("SQS", each(usage::ENROLLMENT_SQS_CALLS), prices::SQS_REQUESTS),
        Item::new("logs", each(usage::ENROLLMENT_LOG_BYTES) / BYTES_PER_GB, prices::LOGS),
    ]
}

/// A million emails of a backlog that arrive, with this plan. The wait for a permit is billed.
pub fn emails(plan: &Plan) -> Vec<Item> {
    let batches = COUNT / f64::from(plan.settings().batch_size);
    let events = COUNT * f64::from(usage::DELIVERY_EVENTS);
    let event_batches = events / MESSAGES_PER_CALL;
    let interval = plan.share().interval().as_secs_f64();
    let worker = COUNT * interval * usage::MEMORY_GB;
    let feedback = event_batches * usage::DYNAMODB_CALL.as_secs_f64() * usage::MEMORY_GB;
    // Received and deleted by Lambda; an event is put on its queue first.
    let queue_calls = 2.0 * COUNT / MESSAGES_PER_CALL + events + 2.0 * event_batches;
    let log_bytes = COUNT * f64::from(usage::EMAIL_LOG_BYTES)
        + (batches + event_batches) * f64::from(usage::PLATFORM_LOG_BYTES);
    let each = |count: u32| COUNT * f64::from(count);
    vec![
        Item::new("SES", COUNT, prices::SES_ESSENTIALS),
        Item::new("Lambda, requests", batches + event_batches, prices::LAMBDA_REQUESTS),
        Item::new("Lambda, the worker", worker, prices::LAMBDA_ARM),
        Item::new("Lambda, feedback", feedback, prices::LAMBDA_ARM),
        Item::new("DynamoDB, writes", each(usage::EMAIL_WRITE_UNITS), prices::DYNAMODB_WRITES),
        Item::new("DynamoDB, reads", each(usage::WORKER_READ_UNITS), prices::DYNAMODB_READS),
        Item::new("SQS", queue_calls, prices::SQS_REQUESTS),
        Item::new("logs", log_bytes / BYTES_PER_GB, prices::LOGS),
    ]
}

/// A month in which nothing happens.
pub fn month() -> Vec<Item> {
    let polls = IDLE_POLLS_PER_MINUTE * POLLED_QUEUES * MINUTES_PER_MONTH;
    vec![
        Item::new("alarms", ALARM_COUNT.into(), prices::ALARMS),
        Item::new("summary alarms", COMPOSITE_ALARM_COUNT.into(), prices::COMPOSITE_ALARMS),
        Item::new("metrics", METRIC_COUNT.into(), prices::METRICS),
        Item::new("dashboard", DASHBOARD_COUNT.into(), prices::DASHBOARDS),
        Item::new("SQS, empty polls", polls, prices::SQS_REQUESTS),
        // The resumer and hold-watch.
        Item::new("Lambda, requests", 2.0 * MINUTES_PER_MONTH, prices::LAMBDA_REQUESTS),
        Item::new("DynamoDB, reads", IDLE_READ_UNITS * MINUTES_PER_MONTH, prices::DYNAMODB_READS),
        Item::new(
            "CloudWatch, calls",
            ALARM_READS_PER_MINUTE * MINUTES_PER_MONTH,
            prices::CLOUDWATCH_CALLS,
        ),
        Item::new("Stripe's secret", 1.0, prices::SECRET),
    ]
}

/// A month of the smallest pair that runs Express and `BullMQ` without a single point of failure: two tasks
/// of 0.25 processors and 0.5 GB, a Redis with a replica, and a load balancer in two zones. Its tables and emails cost the
/// same as above.
pub fn pair_month() -> Vec<Item> {
    let (tasks, nodes, addresses) = (2.0, 2.0, 4.0);
    vec![
        Item::new("Fargate, processors", tasks * 0.25 * HOURS_PER_MONTH, prices::FARGATE_PROCESSOR),
        Item::new("Fargate, memory", tasks * 0.5 * HOURS_PER_MONTH, prices::FARGATE_MEMORY),
        Item::new("Redis, two nodes", nodes * HOURS_PER_MONTH, prices::REDIS_NODE),
        Item::new("load balancer", HOURS_PER_MONTH, prices::LOAD_BALANCER),
        Item::new("public addresses", addresses * HOURS_PER_MONTH, prices::PUBLIC_ADDRESS),
    ]
}

/// What an enrollment costs here and not with the pair: API Gateway, Lambda and SQS.
fn only_here(item: &Item) -> bool {
    item.name.starts_with("API Gateway") || item.name.starts_with("Lambda") || item.name == "SQS"
}

/// The events of a million enrollments and their emails, with `EventBusName`.
pub fn bus_events() -> Item {
    Item::new("EventBridge", COUNT * f64::from(usage::BUS_EVENTS), prices::BUS_EVENTS)
}

/// The enrollments per month from which the pair is cheaper, with its month against this stack's calls.
pub fn pair_is_cheaper_from() -> f64 {
    let enrollments = enrollments();
    let per_million: f64 = enrollments.iter().filter(|item| only_here(item)).map(Item::usd).sum();
    COUNT * sum(&pair_month()) / per_million
}
