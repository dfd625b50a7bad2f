//! A backlog of email jobs that nothing else knows, each with the end that it must come to.

use serde_json::json;

use crate::{World, world::unique};

/// SQS's own maximum for one request.
const TOGETHER: usize = 10;

/// How a job must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Sent, once.
    Sent,
    /// On the dead-letter queue, with that error code and a reason.
    Dead(&'static str),
}

/// A job, as it is put on the queue.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id, which its body and its recipient's address have in them.
    pub id: String,
    /// The message.
    pub body: String,
    /// How it must end.
    pub end: End,
}

/// Jobs that belong together.
#[derive(Debug)]
pub struct Backlog {
    /// What all of them mention, and nothing else does.
    pub tag: String,
    /// The jobs.
    pub jobs: Vec<Job>,
}

impl Backlog {
    /// So many jobs that can be sent.
    pub fn of(jobs: usize) -> Self {
        let mut backlog = Self { tag: unique("backlog"), jobs: Vec::new() };
        for _ in 0..jobs {
            backlog.add(End::Sent, |id, to| {
                json!({"v": 1, "id": id, "to": to, "subject": "One of many", "text": id})
                    .to_string()
            });
        }
        backlog
    }

    /// With some that can never be sent among them: two that are no jobs, and two whose template
    /// nobody knows.
    #[must_use]
    pub fn with_hopeless(mut self) -> Self {
        for _ in 0..2 {
            self.add(End::Dead("malformed_job"), |id, _| format!("no job: {id}"));
            self.add(End::Dead("unknown_template"), |id, to| {
                json!({"v": 1, "id": id, "to": to, "template": "novel", "data": {}}).to_string()
            });
        }
        // One for each group of jobs that is enqueued together.
        for (place, hopeless) in (self.jobs.len() - 4..self.jobs.len()).enumerate() {
            self.jobs.swap(place * TOGETHER, hopeless);
        }
        self
    }

    fn add(&mut self, end: End, body: impl FnOnce(&str, &str) -> String) {
        let id = format!("{}-{:03}", self.tag, self.jobs.len());
        let body = body(&id, &address(&id));
        self.jobs.push(Job { id, body, end });
    }

    /// Puts all on the email queue, together.
    pub async fn enqueue(&self, world: &World) {
        let bodies: Vec<String> = self.jobs.iter().map(|job| job.body.clone()).collect();
        for together in bodies.chunks(TOGETHER) {
            world.enqueue_together(together).await;
        }
    }

    /// The jobs that can be sent.
    pub fn sendable(&self) -> usize {
        self.jobs.iter().filter(|job| job.end == End::Sent).count()
    }
}

/// The recipient of the job of that id.
pub(crate) fn address(id: &str) -> String {
    format!("{id}@example.com")
}
