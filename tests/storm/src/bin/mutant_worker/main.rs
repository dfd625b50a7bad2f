//! The email worker without one of the pacer's rules. `MUTATION` names the rule. It shows that the storms of
//! `tests/storm.rs` detect a missing rule. Everything else is the worker's own code, and with `MUTATION=none` the
//! mutant passes. It is not part of any deployment.
//!
//! Each mutation is a mistake that a caller of the crates could make. The crates have no switch for it.

mod mailer;
mod mutation;

use std::{cell::RefCell, time::Duration};

use adapters::{
    event_source::WorkerEventSource,
    tables::{EmailsTable, HoldsTable},
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use email_worker::{
    Config, Worker,
    closing::Closing,
    dead_letter_queue::DeadLetterQueue,
    deployed::Deployed,
    handler::received,
    pace::Pace,
    ses,
    suppression::KnownSuppressions,
    visibility::Visibility,
    worker::{Invocation, Parts},
};
use lambda::Environment;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use mailer::MutantMailer;
use mutation::Mutation;
use pacer::{Invalid, SendLimit, Share, Slack, driver::Driver};
use sizing::SES_ATTEMPT_TIMEOUT;
use time::OffsetDateTime;
use tokio::time::Instant;

/// The worker's `main`, except for the mutations.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::telemetry::start();
    let mutation = Mutation::from_env()?;
    let config = Config::read(&Environment::process())?;
    let sdk = adapters::clients::load_config().await;
    let mut mail = ses::client(&sdk);
    if mutation == Mutation::SdkRetries {
        mail.client = aws_sdk_sesv2::Client::new(&sdk);
    }
    let share = Pace::start(config.settings.clone(), ses::Account::new(&sdk)).await.share()?;
    let deployed = Worker::<Deployed>::new(&sdk, mail, config);
    let worker = Worker {
        ledger: deployed.ledger,
        suppressions: deployed.suppressions,
        mailer: MutantMailer::new(mutation, deployed.mailer),
        dead_letters: deployed.dead_letters,
        queue: deployed.queue,
        holds: deployed.holds,
        event_source: deployed.event_source,
        guarantees: deployed.guarantees,
        default_language: deployed.default_language,
        breaker: deployed.breaker,
        last_holds: deployed.last_holds,
    };
    let mutant = Mutant::new(mutation, share, worker).await?;
    // Boxed because it is large.
    Box::pin(lambda_runtime::run(service_fn(|event| mutant.handle(event)))).await
}

/// The worker's own parts, except for the mailer.
struct Mutated;

impl Parts for Mutated {
    type Ledger = EmailsTable;
    type Suppressions = KnownSuppressions;
    type Mailer = MutantMailer;
    type DeadLetters = DeadLetterQueue;
    type Queue = Visibility;
    type Holds = HoldsTable;
    type EventSource = WorkerEventSource;
}

struct Mutant {
    mutation: Mutation,
    share: Share,
    worker: Worker<Mutated>,
    /// Rule 1: pacers whose first wait is over.
    created_in_advance: RefCell<Vec<Driver>>,
}

impl Mutant {
    async fn new(
        mutation: Mutation,
        share: Share,
        worker: Worker<Mutated>,
    ) -> Result<Self, Invalid> {
        let mut created_in_advance = Vec::new();
        if mutation == Mutation::NoFirstWait {
            let closes_at = Instant::now() + Duration::from_hours(1);
            created_in_advance.extend((0..10_000).map(|_| Driver::start(share, closes_at)));
            tokio::time::sleep(share.interval()).await;
        }
        let share = if mutation == Mutation::NoWaitForSlowAttempts {
            without_waiting(share)?
        } else {
            share
        };
        let created_in_advance = RefCell::new(created_in_advance);
        Ok(Self { mutation, share, worker, created_in_advance })
    }

    async fn handle(
        &self,
        event: LambdaEvent<SqsEvent>,
    ) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        let LambdaEvent { payload, context } = event;
        let invocation = self.begin(&context);
        let mut batch = payload.records.into_iter().map(received).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<_> = batch.iter().map(|message| message.sqs_message_id.clone()).collect();
        let failed = match self.mutation {
            Mutation::PacerPerTask => {
                let other = self.begin(&context);
                let half = batch.split_off(batch.len() / 2);
                let (one, two) = tokio::join!(
                    self.worker.handle(&invocation, batch),
                    self.worker.handle(&other, half)
                );
                [one, two].concat()
            }
            Mutation::SendsOutliveInvocation => {
                tokio::select! {
                    failed = self.worker.handle(&invocation, batch) => failed,
                    () = self.worker.mailer.slow.notified() => ids,
                }
            }
            _ => self.worker.handle(&invocation, batch).await,
        };
        Ok(lambda::batch::response(failed))
    }

    fn begin(&self, context: &Context) -> Invocation {
        let (now, began) = (OffsetDateTime::now_utc(), Instant::now());
        let deadline = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
        let id = context.request_id.clone();
        let left = Duration::try_from(deadline - now).unwrap_or_default();
        let closing = Closing::of(began, left);
        let mut invocation = Invocation::begin(id, self.share, (now, began), closing, deadline);
        if let Some(pacer) = self.created_in_advance.borrow_mut().pop() {
            invocation.pacer = pacer;
        }
        invocation
    }
}

/// A share with the same interval and a slack that is longer than any attempt. Its limit is larger.
fn without_waiting(share: Share) -> Result<Share, Invalid> {
    let slack = 2 * SES_ATTEMPT_TIMEOUT;
    let intervals = (share.window().get() + slack).as_nanos() / share.interval().as_nanos();
    let quota = u32::try_from(intervals).unwrap_or(u32::MAX);
    let limit = SendLimit::new(quota.saturating_mul(share.slots().get()))?;
    Share::new(limit, share.window(), share.slots(), Slack::new(slack)?)
}
