//! Stand-ins for the services that a worker calls, in memory.

mod dynamodb;
mod enrollments;
mod expression;
mod lambda;
mod ses;
mod sqs;
mod units;

use std::{sync::Arc, time::Duration};

use hyper::Method;

pub use dynamodb::{Change, LEDGER, Table};
pub use enrollments::{COURSES, ENROLLMENTS, EnrollmentServices, Latency, STRIPE_KEY};
pub use lambda::{Function, Runtime};
pub use ses::{Arrival, EnvironmentId, Provider, Sender};
pub use sqs::{Body, DeadLetter, Queue, Receipt, Received};
pub use units::Units;

use crate::{
    Clock,
    http::{HttpRequest, HttpResponse},
    weather::Weather,
};

/// The services that all workers share.
#[derive(Debug)]
pub struct World {
    /// The clock of all recorded times.
    pub clock: Clock,
    /// SES.
    pub provider: Provider,
    /// SQS: the email queue and the dead letters.
    pub queue: Queue,
    /// DynamoDB: the delivery ledger.
    pub ledger: Table,
    /// How long each call to DynamoDB or SQS takes, half before its effect and half after it.
    call_duration: Duration,
}

impl World {
    /// A world with this weather at the provider, and this visibility timeout of the email queue.
    pub fn new(weather: Weather, visibility_timeout: Duration) -> Arc<Self> {
        Self::with_slow_calls(weather, visibility_timeout, Duration::ZERO)
    }

    /// The same world, in which each call to DynamoDB or SQS takes this long.
    pub fn with_slow_calls(
        weather: Weather,
        visibility_timeout: Duration,
        call_duration: Duration,
    ) -> Arc<Self> {
        let clock = Clock::start();
        Arc::new(Self {
            clock,
            provider: Provider::new(clock, weather),
            queue: Queue::new(visibility_timeout),
            ledger: Table::new(clock),
            call_duration,
        })
    }

    /// Responds to any request of an environment.
    pub async fn respond(&self, runtime: &Runtime, request: HttpRequest) -> HttpResponse {
        if request.path.starts_with(lambda::PREFIX) {
            return runtime.respond(&self.queue, &request).await;
        }
        match (&request.method, request.path.as_str(), request.target.as_deref()) {
            (&Method::POST, ses::SEND, _) => {
                self.provider.send(runtime.sender(), request.json()).await
            }
            (&Method::GET, ses::ACCOUNT, _) => ses::account(),
            (_, _, Some(target)) => {
                tokio::time::sleep(self.call_duration / 2).await;
                let response = self.call(target, &request);
                tokio::time::sleep(self.call_duration / 2).await;
                response
            }
            (method, path, None) => HttpResponse::not_implemented(&format!("{method} {path}")),
        }
    }

    fn call(&self, target: &str, request: &HttpRequest) -> HttpResponse {
        match target.split_once('.') {
            Some(("DynamoDB_20120810", operation)) => {
                self.ledger.respond(operation, &request.json())
            }
            Some(("AmazonSQS", operation)) => self.queue.respond(operation, &request.json()),
            _ => HttpResponse::not_implemented(target),
        }
    }
}
