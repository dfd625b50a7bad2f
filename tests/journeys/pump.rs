//! `registrar pump`: with the real `cargo lambda watch` and the queue of another project, and beside a deployed stack.

use std::{
    env, fs,
    net::TcpListener,
    panic::{AssertUnwindSafe, resume_unwind},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use journeys::{
    DeployedStack, eventually,
    operator::{AWS_FAILED, CommandOutput, registrar_as, registrar_until},
    unique_id,
};
use tokio::sync::Notify;

const FUNCTION: &str = include_str!("pump/function.rs");
const TEMPLATE: &str = include_str!("pump/template.yaml");
const CODE: &str = "worker/src/main.rs";
const MANIFEST: &str = "[package]\nname = \"worker\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";

/// A project with one function, outside of this repository, whose `.gitignore` would hide its edits.
struct Project(PathBuf);

impl Project {
    fn new() -> Self {
        let directory = env::temp_dir().join(unique_id("pump"));
        fs::create_dir_all(directory.join("worker/src")).expect("a directory can be created");
        let project = Self(directory);
        project.write("template.yaml", TEMPLATE);
        project.write("worker/Cargo.toml", MANIFEST);
        project.write(CODE, FUNCTION);
        project
    }

    fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.file(path), text).expect("a file can be written");
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `cargo lambda watch` on a port of its own.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(project: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.expect("a port is free").port();
        let process = Command::new("cargo-lambda")
            .args(["lambda", "watch", "-A", "127.0.0.1", "-P", &port.to_string()])
            .current_dir(project.join("worker"))
            .env("CARGO_TARGET_DIR", project.join("target"))
            .stdin(Stdio::null())
            .spawn()
            .expect("cargo-lambda is installed by `make tools`");
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends the function when it is asked to end.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}

/// Runs the pump, and stops it after `meanwhile`, even if that failed.
async fn pumped(
    stack: &DeployedStack,
    args: &[&str],
    meanwhile: impl Future<Output = ()>,
) -> CommandOutput {
    let interrupt = Arc::new(Notify::new());
    let root = &stack.description.root;
    let pump = registrar_until(stack, root, args, Arc::clone(&interrupt));
    let meanwhile = async {
        let outcome = AssertUnwindSafe(meanwhile).catch_unwind().await;
        interrupt.notify_one();
        outcome
    };
    let (output, outcome) = tokio::join!(pump, meanwhile);
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
    output
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn edited_function_is_tried_on_the_messages_that_failed_before() {
    let stack = DeployedStack::shared().await;
    let (queue, project) = (stack.create_queue(Duration::from_secs(3)).await, Project::new());
    let server = Server::start(&project.0);
    let (template, url) = (project.file("template.yaml"), format!("Jobs={queue}"));
    let args = [
        "pump",
        "--no-stack",
        "--template",
        template.to_str().unwrap(),
        "--parameter-overrides",
        "Size=5",
    ];
    let args = [&args[..], &["--queue-url", &url, "--server", &server.url]].concat();

    // Boxed because it is large.
    let meanwhile = Box::pin(async {
        stack.put_message(&queue, "a job").await;
        eventually("a second receive of the message", async || {
            (stack.receives(&queue, "a job").await? >= 2).then_some(())
        })
        .await;
        project.write(CODE, &FUNCTION.replace("FAILS: bool = true", "FAILS: bool = false"));
        eventually("the end of the message", async || {
            stack.receives(&queue, "a job").await.is_none().then_some(())
        })
        .await;
    });
    let output = pumped(&stack, &args, meanwhile).await;
    output.expect(
        0,
        &[
            "WorkerClock: not served (Schedule)\n",
            "worker: WorkerJobs polls ",
            ": batches of up to 5, 5 at a time\n",
            "worker: ready\n",
            "worker: 1 received, 1 failed, ",
            "worker: 1 received, 1 received before, 1 failed, ",
            "worker: 1 received, 1 received before, 1 deleted, ",
        ],
    );
    stack.delete_queue(&queue).await;
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn pump_refuses_the_queues_of_a_stack_whose_functions_poll_them() {
    let stack = DeployedStack::shared().await;
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let args = ["pump", "--template", template, "--only", "EmailFeedbackEventSource"];
    let refused = registrar_as(&stack, &stack.description.root, &args).await;
    refused.expect(AWS_FAILED, &[]);
    let expected =
        format!("of {} reads the queue too: ", stack.output("EmailFeedbackFunctionName"));
    assert!(refused.err.contains(&expected), "{refused:?}");
}
