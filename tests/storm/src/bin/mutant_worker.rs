//! The email worker with one of the pacer's rules removed, as `MUTATION` says: to show that the storm
//! of `tests/storm.rs` would notice. Everything else is the worker's own, and with `MUTATION=none` it
//! passes. No part of any deployment.
//!
//! Each mutation is a mistake that could be made with the crates as they are, not a switch in them.

use std::{cell::RefCell, time::Duration};

use aws::{
    Environment,
    event_source::WorkerEventSource,
    tables::{EmailsTable, HoldsTable},
};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use email::{
    EmailAddress, JobId, Message,
    mailer::{Mailer, Outcome},
};
use email_worker::{
    Config, Worker,
    dead_letter_queue::DeadLetterQueue,
    deployed::Deployed,
    handler::received,
    ses::{self, Ses},
    suppression::KnownSuppressions,
    visibility::Visibility,
    worker::{Invocation, Parts},
};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use pacer::{
    Invalid, SendLimit, Share, Slack,
    driver::Driver,
    plan::{ATTEMPT_TIMEOUT, CLOSING_ROOM},
};
use time::OffsetDateTime;
use tokio::{sync::Notify, time::Instant};

/// Rule 5: how long the mutant waits for an attempt before it answers without it.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// Which rule is removed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    /// None: the control.
    None,
    /// Rule 1: pacers are made ahead, so their first wait is over when their invocation starts.
    NoFirstWait,
    /// Rule 2: a batch is sent by two tasks with a pacer each.
    PacerForEachTask,
    /// Rule 3: an attempt that failed is repeated at once, under the same permit.
    HiddenRetry,
    /// Rule 3 again: the SDK's own retries are left on, as they are by default.
    SdkRetries,
    /// Rule 4: nothing ever counts as outstanding for too long.
    NoHold,
    /// Rule 5: an invocation does not wait for what is slow: it answers, and its sends go on.
    SendsOutliveInvocation,
}

impl Mutation {
    fn read() -> Result<Self, lambda_runtime::Error> {
        match std::env::var("MUTATION")?.as_str() {
            "none" => Ok(Self::None),
            "rule-1" => Ok(Self::NoFirstWait),
            "rule-2" => Ok(Self::PacerForEachTask),
            "rule-3" => Ok(Self::HiddenRetry),
            "sdk-retries" => Ok(Self::SdkRetries),
            "rule-4" => Ok(Self::NoHold),
            "rule-5" => Ok(Self::SendsOutliveInvocation),
            other => Err(format!("no mutation is called {other}").into()),
        }
    }
}

/// The worker's main, but for the mutations.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    aws::telemetry::start();
    let mutation = Mutation::read()?;
    let config = Config::read(&Environment::process())?;
    let sdk = aws::clients::load_config().await;
    let mail = match mutation {
        Mutation::SdkRetries => aws_sdk_sesv2::Client::new(&sdk),
        _ => ses::client(&sdk),
    };
    let share = config.share(ses::account_rate(&mail).await)?;
    let real = Worker::<Deployed>::new(&sdk, mail, config);
    let worker = Worker {
        ledger: real.ledger,
        suppressions: real.suppressions,
        mailer: MutantMailer { mutation, ses: real.mailer, slow: Notify::new() },
        dead_letters: real.dead_letters,
        queue: real.queue,
        holds: real.holds,
        event_source: real.event_source,
        guarantees: real.guarantees,
    };
    let mutant = Mutant::new(mutation, share, worker).await?;
    lambda_runtime::run(service_fn(|event| mutant.handle(event))).await
}

/// The worker's own parts, but for the mailer.
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
    /// Rule 1: pacers that have waited already.
    made_ahead: RefCell<Vec<Driver>>,
}

impl Mutant {
    async fn new(
        mutation: Mutation,
        share: Share,
        worker: Worker<Mutated>,
    ) -> Result<Self, Invalid> {
        let mut made_ahead = Vec::new();
        if mutation == Mutation::NoFirstWait {
            let never = Instant::now() + Duration::from_hours(1);
            made_ahead.extend((0..10_000).map(|_| Driver::start(share, never)));
            tokio::time::sleep(share.interval()).await;
        }
        let share = if mutation == Mutation::NoHold { without_hold(share)? } else { share };
        let made_ahead = RefCell::new(made_ahead);
        Ok(Self { mutation, share, worker, made_ahead })
    }

    async fn handle(
        &self,
        event: LambdaEvent<SqsEvent>,
    ) -> Result<SqsBatchResponse, lambda_runtime::Error> {
        let LambdaEvent { payload, context } = event;
        let invocation = self.begin(&context);
        let mut batch = payload.records.into_iter().map(received).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<_> = batch.iter().map(|message| message.message_id.clone()).collect();
        let failed = match self.mutation {
            Mutation::PacerForEachTask => {
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
        Ok(aws::batch::response(failed))
    }

    fn begin(&self, context: &Context) -> Invocation {
        let (now, began) = (OffsetDateTime::now_utc(), Instant::now());
        let deadline = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
        let left = Duration::try_from(deadline - now).unwrap_or_default();
        let closes_at = began + left.saturating_sub(ATTEMPT_TIMEOUT + CLOSING_ROOM);
        let made_ahead = self.made_ahead.borrow_mut().pop();
        let pacer = made_ahead.unwrap_or_else(|| Driver::start(self.share, closes_at));
        let id = context.request_id.clone();
        Invocation { id, began_at: (now, began), pacer, deadline }
    }
}

/// The same interval with a slack that no attempt outlasts. It is the interval of a larger share.
fn without_hold(share: Share) -> Result<Share, Invalid> {
    let slack = 2 * ATTEMPT_TIMEOUT;
    let intervals = (share.window().get() + slack).as_nanos() / share.interval().as_nanos();
    let quota = u32::try_from(intervals).unwrap_or(u32::MAX);
    let limit = SendLimit::new(quota.saturating_mul(share.slots().get()))?;
    Share::new(limit, share.window(), share.slots(), Slack::new(slack)?)
}

struct MutantMailer {
    mutation: Mutation,
    ses: Ses,
    /// Rule 5: an attempt lasts longer than this worker cares to wait.
    slow: Notify,
}

impl Mailer for MutantMailer {
    async fn send(&self, id: &JobId, to: &EmailAddress, message: &Message) -> Outcome {
        match self.mutation {
            Mutation::HiddenRetry => match self.ses.send(id, to, message).await {
                Outcome::Transient { .. } | Outcome::Throttled => {
                    self.ses.send(id, to, message).await
                }
                outcome => outcome,
            },
            // A task of its own goes on when the invocation's future is dropped.
            Mutation::SendsOutliveInvocation => {
                let (ses, id, to, message) =
                    (self.ses.clone(), id.clone(), to.clone(), message.clone());
                let mut sending = tokio::spawn(async move { ses.send(&id, &to, &message).await });
                let sent = tokio::select! {
                    sent = &mut sending => sent,
                    () = tokio::time::sleep(IMPATIENCE) => {
                        self.slow.notify_one();
                        sending.await
                    }
                };
                sent.unwrap_or(Outcome::Ambiguous)
            }
            _ => self.ses.send(id, to, message).await,
        }
    }
}
