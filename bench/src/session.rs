//! One execution environment, from its start to its end.

use std::{
    error::Error,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Dependencies, Program, Quota, RuntimeApi, Share, Traffic, child::Running, process};

/// How often a process that was asked to end is looked at.
const END_INTERVAL: Duration = Duration::from_millis(20);

/// When a share of the core applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Never: the session has a whole core.
    Never,
    /// From the start of the process.
    FromStart(Share),
    /// As on Lambda, which gives the initialisation a whole core: from the moment that the function asks for
    /// its first event.
    AfterInit(Share),
}

/// The end of an invocation.
#[derive(Debug)]
pub struct Answer {
    /// The function's response.
    pub body: Value,
    /// From the event to the response.
    pub duration: Duration,
    /// What the function called.
    pub traffic: Traffic,
}

impl Answer {
    /// The part of the duration that is not waiting for a response.
    pub fn overhead(&self) -> Duration {
        self.duration.saturating_sub(self.traffic.waited)
    }
}

/// A process with its events and its quota.
#[derive(Debug)]
pub struct Session<'a> {
    dependencies: &'a Dependencies,
    // Dropped before the API: without it, the process would report an error.
    process: Running,
    api: RuntimeApi,
    init: Duration,
    init_traffic: Traffic,
    // Dropped last: its processes must have ended.
    _quota: Option<Quota>,
}

impl<'a> Session<'a> {
    /// Starts the program, and waits until it asks for an event.
    pub async fn start(
        program: &Program,
        dependencies: &'a Dependencies,
        limited: Limited,
        period: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let mut api = RuntimeApi::start().await?;
        let quota = if limited == Limited::Never { None } else { Some(Quota::create(period)?) };
        let before = dependencies.traffic();
        if let (Some(quota), Limited::FromStart(share)) = (&quota, limited) {
            quota.limit(share)?;
        }
        let began = Instant::now();
        let process = Running(program.start(&api.address().to_string())?);
        if let Some(quota) = &quota {
            quota.admit(process.0.id())?;
        }
        let init = api.ready().await? - began;
        if let (Some(quota), Limited::AfterInit(share)) = (&quota, limited) {
            quota.limit(share)?;
        }
        let init_traffic = dependencies.traffic() - before;
        Ok(Self { dependencies, api, process, init, init_traffic, _quota: quota })
    }

    /// From the start of the process until it was ready.
    pub fn init(&self) -> Duration {
        self.init
    }

    /// What it called before it was ready.
    pub fn init_traffic(&self) -> Traffic {
        self.init_traffic
    }

    /// Hands over an event, and waits until the function is ready again.
    pub async fn invoke(&mut self, event: &Value) -> Result<Answer, Box<dyn Error>> {
        let before = self.dependencies.traffic();
        let response = self.api.invoke(event).await?;
        self.api.ready().await?;
        let traffic = self.dependencies.traffic() - before;
        Ok(Answer { body: response.body, duration: response.duration, traffic })
    }

    /// The processor time that the process has used.
    pub fn processor_time(&self) -> std::io::Result<Duration> {
        process::processor_time(self.pid())
    }

    /// The most memory that it had.
    pub fn peak_memory(&self) -> std::io::Result<u64> {
        process::peak_memory(self.pid())
    }

    /// Asks the process to end, and waits until it has.
    pub async fn terminate(&mut self) -> std::io::Result<()> {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        // The stand-ins, which may be on this thread, go on meanwhile.
        while self.process.0.try_wait()?.is_none() {
            tokio::time::sleep(END_INTERVAL).await;
        }
        Ok(())
    }

    fn pid(&self) -> u32 {
        self.process.0.id()
    }
}
