//! What a worker talks to, in memory.

mod dynamodb;
mod expression;
mod lambda;
mod ses;
mod sqs;

use std::{fmt::Debug, sync::Arc, time::Duration};

use hyper::Method;
use serde_json::Value;

pub(crate) use dynamodb::LEDGER;
pub use dynamodb::{Change, Table};
pub use lambda::{Function, Runtime};
pub use ses::{Arrival, EnvironmentId, Provider, Reply, Sender};
pub use sqs::{Body, DeadLetter, Queue, Receipt};

use crate::{
    Clock,
    http::{Answer, Question},
    weather::Weather,
};

/// Everything that all workers share.
#[derive(Debug)]
pub struct World {
    /// What every record's time is read off.
    pub clock: Clock,
    /// SES.
    pub provider: Provider,
    /// The email queue and the dead letters, SQS.
    pub queue: Queue,
    /// The delivery ledger, DynamoDB.
    pub ledger: Table,
}

impl World {
    /// A world with that weather, whose queue hides what was received for that long.
    pub fn new(weather: Weather, visibility_timeout: Duration) -> Arc<Self> {
        let clock = Clock::start();
        Arc::new(Self {
            clock,
            provider: Provider::new(clock, weather),
            queue: Queue::new(visibility_timeout),
            ledger: Table::new(clock),
        })
    }

    /// Answers any request of an environment.
    pub async fn answer(&self, runtime: &Runtime, question: Question) -> Answer {
        if question.path.starts_with(lambda::PREFIX) {
            return runtime.answer(&self.queue, &question).await;
        }
        match (&question.method, question.path.as_str(), question.target.as_deref()) {
            (&Method::POST, ses::SEND, _) => {
                self.provider.send(runtime.sender(), parse(&question)).await
            }
            (&Method::GET, ses::ACCOUNT, _) => ses::account(),
            (_, _, Some(target)) => match target.split_once('.') {
                Some(("DynamoDB_20120810", operation)) => {
                    self.ledger.answer(operation, &parse(&question))
                }
                Some(("AmazonSQS", operation)) => self.queue.answer(operation, &parse(&question)),
                _ => Answer::not_known(target),
            },
            (method, path, None) => Answer::not_known(&format!("{method} {path}")),
        }
    }
}

/// The body, or null where it is no JSON; whoever looks into that finds nothing.
fn parse(question: &Question) -> Value {
    serde_json::from_slice(&question.body).unwrap_or_default()
}
