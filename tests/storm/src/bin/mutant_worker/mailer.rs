//! The mutations of rules 3 and 5, as a wrapper of the worker's mailer.

use std::time::Duration;

use email::{
    EmailAddress, JobId, Message,
    job::Headers,
    mailer::{Mailer, Outcome},
};
use email_worker::ses::Ses;
use tokio::sync::Notify;

use crate::mutation::Mutation;

/// Rule 5: how long the mutant waits for an attempt before its invocation returns without the result.
const MAX_WAIT: Duration = Duration::from_millis(300);

pub(crate) struct MutantMailer {
    mutation: Mutation,
    ses: Ses,
    /// Rule 5: notified when an attempt takes longer than [`MAX_WAIT`].
    pub(crate) slow: Notify,
}

impl MutantMailer {
    pub(crate) fn new(mutation: Mutation, ses: Ses) -> Self {
        Self { mutation, ses, slow: Notify::new() }
    }
}

impl Mailer for MutantMailer {
    fn leave_connections(&self) {
        self.ses.leave_connections();
    }

    async fn send(
        &self,
        id: &JobId,
        to: &EmailAddress,
        headers: &Headers,
        message: &Message,
    ) -> Outcome {
        match self.mutation {
            Mutation::HiddenRetry => match self.ses.send(id, to, headers, message).await {
                Outcome::Transient { .. } | Outcome::Throttled => {
                    self.ses.send(id, to, headers, message).await
                }
                outcome => outcome,
            },
            // The task continues when the invocation's future is dropped.
            Mutation::SendsOutliveInvocation => {
                let (ses, id, to, headers, message) =
                    (self.ses.clone(), id.clone(), to.clone(), headers.clone(), message.clone());
                let mut sending =
                    tokio::spawn(async move { ses.send(&id, &to, &headers, &message).await });
                let sent = tokio::select! {
                    sent = &mut sending => sent,
                    () = tokio::time::sleep(MAX_WAIT) => {
                        self.slow.notify_one();
                        sending.await
                    }
                };
                sent.unwrap_or(Outcome::Ambiguous)
            }
            _ => self.ses.send(id, to, headers, message).await,
        }
    }
}
