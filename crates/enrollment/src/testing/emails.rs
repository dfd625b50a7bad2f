//! The email side: its queue, its ledger, and a worker.

use email::{
    Job, JobId,
    ledger::{Entry, KnowsEmail, Timeline},
    queue::EnqueueEmail,
};
use unavailable::Unavailable;

use super::world::{Dependency, Mail, World};

impl World {
    /// The jobs on the queue.
    pub fn jobs(&self) -> Vec<Job> {
        self.state().queue.iter().cloned().collect()
    }

    /// Writes a job's timeline to the ledger.
    pub fn write_timeline(&self, id: &JobId, entry: Entry) {
        self.state().timelines.insert(id.to_string(), entry);
    }

    /// The number of emails that were sent for a job.
    pub fn sends(&self, id: &JobId) -> u32 {
        self.state().sends.get(id.as_str()).copied().unwrap_or_default()
    }

    /// The worker, until the queue is empty: takes a job, claims it, sends, marks, acknowledges.
    pub async fn worker(&self) {
        loop {
            let Some(job) = self.state().queue.front().cloned() else { return };
            self.point().await;
            let id = job.id.to_string();
            let claimed = self.state().ledger.get(&id).copied();
            match claimed {
                Some(Mail::Claimed) => return,
                Some(Mail::Sent) => {}
                None | Some(Mail::Released) => {
                    self.state().ledger.insert(id.clone(), Mail::Claimed);
                    let _ends = Claim { world: self, id: &id };
                    self.point().await;
                    *self.state().sends.entry(id.clone()).or_default() += 1;
                    // A crash between these two is the one way to send twice; it is left out here.
                    self.state().ledger.insert(id.clone(), Mail::Sent);
                    self.point().await;
                }
            }
            self.state().queue.retain(|other| other.id != job.id);
        }
    }
}

/// A worker's claim, which ends with the worker.
struct Claim<'a> {
    world: &'a World,
    id: &'a str,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(mail @ Mail::Claimed) = self.world.state().ledger.get_mut(self.id) {
            *mail = Mail::Released;
        }
    }
}

impl EnqueueEmail for World {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        self.call(Dependency::EmailQueue, |state| state.queue.push_back(job.clone())).await
    }
}

impl KnowsEmail for World {
    async fn knows_email(&self, id: &JobId) -> Result<bool, Unavailable> {
        self.call(Dependency::Ledger, |state| {
            state.ledger.contains_key(id.as_str()) || state.timelines.contains_key(id.as_str())
        })
        .await
    }
}

impl Timeline for World {
    async fn find(&self, id: &JobId) -> Result<Option<Entry>, Unavailable> {
        self.call(Dependency::Ledger, |state| state.timelines.get(id.as_str()).cloned()).await
    }
}
