//! The email side: its queue, its ledger, and a worker.

use email::{
    Job, JobId,
    job::MAX_JOB_BYTES,
    ledger::{Entry, KnowsEmail, Timeline},
    queue::{EnqueueEmail, EnqueueEmails, NotEnqueued, TracedJob},
    text::check_carried,
};
use unavailable::Unavailable;

use super::{
    rows::JobFault,
    world::{Dependency, Mail, State, World, unavailable},
};

/// Entries per call of SQS.
const ENTRIES_PER_CALL: usize = 10;

impl World {
    /// Has the queue do this with every job to this recipient, or with none any more.
    pub fn fault_jobs_to(&self, recipient: &str, fault: Option<JobFault>) {
        let faults = &mut self.state().job_faults;
        match fault {
            Some(fault) => drop(faults.insert(recipient.to_owned(), fault)),
            None => drop(faults.remove(recipient)),
        }
    }

    /// The jobs on the queue.
    pub fn jobs(&self) -> Vec<Job> {
        self.state().queue.iter().cloned().collect()
    }

    /// The number of jobs whose id another email has: a worker would not send them.
    pub fn reused_ids(&self) -> usize {
        self.state().reused_ids
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

impl State {
    /// As SQS and the queue's own limit do.
    fn enqueue(&mut self, job: &Job) -> Result<(), NotEnqueued> {
        let body = job.to_body();
        let fault = self.job_faults.get(job.to.as_str()).copied();
        if body.len() > MAX_JOB_BYTES
            || check_carried(&body).is_err()
            || fault == Some(JobFault::Refused)
        {
            let refusal = Unavailable::new("enqueueing an email", "InvalidMessageContents");
            return Err(NotEnqueued::Refused(refusal));
        }
        if fault == Some(JobFault::Unavailable) {
            return Err(unavailable().into());
        }
        let first = self.bodies.entry(job.id.to_string()).or_insert_with(|| body.clone());
        if *first != body {
            self.reused_ids += 1;
        }
        self.queue.push_back(job.clone());
        Ok(())
    }
}

impl EnqueueEmail for World {
    async fn enqueue_email(&self, job: &Job) -> Result<(), Unavailable> {
        Ok(self.call(Dependency::EmailQueue, |state| state.enqueue(job)).await??)
    }
}

impl EnqueueEmails for World {
    /// Each call of at most ten can fail as a whole; and each of its entries can fail by itself.
    async fn enqueue_emails(&self, jobs: &[TracedJob]) -> Vec<Result<(), NotEnqueued>> {
        let mut results = Vec::new();
        for entries in jobs.chunks(ENTRIES_PER_CALL) {
            let called = self.call(Dependency::EmailQueue, |state| {
                let entry = |traced: &TracedJob| {
                    if state.bad_luck() {
                        Err(unavailable().into())
                    } else {
                        state.enqueue(&traced.job)
                    }
                };
                entries.iter().map(entry).collect::<Vec<_>>()
            });
            match called.await {
                Ok(entries) => results.extend(entries),
                Err(_) => results.extend(entries.iter().map(|_| Err(unavailable().into()))),
            }
        }
        results
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
