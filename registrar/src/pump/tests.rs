//! One event source over a model of SQS and a model of the watch server. The clock is paused.

mod models;

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use tokio::{
    runtime,
    sync::mpsc::{self, UnboundedReceiver},
};

use super::{
    functions::{InvokeError, Named},
    lines::Line,
    service::{Service, Settings, State},
    stop::Stop,
    template::Batching,
};
use crate::clock;

use self::models::{MemoryQueue, MemoryServer, Reply};

const VISIBILITY: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(10);

fn settings(size: usize, window: u64, max_concurrency: usize) -> Settings {
    Settings {
        function: Named { id: "Worker".to_owned(), name: "worker".to_owned() },
        timeout: TIMEOUT,
        visibility: VISIBILITY,
        batching: Batching { size, window: Duration::from_secs(window) },
        max_concurrency,
        reports_failures: true,
    }
}

/// What a run left.
struct Ran {
    ended: Result<(), InvokeError>,
    lines: Vec<String>,
}

impl Ran {
    fn has(&self, part: &str) -> bool {
        self.lines.iter().any(|line| line.contains(part))
    }
}

/// Runs the event source, and stops it after `meanwhile`.
async fn run(
    settings: Settings,
    queue: &MemoryQueue,
    server: &MemoryServer,
    meanwhile: impl AsyncFnOnce(),
) -> Ran {
    let (lines, mut printed) = mpsc::unbounded_channel();
    let stop = Stop::new();
    let state = State::default();
    let service = Service {
        queue: queue.clone(),
        functions: server,
        settings,
        stop: stop.clone(),
        lines,
        state,
    };
    let (ended, ()) = tokio::join!(service.run(), async {
        meanwhile().await;
        stop.request();
    });
    drop(service);
    Ran { ended, lines: texts(&mut printed) }
}

fn texts(printed: &mut UnboundedReceiver<Line>) -> Vec<String> {
    std::iter::from_fn(|| printed.try_recv().ok()).map(|line| line.to_string()).collect()
}

async fn seconds(number: u64) {
    clock::pause(Duration::from_secs(number)).await;
}

#[tokio::test(start_paused = true)]
async fn handled_messages_are_deleted_and_failed_ones_come_again_after_the_visibility_timeout() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    queue.put(3);
    server.reply(|batch, _| {
        let fails = batch.iter().filter(|record| record.id() == "1" && record.receives() == 1);
        Reply::failures(fails.map(models::Record::id))
    });
    let ran = run(settings(10, 0, 2), &queue, &server, async || {
        seconds(55).await;
        assert_eq!(queue.left(), ["1"], "it is hidden");
        seconds(10).await;
    })
    .await;
    assert_eq!(ran.ended, Ok(()));
    assert_eq!(queue.left(), [""; 0]);
    assert_eq!(server.batches(), [vec!["0", "1", "2"], vec!["1"]]);
    assert!(ran.has("worker: 3 received, 2 deleted, 1 failed"), "{:?}", ran.lines);
    assert!(ran.has("worker: 1 received, 1 received before, 1 deleted"), "{:?}", ran.lines);
    assert!(ran.has("worker: 2 batches: 4 received, 1 received before, 3 deleted, 1 failed"));
}

#[tokio::test(start_paused = true)]
async fn window_gathers_a_batch_and_a_full_batch_does_not_wait_for_its_end() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    run(settings(25, 5, 2), &queue, &server, async || {
        seconds(1).await;
        queue.put(4);
        seconds(2).await;
        queue.put(4);
        seconds(2).await;
        assert!(server.batches().is_empty(), "the window has not ended");
        seconds(3).await;
        queue.put(60);
        seconds(1).await;
    })
    .await;
    let sizes: Vec<_> = server.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [8, 25, 25], "the last ten were given back at the stop");
    assert_eq!(queue.visible(), 10);
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_than_the_maximum_concurrency_are_in_progress() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    queue.put(100);
    server.reply(|_, _| Reply::failures([].into_iter()).after(3));
    run(settings(10, 0, 4), &queue, &server, async || seconds(30).await).await;
    assert_eq!(server.max_at_once(), 4);
    assert_eq!(queue.left(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_before_the_function_responds() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    queue.put(1);
    server.take_away(true);
    server.build_for(Duration::from_mins(5));
    let ran = run(settings(10, 0, 2), &queue, &server, async || {
        seconds(60).await;
        server.take_away(false);
        seconds(290).await;
        assert_eq!(queue.receives("0"), 0, "it is being built");
        seconds(20).await;
    })
    .await;
    assert_eq!(queue.left(), [""; 0]);
    assert_eq!(ran.lines.iter().filter(|line| line.contains("waiting for http")).count(), 1);
    assert!(
        ran.has("waiting for its first response") && ran.has("worker: ready"),
        "{:?}",
        ran.lines
    );
}

#[tokio::test(start_paused = true)]
async fn batch_that_the_server_did_not_take_is_given_back_and_waits_for_the_server() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    let ran = run(settings(10, 0, 2), &queue, &server, async || {
        seconds(1).await;
        server.take_away(true);
        queue.put(2);
        seconds(20).await;
        // The poll that was in progress may receive them once more.
        assert!(queue.visible() == 2 && queue.receives("0") <= 2);
        server.take_away(false);
        seconds(5).await;
    })
    .await;
    assert_eq!(queue.left(), [""; 0]);
    assert!(
        ran.has("worker: 2 received, 2 given back, 0 ms: the server at http"),
        "{:?}",
        ran.lines
    );
}

#[tokio::test(start_paused = true)]
async fn error_of_a_function_fails_the_batch_and_slows_the_polling_down() {
    let (queue, server) = (MemoryQueue::new(Duration::from_mins(10)), MemoryServer::default());
    queue.put(100);
    server.reply(|_, _| Reply::error("worker::Oops"));
    let settings = Settings { visibility: Duration::from_mins(10), ..settings(1, 0, 2) };
    let ran = run(settings, &queue, &server, async || seconds(60).await).await;
    let tried = server.batches().len();
    assert!((5..12).contains(&tried), "{tried} batches in a minute");
    assert_eq!(queue.left().len(), 100);
    assert!(ran.has("1 failed, 0 ms: the function returned the error worker::Oops"));
}

#[tokio::test(start_paused = true)]
async fn invocation_without_a_response_is_lost_once_a_later_one_has_overtaken_it() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    queue.put(1);
    // An edit restarts the function during its first batch.
    server.reply(
        |_, number| if number == 0 { Reply::none() } else { Reply::failures([].into_iter()) },
    );
    let ran = run(settings(1, 0, 2), &queue, &server, async || {
        seconds(1).await;
        queue.put(1);
        seconds(8).await;
        assert_eq!(queue.left(), ["0"]);
        seconds(60).await;
    })
    .await;
    assert!(ran.has("1 failed, 10000 ms: no response in 10 s"), "{:?}", ran.lines);
    assert_eq!(queue.left(), [""; 0], "it came again");
}

#[tokio::test(start_paused = true)]
async fn invocation_that_waits_for_a_build_is_not_lost_before_the_visibility_timeout() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    queue.put(1);
    server.reply(|_, number| {
        Reply::failures([].into_iter()).after(if number == 0 { 55 } else { 100 })
    });
    let ran = run(settings(1, 0, 2), &queue, &server, async || {
        seconds(57).await;
        assert_eq!(queue.left(), [""; 0]);
        queue.put(1);
        seconds(62).await;
    })
    .await;
    assert!(ran.has("1 received, 1 deleted, 55000 ms"), "{:?}", ran.lines);
    assert!(ran.has("1 failed, 60000 ms: no response in 60 s"), "{:?}", ran.lines);
}

#[tokio::test(start_paused = true)]
async fn invocations_in_progress_have_five_seconds_to_finish_at_the_stop() {
    for (takes, left) in [(4, 0), (6, 3)] {
        let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
        server.reply(move |_, _| Reply::failures([].into_iter()).after(takes));
        let started = clock::instant();
        let ran = run(settings(10, 0, 2), &queue, &server, async || {
            queue.put(3);
            seconds(1).await;
        })
        .await;
        assert!(started.elapsed() <= Duration::from_secs(7));
        assert_eq!((queue.left().len(), queue.visible()), (left, left));
        assert_eq!(ran.has("no response within 5 s of the stop"), left > 0, "{:?}", ran.lines);
    }
}

#[tokio::test(start_paused = true)]
async fn missing_function_ends_the_pump() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    queue.put(1);
    server.remove_function();
    let forever = async || std::future::pending::<()>().await;
    let (lines, _printed) = mpsc::unbounded_channel();
    let stop = Stop::new();
    let service = Service {
        queue: queue.clone(),
        functions: &server,
        settings: settings(1, 0, 2),
        stop: stop.clone(),
        lines,
        state: State::default(),
    };
    let ended = tokio::select! {
        ended = service.run() => ended,
        () = forever() => unreachable!(),
    };
    assert!(matches!(ended, Err(InvokeError::NoSuchFunction { .. })));
    assert!(stop.is_requested(), "the other event sources go on");
    assert_eq!(queue.receives("0"), 0);
}

#[tokio::test(start_paused = true)]
async fn refused_calls_are_reported_and_polling_goes_on() {
    let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
    queue.put(1);
    queue.refuse(true);
    let ran = run(settings(10, 0, 2), &queue, &server, async || {
        seconds(10).await;
        queue.refuse(false);
        seconds(10).await;
    })
    .await;
    assert!(ran.has("worker: receiving messages failed: refused"), "{:?}", ran.lines);
    assert!(ran.lines.len() < 10, "{:?}", ran.lines);
    assert_eq!(queue.left(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn group_of_a_fifo_queue_stays_in_order() {
    let (queue, server) = (MemoryQueue::fifo(VISIBILITY, 3), MemoryServer::default());
    queue.put(60);
    server.reply(|batch, number| {
        // As the guide asks of a function: what follows a failure was not handled.
        let from = if number % 5 == 2 { batch.len() / 2 } else { batch.len() };
        Reply::failures(batch[from..].iter().map(models::Record::id)).after(number as u64 % 3)
    });
    run(settings(10, 0, 5), &queue, &server, async || seconds(1_000).await).await;
    assert_eq!(queue.left(), [""; 0]);
    assert!(queue.is_in_order_of_groups(), "{:?}", queue.deleted());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the function does with its batches, no message is lost: each is deleted after the function has handled it, or is
    /// still on the queue.
    #[test]
    fn no_message_is_lost(
        replies in proptest::collection::vec(0_u8..7, 1..30),
        size in 1_usize..15,
        concurrency in 2_usize..6,
        messages in 1_usize..60,
        stops_after in 1_u64..400,
    ) {
        let runtime = runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (queue, server) = (MemoryQueue::new(VISIBILITY), MemoryServer::default());
            queue.put(messages);
            let replies = Arc::new(replies);
            server.reply(move |batch, number| match replies[number % replies.len()] {
                0 => Reply::none(),
                1 => Reply::error("E"),
                2 => Reply::unreachable(),
                3 => Reply::failures(batch.iter().step_by(2).map(models::Record::id)).after(4),
                4 => Reply::text("not JSON"),
                5 => Reply::failures(["unknown"].into_iter()),
                _ => Reply::failures([].into_iter()).after(1),
            });
            let window = u64::from(size > 10);
            run(settings(size, window, concurrency), &queue, &server, async || seconds(stops_after).await).await;
            let handled = server.handled();
            for deleted in queue.deleted() {
                prop_assert!(handled.contains(&deleted), "{deleted} was deleted and not handled");
            }
            prop_assert_eq!(queue.deleted().len() + queue.left().len(), messages);
            prop_assert!(server.max_at_once() <= concurrency);
            Ok(())
        })?;
    }
}
