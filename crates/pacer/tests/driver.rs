//! The driver under tokio's paused clock. The clock advances by whole milliseconds while all tasks
//! wait, so the shares here have intervals of whole milliseconds.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "tests of the driver read the clock and wait")]

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use send_pacer::{
    SendLimit, Share, Slack, Slots, Window,
    audit::{Arrival, worst_window},
    driver::{Closed, Driver},
};
use tokio::time::{Instant, sleep, timeout};

const D: Duration = Duration::from_millis(100);

/// An interval of 100 ms.
fn share(slack: u64) -> Share {
    let share = Share::new(
        SendLimit::new(10).unwrap(),
        Window::new(Duration::from_millis(1000 - slack)).unwrap(),
        Slots::new(1).unwrap(),
        Slack::new(Duration::from_millis(slack)).unwrap(),
    )
    .unwrap();
    assert_eq!(share.interval(), D);
    share
}

fn in_an_hour() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending()))
        .await
}

#[tokio::test(start_paused = true)]
async fn permits_are_an_interval_apart_and_the_first_comes_after_one_interval() {
    let began = Instant::now();
    let driver = Driver::start(share(50), in_an_hour());
    for n in 1..=5 {
        let permit = driver.permit().await.unwrap();
        assert_eq!(permit.started_at() - began, D * n);
    }
}

#[tokio::test(start_paused = true)]
async fn unused_permit_is_not_saved_up() {
    let driver = Driver::start(share(50), in_an_hour());
    sleep(D * 20).await;
    let late = driver.permit().await.unwrap().started_at();
    let next = driver.permit().await.unwrap().started_at();
    assert_eq!(next - late, D);
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_order_and_an_interval_apart() {
    let began = Instant::now();
    let driver = Driver::start(share(50), in_an_hour());
    let started = async || driver.permit().await.unwrap().started_at() - began;
    let (a, b, c, d) = tokio::join!(started(), started(), started(), started());
    assert_eq!([a, b, c, d], [D, D * 2, D * 3, D * 4]);
}

#[tokio::test(start_paused = true)]
async fn concurrent_waiters_keep_the_interval() {
    let driver = Driver::start(share(50), in_an_hour());
    let worker = async |latency| {
        let mut starts = Vec::new();
        for _ in 0..25 {
            let permit = driver.permit().await.unwrap();
            starts.push(permit.started_at());
            sleep(Duration::from_millis(latency)).await;
        }
        starts
    };
    let (a, b, c) = tokio::join!(worker(3), worker(45), worker(70));
    let mut all = [a, b, c].concat();
    all.sort();
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= D));
    assert_eq!(all.len(), 75);
}

#[tokio::test(start_paused = true)]
async fn dropped_waiter_uses_up_nothing() {
    let began = Instant::now();
    let driver = Driver::start(share(50), in_an_hour());
    assert!(timeout(D / 2, driver.permit()).await.is_err());
    let mut first = Box::pin(driver.permit());
    let mut second = Box::pin(driver.permit());
    assert!(is_pending(&mut first).await);
    assert!(is_pending(&mut second).await);
    drop(first);
    assert_eq!(second.await.unwrap().started_at() - began, D);
}

#[tokio::test(start_paused = true)]
async fn slack_limits_the_number_of_outstanding_attempts() {
    let driver = Driver::start(share(250), in_an_hour());
    let mut permits = Vec::new();
    while let Ok(permit) = timeout(D * 10, driver.permit()).await {
        permits.push(permit.unwrap());
    }
    assert_eq!(permits.len(), 3);
    assert_eq!(driver.share().max_outstanding(), 3);
    assert_eq!(driver.outstanding(), 3);
}

#[tokio::test(start_paused = true)]
async fn slow_attempt_delays_the_next_start_until_an_interval_after_its_end() {
    let driver = Driver::start(share(50), in_an_hour());
    let slow = driver.permit().await.unwrap();
    let ended = async {
        sleep(Duration::from_secs(7)).await;
        drop(slow);
        Instant::now()
    };
    let (next, ended) = tokio::join!(driver.permit(), ended);
    assert_eq!(next.unwrap().started_at() - ended, D);
}

#[tokio::test(start_paused = true)]
async fn last_start_may_be_exactly_at_the_closing_time() {
    let driver = Driver::start(share(50), Instant::now() + D);
    assert!(driver.permit().await.is_ok());
    let asked = Instant::now();
    assert_eq!(driver.permit().await.unwrap_err(), Closed::OutOfTime);
    assert_eq!(Instant::now(), asked, "the error comes immediately");
}

#[tokio::test(start_paused = true)]
async fn permit_after_the_closing_time_is_refused_without_waiting() {
    let began = Instant::now();
    let driver = Driver::start(share(50), began + D - Duration::from_nanos(1));
    let (a, b) = tokio::join!(driver.permit(), driver.permit());
    assert_eq!((a.unwrap_err(), b.unwrap_err()), (Closed::OutOfTime, Closed::OutOfTime));
    assert_eq!(Instant::now(), began);
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_slow_attempt_ends_when_it_is_too_late_to_start() {
    let closes_at = Instant::now() + Duration::from_secs(10);
    let driver = Driver::start(share(50), closes_at);
    let slow = driver.permit().await.unwrap();
    assert_eq!(driver.permit().await.unwrap_err(), Closed::OutOfTime);
    let known = closes_at - D;
    assert!(Instant::now() > known && Instant::now() <= known + Duration::from_millis(1));
    drop(slow);
    assert_eq!(driver.permit().await.unwrap_err(), Closed::OutOfTime);
}

#[tokio::test(start_paused = true)]
async fn close_ends_all_waits_immediately() {
    let began = Instant::now();
    let driver = Driver::start(share(50), in_an_hour());
    let close = async {
        sleep(D / 2).await;
        driver.close();
    };
    let (a, b, ()) = tokio::join!(driver.permit(), driver.permit(), close);
    assert_eq!((a.unwrap_err(), b.unwrap_err()), (Closed::ByCaller, Closed::ByCaller));
    assert_eq!(Instant::now() - began, D / 2);
    assert_eq!(driver.permit().await.unwrap_err(), Closed::ByCaller);
}

#[tokio::test(start_paused = true)]
async fn close_ends_a_wait_for_the_end_of_an_attempt() {
    let driver = Driver::start(share(50), in_an_hour());
    let slow = driver.permit().await.unwrap();
    let mut next = pin!(driver.permit());
    assert!(timeout(D * 5, &mut next).await.is_err());
    driver.close();
    assert_eq!(next.await.unwrap_err(), Closed::ByCaller);
    drop(slow);
}

/// As [`share`], with an interval of 500 ms.
fn lower_share(slack: u64) -> Share {
    let whole = share(slack);
    let limit = SendLimit::new(2).unwrap();
    Share::new(limit, whole.window(), whole.slots(), whole.slack()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn lowered_pace_applies_to_callers_that_wait() {
    let began = Instant::now();
    let driver = Driver::start(share(50), in_an_hour());
    let started = async || driver.permit().await.unwrap().started_at() - began;
    let lower = async {
        sleep(D * 3 / 2).await;
        assert!(driver.slow_to(lower_share(50)));
        assert!(!driver.slow_to(share(50)), "it cannot be raised");
    };
    let (a, b, c, ()) = tokio::join!(started(), started(), started(), lower);
    assert_eq!([a, b, c], [D, D * 6, D * 11]);
    assert_eq!(driver.share(), lower_share(50));
}

#[tokio::test(start_paused = true)]
async fn lowered_pace_at_which_nothing_can_start_in_time_refuses_at_once() {
    let began = Instant::now();
    let driver = Driver::start(share(50), began + D * 4);
    let lower = async {
        sleep(D / 2).await;
        driver.slow_to(lower_share(50));
    };
    let (a, b, ()) = tokio::join!(driver.permit(), driver.permit(), lower);
    assert_eq!((a.unwrap_err(), b.unwrap_err()), (Closed::OutOfTime, Closed::OutOfTime));
    assert_eq!(Instant::now() - began, D / 2);
}

/// Three senders per invocation, with responses of all latencies, in many invocations.
#[tokio::test(start_paused = true)]
async fn no_window_exceeds_the_quota_at_any_latency() {
    let (share, origin) = (share(250), Instant::now());
    let at = |instant: Instant| i64::try_from((instant - origin).as_nanos()).unwrap();
    let spans = RefCell::new(Vec::new());
    for invocation in 0..200_u64 {
        let driver = Driver::start(share, Instant::now() + D * 20);
        let sender = async |number: u64| {
            let mut latency = invocation * 3 + number;
            while let Ok(permit) = driver.permit().await {
                latency = latency.wrapping_mul(7919) % 10_007;
                let long = if latency.is_multiple_of(10) { 3000 } else { 300 };
                sleep(Duration::from_millis(latency % long)).await;
                let started = at(permit.started_at());
                drop(permit);
                spans.borrow_mut().extend(Arrival::between(started, at(Instant::now())));
            }
        };
        tokio::join!(sender(0), sender(1), sender(2));
    }
    let spans = spans.into_inner();
    assert!(spans.len() > 2000, "{}", spans.len());
    let worst = worst_window(&spans, share.window()).unwrap();
    assert!(worst.count <= share.quota() as usize, "{worst:?}");
}

/// Until shortly before a permit is due, a wait can be interrupted on a real clock too, and does not spin.
#[tokio::test]
async fn close_ends_a_wait_of_an_hour_on_a_real_clock() {
    let share = Share::new(
        SendLimit::new(1).unwrap(),
        Window::from_secs(3600).unwrap(),
        Slots::new(1).unwrap(),
        Slack::from_millis(0).unwrap(),
    )
    .unwrap();
    let driver = Driver::start(share, in_an_hour() + Duration::from_hours(1));
    let mut waiter = pin!(driver.permit());
    assert!(is_pending(&mut waiter).await);
    driver.close();
    assert_eq!(waiter.await.unwrap_err(), Closed::ByCaller);
}

/// The last part of a wait sleeps on another thread. This is the only test that takes real time (40
/// ms). It only asserts what late starts cannot break.
#[tokio::test]
async fn starts_on_a_real_clock_are_never_early() {
    let share = Share::new(
        SendLimit::new(1000).unwrap(),
        Window::from_secs(2).unwrap(),
        Slots::new(1).unwrap(),
        Slack::from_millis(20).unwrap(),
    )
    .unwrap();
    let mut last = Instant::now();
    let driver = Driver::start(share, in_an_hour());
    for _ in 0..20 {
        let start = driver.permit().await.unwrap().started_at();
        assert!(start - last >= share.interval());
        last = start;
    }
}
