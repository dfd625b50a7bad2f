//! Public limits of AWS and of Stripe, each with its page. They are defaults: an account may have more, and a new one less.
//! Those of Regions are of us-east-1.

/// When the pages were read. They were stored copies, so a page may have changed since.
pub const READ_ON: &str = "2026-11-29";

/// A limit, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    pub value: f64,
    pub page: &'static str,
}

const fn quota(value: f64, page: &'static str) -> Quota {
    Quota { value, page }
}

const API_GATEWAY: &str =
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html";
const LAMBDA: &str = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html";
const LAMBDA_SCALING: &str = "https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html";
const DYNAMODB: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html";
const DYNAMODB_NEW: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html";
const DYNAMODB_PARTITION: &str =
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html";
const EVENTBRIDGE: &str = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html";
const SQS: &str =
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html";
const STRIPE: &str = "https://docs.stripe.com/rate-limits";

/// Requests per second of an account, over all APIs. 2,500 in some Regions.
pub const API_GATEWAY_REQUESTS: Quota = quota(10_000.0, API_GATEWAY);
/// Concurrent executions of an account. 10 in a new one.
pub const LAMBDA_CONCURRENCY: Quota = quota(1_000.0, LAMBDA);
/// Requests per second for each execution of that quota: an environment serves at most ten.
pub const LAMBDA_REQUESTS_PER_EXECUTION: Quota = quota(10.0, LAMBDA);
/// By how many requests per second a function grows in each second: 10,000 in ten.
pub const LAMBDA_GROWTH: Quota = quota(1_000.0, LAMBDA_SCALING);
/// Write units per second of a new on-demand table, and of each index. Afterwards twice the previous peak, within 30 minutes.
pub const NEW_TABLE_WRITE_UNITS: Quota = quota(4_000.0, DYNAMODB_NEW);
/// Write units per second of an on-demand table, and of each index.
pub const TABLE_WRITE_UNITS: Quota = quota(40_000.0, DYNAMODB);
/// Write units per second of a partition, and so of a partition key whose entries arrive in the order of the sort key.
pub const KEY_WRITE_UNITS: Quota = quota(1_000.0, DYNAMODB_PARTITION);
/// Messages in flight of a standard queue.
pub const SQS_IN_FLIGHT: Quota = quota(120_000.0, SQS);
/// Events per second that rules send to targets. 1,100 in many Regions. Beyond it they are late, and not lost.
pub const EVENTBRIDGE_INVOCATIONS: Quota = quota(18_750.0, EVENTBRIDGE);
/// Events per second that an account may put.
pub const EVENTBRIDGE_PUTS: Quota = quota(10_000.0, EVENTBRIDGE);
/// Requests per second of an endpoint, live mode. All together may have 100.
pub const STRIPE_ENDPOINT: Quota = quota(25.0, STRIPE);
