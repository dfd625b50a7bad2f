//! Other rate limiters, with the same stand-in for the provider.

use std::{
    error::Error,
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use bench::{
    Redis,
    child::{self, Running},
};
use governor::{Quota, RateLimiter, clock::Clock};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use storm::{World, http::Server, stand_in::Sender, weather::Weather};

use crate::run::{LATENCY, Run, Task};

/// Measures the token bucket of the crate `governor`: `limit` tokens per window, of which at most `burst` are saved.
/// There is one process, so tokens are not shared.
pub(crate) async fn token_bucket(task: Task, burst: NonZeroU32) -> io::Result<Run> {
    let (world, server) = provider().await?;
    let period = task.window.get() / task.limit.get();
    let quota = Quota::with_period(period).ok_or_else(|| io::Error::other("no period"))?;
    let limiter = RateLimiter::direct(quota.allow_burst(burst));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let url = format!("http://{}/", server.address());
    let sending = async {
        let _ = limiter.check();
        send(&client, &url);
        task.until_backlog(&world).await;
        loop {
            match limiter.check() {
                Ok(()) => send(&client, &url),
                Err(later) => {
                    let wait = later.wait_time_from(limiter.clock().now());
                    tokio::time::sleep(wait).await;
                }
            }
        }
    };
    tokio::select! {
        () = task.watch(&world) => {}
        () = sending => {}
    }
    server.stop().await;
    let run = task.run(format!("token bucket, burst {burst}"), None, &world);
    Ok(Run { drawn: burst.get() == task.limit.get(), ..run })
}

fn send(client: &Client<HttpConnector, Empty<Bytes>>, url: &str) {
    let (client, request) = (client.clone(), Request::post(url).body(Empty::new()));
    tokio::spawn(async move {
        if let Ok(request) = request
            && let Ok(response) = client.request(request).await
        {
            // Read to the end, so that the connection can be reused.
            let _ = response.into_body().collect().await;
        }
    });
}

/// The stand-in for the provider alone.
async fn provider() -> io::Result<(Arc<World>, Server)> {
    let world = World::new(Weather::calm(LATENCY), Duration::ZERO);
    let provider = world.clone();
    let server = Server::start(move |_| {
        let world = provider.clone();
        let from = Sender { environment: 0, invocation: 0 };
        async move { world.provider.send(from, Value::Null).await }
    })
    .await?;
    Ok((world, server))
}

/// `bullmq` with its limiter and its own Redis.
#[derive(Debug)]
pub(crate) struct BullMq {
    /// The directory in which its packages are installed.
    directory: PathBuf,
}

impl BullMq {
    /// Installs its packages. The error names what is missing.
    pub(crate) fn install() -> Result<Self, Box<dyn Error>> {
        child::run(Command::new("redis-server").arg("--version"))?;
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/node");
        child::run(
            Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&directory),
        )?;
        Ok(Self { directory })
    }

    /// Measures one worker process, with as many concurrent jobs as its limiter allows.
    pub(crate) async fn run(&self, task: Task) -> io::Result<Run> {
        let (world, server) = provider().await?;
        let redis = Redis::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let _worker = Running::start(
            Command::new("node").arg("limiter.mjs").current_dir(&self.directory).envs([
                ("PROVIDER_URL", format!("http://{}/", server.address())),
                ("REDIS_PORT", redis.address().port().to_string()),
                ("LIMIT", task.limit.to_string()),
                ("WINDOW_MS", milliseconds(task.window.get())),
                ("BACKLOG_AFTER_MS", milliseconds(task.pattern.backlog_after(task.window))),
                ("JOBS", task.jobs().to_string()),
            ]),
        )?;
        let max_duration = Duration::from_mins(1) + task.lasts();
        let watched = tokio::time::timeout(max_duration, task.watch(&world)).await;
        server.stop().await;
        watched.map_err(|_| io::Error::other("BullMQ sent nothing"))?;
        Ok(task.run("BullMQ limiter".to_owned(), None, &world))
    }
}
