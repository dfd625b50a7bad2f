//! Real worker processes: one per slot, which a test can kill and replace.

use std::{io, process::Child, sync::Arc, time::Duration};

use sizing::WorkerSettings;

use crate::{
    http::Server,
    program::Program,
    stand_in::{EnvironmentId, Function, Runtime, World},
};

/// The record of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvironmentRecord {
    /// The slot that it runs or ran in.
    pub slot: usize,
    /// When it was killed, if it was.
    pub killed_at: Option<Duration>,
}

/// As many environments as slots, never more.
#[derive(Debug)]
pub struct Fleet {
    world: Arc<World>,
    program: Program,
    settings: WorkerSettings,
    idle: Duration,
    slots: Vec<Environment>,
    records: Vec<EnvironmentRecord>,
}

impl Fleet {
    /// Starts an environment in every slot. Between two invocations a slot is idle for `idle`.
    pub async fn start(
        world: Arc<World>,
        program: Program,
        settings: WorkerSettings,
        idle: Duration,
    ) -> io::Result<Self> {
        let (slots, records) = (Vec::new(), Vec::new());
        let mut fleet = Self { world, program, settings, idle, slots, records };
        for slot in 0..settings.slots.get() as usize {
            let environment = fleet.start_environment(slot).await?;
            fleet.slots.push(environment);
        }
        Ok(fleet)
    }

    /// The number of slots.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Every environment so far, by its id.
    pub fn records(&self) -> &[EnvironmentRecord] {
        &self.records
    }

    /// Kills a slot's environment and starts another at once.
    ///
    /// Returns an error if the process had already exited, which no worker does unless it is killed.
    pub async fn replace(&mut self, slot: usize) -> io::Result<()> {
        self.kill(slot).await?;
        self.slots[slot] = self.start_environment(slot).await?;
        Ok(())
    }

    /// Kills every environment, and returns the records of all of them by their ids.
    pub async fn stop(mut self) -> io::Result<Vec<EnvironmentRecord>> {
        for slot in 0..self.slots.len() {
            self.kill(slot).await?;
        }
        Ok(self.records)
    }

    async fn kill(&mut self, slot: usize) -> io::Result<()> {
        let environment = &mut self.slots[slot];
        environment.kill(&self.world).await?;
        self.records[environment.id].killed_at = Some(self.world.clock.now());
        Ok(())
    }

    async fn start_environment(&mut self, slot: usize) -> io::Result<Environment> {
        let id = self.records.len();
        self.records.push(EnvironmentRecord { slot, killed_at: None });
        let function = Function {
            batch_size: self.settings.batch_size as usize,
            timeout: self.settings.timeout,
            idle: self.idle,
        };
        let runtime = Arc::new(Runtime::new(id, function));
        let (world, responder) = (self.world.clone(), runtime.clone());
        let server = Server::start(move |request| {
            let (world, runtime) = (world.clone(), responder.clone());
            async move { world.respond(&runtime, request).await }
        })
        .await?;
        let process = self.program.command(self.settings, &server)?.spawn()?;
        Ok(Environment { id, process, server: Some(server), runtime })
    }
}

/// A process and the server that it calls.
#[derive(Debug)]
struct Environment {
    id: EnvironmentId,
    process: Child,
    server: Option<Server>,
    runtime: Arc<Runtime>,
}

impl Environment {
    /// Kills the process and then closes all its connections. Whatever the process had written and the server
    /// had not read by then is lost: the pacer assumes that no request of a dead worker arrives later.
    async fn kill(&mut self, world: &World) -> io::Result<()> {
        if let Some(status) = self.process.try_wait()? {
            return Err(io::Error::other(format!("a worker exited unexpectedly: {status}")));
        }
        if self.runtime.overran() {
            return Err(io::Error::other("an invocation lasted longer than the timeout"));
        }
        self.process.kill()?;
        self.process.wait()?;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        self.runtime.abandon(&world.queue, &world.ledger);
        Ok(())
    }
}

impl Drop for Environment {
    /// No process outlives its fleet, even if a test fails.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
