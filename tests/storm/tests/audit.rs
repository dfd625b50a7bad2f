//! `registrar audit` reads the logs of worker processes that are killed again and again. It may count a send that
//! never arrived, and must not leave out one that did.

#![expect(clippy::unwrap_used, reason = "helpers of tests too")]

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use fastrand::Rng;
use pacer::{SendLimit, Slack, Slots, Window};
use registrar::Records;
use sizing::WorkerSettings;
use storm::{Fleet, Program, World, weather::Weather};

/// The test needs this long only if the machine hangs.
const MAX_DURATION: Duration = Duration::from_mins(4);

fn settings() -> WorkerSettings {
    WorkerSettings {
        limit: SendLimit::new(60).unwrap(),
        window: Window::from_secs(2).unwrap(),
        slack: Slack::from_millis(200).unwrap(),
        slots: Slots::new(2).unwrap(),
        batch_size: 24,
        timeout: Duration::from_secs(20),
    }
}

fn job(number: usize) -> String {
    format!(
        r#"{{"v":1,"id":"job-{number}","to":"a{number}@example.com","subject":"S","text":"T"}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_counts_every_send_that_arrived_from_a_killed_worker() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("audit.log");
    let _ = fs::remove_file(&path);
    let world = World::new(Weather::rough(1), Duration::from_secs(4));
    world.queue.put((0..3_000).map(job));
    let program = Program::new(env!("CARGO_BIN_EXE_worker-under-test")).with_log(&path);
    let mut fleet = Fleet::start(world.clone(), program, settings(), Duration::ZERO).await.unwrap();
    let mut random = Rng::with_seed(1);
    // Until attempts have died with their workers after they had arrived.
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < MAX_DURATION);
        tokio::time::sleep(Duration::from_millis(random.u64(200..1_500))).await;
        let slot = random.usize(0..fleet.slots());
        fleet.replace(slot).await.unwrap();
        let ends = fs::read_to_string(&path).unwrap().matches("ended_at_us").count();
        let outstanding = 2 * settings().check().unwrap().max_outstanding();
        if world.provider.arrivals().len() as u64 > ends as u64 + outstanding {
            break;
        }
    }
    fleet.stop().await.unwrap();

    let arrivals = world.provider.arrivals().len();
    let log = fs::read(&path).unwrap();
    let records = Records::read(&log[..]).unwrap();
    assert!(records.arrivals.len() >= arrivals, "{} of {arrivals}", records.arrivals.len());
    assert!(records.arrivals.len() - records.unended < arrivals, "the ends alone are too few");
}
