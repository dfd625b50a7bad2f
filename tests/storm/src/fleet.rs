//! Real worker processes: one for each slot, killed and replaced at will.

use std::{
    io,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use pacer::plan::Deployment;

use crate::{
    http::Server,
    stand_in::{EnvironmentId, Function, LEDGER, Runtime, World},
};

/// What runs in an environment.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Variables beside those that every worker gets.
    pub variables: Vec<(&'static str, String)>,
}

impl Program {
    /// An executable that needs nothing more than every worker.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), variables: Vec::new() }
    }

    /// The same with one more environment variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }
}

/// An environment's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its slot.
    pub slot: usize,
    /// When it was killed, if it was.
    pub killed_at: Option<Duration>,
}

/// As many environments as there are slots, never more.
#[derive(Debug)]
pub struct Fleet {
    world: Arc<World>,
    program: Program,
    deployment: Deployment,
    gap: Duration,
    slots: Vec<Environment>,
    lives: Vec<Life>,
}

impl Fleet {
    /// Starts an environment in every slot.
    pub async fn start(
        world: Arc<World>,
        program: Program,
        deployment: Deployment,
        gap: Duration,
    ) -> io::Result<Self> {
        let (slots, lives) = (Vec::new(), Vec::new());
        let mut fleet = Self { world, program, deployment, gap, slots, lives };
        for slot in 0..deployment.slots.get() as usize {
            let environment = fleet.environment(slot).await?;
            fleet.slots.push(environment);
        }
        Ok(fleet)
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Every environment's life so far, by its id.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// Kills a slot's environment at once, and starts another at once.
    ///
    /// An error if it had already ended by itself: no worker does that.
    pub async fn replace(&mut self, slot: usize) -> io::Result<()> {
        self.kill(slot).await?;
        self.slots[slot] = self.environment(slot).await?;
        Ok(())
    }

    /// Kills every environment.
    pub async fn stop(mut self) -> io::Result<Vec<Life>> {
        for slot in 0..self.slots.len() {
            self.kill(slot).await?;
        }
        Ok(self.lives)
    }

    async fn kill(&mut self, slot: usize) -> io::Result<()> {
        let environment = &mut self.slots[slot];
        environment.kill(&self.world).await?;
        self.lives[environment.id].killed_at = Some(self.world.clock.now());
        Ok(())
    }

    async fn environment(&mut self, slot: usize) -> io::Result<Environment> {
        let id = self.lives.len();
        self.lives.push(Life { slot, killed_at: None });
        let function = Function {
            batch_size: self.deployment.batch_size as usize,
            timeout: self.deployment.timeout,
            gap: self.gap,
        };
        let runtime = Arc::new(Runtime::new(id, function));
        let (world, answering) = (self.world.clone(), runtime.clone());
        let server = Server::start(move |question| {
            let (world, runtime) = (world.clone(), answering.clone());
            async move { world.answer(&runtime, question).await }
        })
        .await?;
        let process = command(&self.program, self.deployment, &server).spawn()?;
        Ok(Environment { id, process, server: Some(server), runtime })
    }
}

/// A process and what it talks to.
#[derive(Debug)]
struct Environment {
    id: EnvironmentId,
    process: Child,
    server: Option<Server>,
    runtime: Arc<Runtime>,
}

impl Environment {
    /// Kills the process and closes all its connections, in this order, before anything else happens:
    /// what it had written and nobody had read by then is lost, because what has died arrives no
    /// more. That is what the pacer assumes.
    async fn kill(&mut self, world: &World) -> io::Result<()> {
        if let Some(status) = self.process.try_wait()? {
            return Err(io::Error::other(format!("a worker ended by itself: {status}")));
        }
        self.process.kill()?;
        self.process.wait()?;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        self.runtime.abandon(world);
        Ok(())
    }
}

impl Drop for Environment {
    /// No process outlives its fleet, even where a test fails.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(program: &Program, deployment: Deployment, server: &Server) -> Command {
    let address = server.address();
    let url = format!("http://{address}");
    let mut command = Command::new(&program.path);
    // Nothing of the surroundings: no proxy, no profile, no credentials.
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    command.envs([
        ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "email-worker"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ENDPOINT_URL_SESV2", &url),
        ("AWS_ENDPOINT_URL_DYNAMODB", &url),
        ("AWS_ENDPOINT_URL_SQS", &url),
        ("AWS_ENDPOINT_URL_LAMBDA", &url),
        ("EMAILS_TABLE", LEDGER),
        ("HOLDS_TABLE", "holds"),
        ("SUPPRESSIONS_TABLE", "suppressions"),
        ("EMAIL_QUEUE_URL", &format!("{url}/000000000000/email-queue")),
        ("EMAIL_DEAD_LETTER_QUEUE_URL", &format!("{url}/000000000000/email-dead-letters")),
        ("SENDER_ADDRESS", "courses@example.com"),
        ("SES_CONFIGURATION_SET", "registrar"),
    ]);
    command.envs([
        ("SEND_LIMIT", deployment.limit.to_string()),
        ("SEND_WINDOW_SECONDS", deployment.window.get().as_secs().to_string()),
        ("SEND_SLACK_MILLISECONDS", deployment.slack.get().as_millis().to_string()),
        ("WORKER_CONCURRENCY", deployment.slots.to_string()),
        ("WORKER_BATCH_SIZE", deployment.batch_size.to_string()),
        ("WORKER_TIMEOUT_SECONDS", deployment.timeout.as_secs().to_string()),
    ]);
    command.envs(program.variables.iter().map(|(name, value)| (*name, value.as_str())));
    command
}
