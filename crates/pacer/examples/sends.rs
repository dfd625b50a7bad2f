//! Two workers that share no state send a backlog to a provider that sometimes stalls. The limit is
//! 50 in any 2 s. Each dot is a send that arrived.
//!
//! `cargo run -p send-pacer --features tokio --example sends`
#![allow(clippy::print_stdout)]
#![expect(clippy::disallowed_methods, reason = "an example that reads the clock and waits")]

use std::{
    cell::{Cell, RefCell},
    error::Error,
    time::Duration,
};

use send_pacer::{
    SendLimit, Share, Slack, Slots, Window,
    audit::{Arrival, Audit},
    driver::{Closed, Driver},
};
use tokio::{
    join,
    time::{Instant, sleep},
};

const RUN_DURATION: Duration = Duration::from_secs(12);
const BATCH_DURATION: Duration = Duration::from_secs(4);

/// Counts arrivals, as a provider does.
struct Provider {
    opened: Instant,
    asked: Cell<u32>,
    arrivals: RefCell<Vec<Duration>>,
}

impl Provider {
    /// Takes 30 ms, and in one of 97 cases 1.5 s.
    async fn send(&self) {
        self.asked.update(|asked| asked + 1);
        let on_the_way = if self.asked.get().is_multiple_of(97) { 1500 } else { 30 };
        sleep(Duration::from_millis(on_the_way)).await;
        self.arrivals.borrow_mut().push(self.opened.elapsed());
    }
}

/// One slot: invocations one after another, each with its own pacer.
async fn slot(share: Share, provider: &Provider) {
    while provider.opened.elapsed() < RUN_DURATION {
        invocation(share, provider).await;
    }
}

async fn invocation(share: Share, provider: &Provider) -> Closed {
    let pacer = Driver::start(share, Instant::now() + BATCH_DURATION);
    loop {
        match pacer.permit().await {
            Ok(permit) => {
                provider.send().await;
                drop(permit);
            }
            Err(closed) => return closed,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (limit, window) = (SendLimit::new(50)?, Window::from_secs(2)?);
    let share = Share::new(limit, window, Slots::new(2)?, Slack::from_millis(60)?)?;
    println!("each slot: {} in any {window}, {:?} apart\n", share.quota(), share.interval());

    let provider =
        Provider { opened: Instant::now(), asked: Cell::default(), arrivals: RefCell::default() };
    join!(slot(share, &provider), slot(share, &provider));

    let arrivals = provider.arrivals.into_inner();
    draw(&arrivals);
    let points: Vec<_> = arrivals
        .iter()
        .filter_map(|at| Some(Arrival::at(i64::try_from(at.as_nanos()).ok()?)))
        .collect();
    let audit = Audit::new(&points, limit, window).ok_or("nothing was sent")?;
    println!("\nworst window: {} of {limit}", audit.worst.count);
    println!("use of limit: {:.1}%", audit.use_of_limit().unwrap_or_default() * 100.0);
    Ok(())
}

/// One line per half second, which is a quarter of the window.
fn draw(arrivals: &[Duration]) {
    let half = Duration::from_millis(500);
    let mut from = Duration::ZERO;
    while arrivals.last().is_some_and(|&last| last >= from) {
        let until = from + half;
        let sends = arrivals.iter().filter(|&&at| at >= from && at < until).count();
        let in_window = arrivals.iter().filter(|&&at| at < until && at + half * 4 >= until).count();
        let (second, dots) = (from.as_secs_f64(), ".".repeat(sends));
        println!("{second:>5.1} s  {dots:<14}  {in_window:>2} in the last 2 s");
        from = until;
    }
}
