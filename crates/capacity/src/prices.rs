//! Prices, and nothing else: in US dollars, of us-east-1, the first tier of each, without taxes and free tiers.

/// When the prices were collected. AWS changes them without notice.
pub const COLLECTED_ON: &str = "2026-11-29";

/// The price of `per` units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    pub usd: f64,
    pub per: f64,
    pub unit: &'static str,
    pub page: &'static str,
}

const fn price(usd: f64, per: f64, unit: &'static str, page: &'static str) -> Price {
    Price { usd, per, unit, page }
}

const MILLION: f64 = 1e6;
const API_GATEWAY: &str = "https://aws.amazon.com/api-gateway/pricing/";
const LAMBDA: &str = "https://aws.amazon.com/lambda/pricing/";
const DYNAMODB: &str = "https://aws.amazon.com/dynamodb/pricing/on-demand/";
const SQS: &str = "https://aws.amazon.com/sqs/pricing/";
const SES: &str = "https://aws.amazon.com/ses/pricing/";
const CLOUDWATCH: &str = "https://aws.amazon.com/cloudwatch/pricing/";
const EVENTBRIDGE: &str = "https://aws.amazon.com/eventbridge/pricing/";
const SECRETS: &str = "https://aws.amazon.com/secrets-manager/pricing/";
const FARGATE: &str = "https://aws.amazon.com/fargate/pricing/";
const BALANCER: &str = "https://aws.amazon.com/elasticloadbalancing/pricing/";
const ELASTICACHE: &str = "https://aws.amazon.com/elasticache/pricing/";
const VPC: &str = "https://aws.amazon.com/vpc/pricing/";

/// HTTP APIs, up to 512 KB per request.
pub const HTTP_API: Price = price(1.00, MILLION, "requests", API_GATEWAY);
pub const LAMBDA_REQUESTS: Price = price(0.20, MILLION, "requests", LAMBDA);
/// arm64, the default of `Architecture`.
pub const LAMBDA_ARM: Price = price(0.000_013_333_4, 1.0, "GB-s", LAMBDA);
pub const DYNAMODB_WRITES: Price = price(0.625, MILLION, "write units", DYNAMODB);
pub const DYNAMODB_READS: Price = price(0.125, MILLION, "read units", DYNAMODB);
/// Standard queues, up to 64 KB per request.
pub const SQS_REQUESTS: Price = price(0.40, MILLION, "requests", SQS);
/// The plan Essentials, which accounts have that were new on 2026-07-21 or later. Up to ten million emails per month.
pub const SES_ESSENTIALS: Price = price(0.16, 1e3, "emails", SES);
/// Without a plan, as older accounts.
pub const SES_OLDER: Price = price(0.10, 1e3, "emails", SES);
pub const LOGS: Price = price(0.50, 1.0, "GB", CLOUDWATCH);
pub const METRICS: Price = price(0.30, 1.0, "metrics", CLOUDWATCH);
pub const ALARMS: Price = price(0.10, 1.0, "alarms", CLOUDWATCH);
pub const COMPOSITE_ALARMS: Price = price(0.50, 1.0, "alarms", CLOUDWATCH);
pub const DASHBOARDS: Price = price(3.00, 1.0, "dashboards", CLOUDWATCH);
pub const CLOUDWATCH_CALLS: Price = price(0.01, 1e3, "calls", CLOUDWATCH);
/// Events that an account puts. Those of AWS services, such as SES's, are free.
pub const BUS_EVENTS: Price = price(1.00, MILLION, "events", EVENTBRIDGE);
pub const SECRET: Price = price(0.40, 1.0, "secrets", SECRETS);

/// For the always-on pair: Linux on x86.
pub const FARGATE_PROCESSOR: Price = price(0.040_48, 1.0, "vCPU-h", FARGATE);
pub const FARGATE_MEMORY: Price = price(0.004_445, 1.0, "GB-h", FARGATE);
pub const LOAD_BALANCER: Price = price(0.022_5, 1.0, "h", BALANCER);
/// `cache.t4g.micro`.
pub const REDIS_NODE: Price = price(0.016, 1.0, "h", ELASTICACHE);
pub const PUBLIC_ADDRESS: Price = price(0.005, 1.0, "h", VPC);
