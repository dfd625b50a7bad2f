//! How late permits start, and how much of the limit that costs: the driver and tokio's own timer.
//!
//! `cargo run --release -p send-pacer --features tokio --example precision`
#![allow(clippy::print_stdout)]
#![expect(clippy::disallowed_methods, reason = "an example that reads the clock and waits")]

use std::{error::Error, time::Duration};

use send_pacer::{SendLimit, Share, Slack, Slots, Window, driver::Driver};
use tokio::time::{Instant, sleep_until};

const STARTS: u32 = 250;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // One of twenty slots at 30,000 per minute: an interval of 40.2 ms.
    let share = Share::new(
        SendLimit::new(30_000)?,
        Window::from_secs(60)?,
        Slots::new(20)?,
        Slack::from_millis(250)?,
    )?;
    let d = share.interval();
    println!("{STARTS} starts, {d:?} apart      p50       p99       max   kept pace");
    report("tokio's timer alone", d, &by_the_timer(d).await);
    report("the driver", d, &by_the_driver(share).await?);
    Ok(())
}

async fn by_the_driver(share: Share) -> Result<Vec<Instant>, Box<dyn Error>> {
    let driver = Driver::start(share, Instant::now() + Duration::from_mins(1));
    let mut starts = vec![Instant::now()];
    for _ in 0..STARTS {
        starts.push(driver.permit().await?.started_at());
    }
    Ok(starts)
}

async fn by_the_timer(interval: Duration) -> Vec<Instant> {
    let mut starts = vec![Instant::now()];
    let mut last = Instant::now();
    for _ in 0..STARTS {
        sleep_until(last + interval).await;
        last = Instant::now();
        starts.push(last);
    }
    starts
}

fn report(name: &str, interval: Duration, starts: &[Instant]) {
    let mut late: Vec<_> =
        starts.windows(2).map(|pair| (pair[1] - pair[0]).saturating_sub(interval)).collect();
    late.sort();
    let at = |share: usize| late[(late.len() - 1) * share / 100].as_micros();
    let average = late.iter().sum::<Duration>().as_secs_f64() / f64::from(STARTS);
    let kept = 100.0 * interval.as_secs_f64() / (interval.as_secs_f64() + average);
    println!("{name:<32}{:>6} us {:>6} us {:>6} us   {kept:.2}%", at(50), at(99), at(100));
}
