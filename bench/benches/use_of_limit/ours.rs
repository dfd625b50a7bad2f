//! The email worker, deployed as the plan sizes it.

use std::{io, time::Duration};

use sizing::{DEFAULT_LATENCY, Plan};
use storm::{Fleet, Program, World, weather::Weather};

use crate::run::{LATENCY, Run, Task};

/// Measures real processes, one per slot of the plan. Between two invocations a slot is idle for `idle`.
pub(crate) async fn worker(task: Task, idle: Duration) -> io::Result<Run> {
    let plan = Plan::new(task.limit, task.window, DEFAULT_LATENCY).map_err(io::Error::other)?;
    let world = World::new(Weather::calm(LATENCY), plan.visibility_timeout());
    let (first, backlog) = (job(0), (1..task.jobs()).map(job));
    let program = Program::new(env!("CARGO_BIN_EXE_measured-worker"));
    world.queue.put([first]);
    let fleet = Fleet::start(world.clone(), program, plan.settings(), idle).await?;
    let late = async {
        task.until_backlog(&world).await;
        world.queue.put(backlog);
    };
    tokio::join!(task.watch(&world), late);
    fleet.stop().await?;
    let slots = plan.settings().slots;
    let name = format!("**Registrar**, {slots} slots");
    Ok(task.run(name, Some(plan.usable().fraction()), &world))
}

fn job(n: usize) -> String {
    format!(
        r#"{{"v":1,"id":"job-{n}","to":"ada@example.com","template":"enrollment-confirmation",
            "data":{{"student_name":"Ada","course_title":"Rust"}}}}"#
    )
}
