//! The worst window of the usual limiters and of the pacer, at the sender and at the provider. It
//! prints the numbers in docs/pacing.md:
//!
//! `cargo run --release -p send-pacer --example compare`
//!
//! All limiters have the same demand: a few sends at first, then, after a wait of every length up
//! to two windows, a backlog. At the provider, a send arrives at the worst moment between its start
//! and its response.
#![allow(clippy::print_stdout)]

mod limiters;

use std::{error::Error, time::Duration};

use limiters::{ExactLog, ExpiringCounter, FixedWindow, Limiter, SlidingCounter, TokenBucket};
use send_pacer::{
    Invalid, Moment, Pacer, SendLimit, Share, Slack, Slots, Wait, Window,
    audit::{Arrival, worst_window},
};

const LIMIT: u64 = 300;
const SECOND: u64 = 1_000_000;
const WINDOW: u64 = 60 * SECOND;

/// The length of a backlog when measuring the worst window.
const BACKLOG: u64 = 3 * WINDOW;
/// The length of a backlog when measuring the use of the limit.
const LONG_BACKLOG: u64 = 12 * WINDOW;

/// Usual responses take up to the pacer's slack.
const SLACK: u64 = SECOND / 4;

/// Stalled responses take up to this.
const MAX_STALL: u64 = 8 * SECOND;

/// The start and the latency of each send.
type Sends = Vec<(u64, u64)>;

/// The latency of the `n`th response.
type Latency = fn(u64) -> u64;

/// The most sends of one limiter in any 60 s.
struct Worst {
    at_sender: usize,
    at_provider: usize,
    at_provider_with_stalls: usize,
    /// Sends in a long backlog without its first window, as a fraction of the limit.
    use_of_limit: f64,
}

fn instantly(_: u64) -> u64 {
    0
}

/// Anything up to the slack.
fn calm(n: u64) -> u64 {
    mixed(n) % SLACK + 1
}

/// One in a hundred responses takes seconds.
fn stalling(n: u64) -> u64 {
    if mixed(n).is_multiple_of(100) { mixed(n + 1) % MAX_STALL + 1 } else { calm(n) }
}

/// A pseudorandom number (splitmix64), the same in every run.
fn mixed(n: u64) -> u64 {
    let mut mixed = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A few sends at first, and a backlog after a wait.
#[derive(Clone, Copy)]
struct Demand {
    at_first: u64,
    wait: u64,
    backlog: u64,
}

fn demands() -> Vec<Demand> {
    (0..=120).flat_map(|second| demands_about(second * SECOND)).collect()
}

/// Demands with a backlog at this moment or just before it.
fn demands_about(moment: u64) -> impl Iterator<Item = Demand> {
    [moment.saturating_sub(1000), moment].into_iter().flat_map(|wait| {
        [0, 1, 14, LIMIT / 2, LIMIT - 1, LIMIT].map(|at_first| Demand {
            at_first,
            wait,
            backlog: BACKLOG,
        })
    })
}

fn sends_of(limiter: &mut impl Limiter, demand: Demand, latency: Latency) -> Sends {
    let mut sends = Sends::new();
    let mut now = 0;
    let end = demand.wait + demand.backlog;
    for n in 0.. {
        let asked = if n < demand.at_first { now } else { now.max(demand.wait) };
        now = limiter.next(asked);
        if now >= end {
            break;
        }
        limiter.take(now);
        sends.push((now, latency(n)));
    }
    sends
}

/// Two slots with one pacer each, a hundred sends per invocation, and 20 ms between invocations.
fn sends_of_pacers(share: Share, demand: Demand, latency: Latency) -> Sends {
    (0..share.slots().get())
        .flat_map(|slot| {
            let from = demand.wait + u64::from(slot) * 1000;
            sends_of_slot(share, from, from + demand.backlog, latency)
        })
        .collect()
}

fn sends_of_slot(share: Share, from: u64, until: u64, latency: Latency) -> Sends {
    let moment = |now: u64| Moment::after_origin(Duration::from_micros(now));
    let mut sends = Sends::new();
    let mut now = from;
    while now < until {
        let mut pacer = Pacer::new(share, moment(now));
        let mut outstanding = Vec::new();
        let mut left = 100;
        while left > 0 || !outstanding.is_empty() {
            let decision =
                if left > 0 { pacer.start(moment(now)) } else { Err(Wait::ForAttemptEnd) };
            let next_end = outstanding.iter().map(|&(end, _)| end).min().unwrap_or(u64::MAX);
            match decision {
                Ok(attempt) => {
                    let takes = latency(sends.len() as u64);
                    sends.push((now, takes));
                    outstanding.push((now + takes, attempt));
                    left -= 1;
                    continue;
                }
                Err(Wait::Until(due)) => now = next_end.min(due.as_nanos().div_ceil(1000)),
                Err(Wait::ForAttemptEnd) => now = next_end,
            }
            for (_, attempt) in outstanding.extract_if(.., |(end, _)| *end <= now) {
                pacer.end(attempt, moment(now));
            }
        }
        now += 20_000;
    }
    sends
}

fn worst(sends: &Sends) -> usize {
    let arrivals: Vec<_> = sends
        .iter()
        .filter_map(|&(start, takes)| Arrival::between(nanos(start), nanos(start + takes)))
        .collect();
    Window::from_secs(60)
        .ok()
        .and_then(|window| worst_window(&arrivals, window))
        .map_or(0, |worst| worst.count)
}

fn nanos(micros: u64) -> i64 {
    i64::try_from(micros * 1000).unwrap_or(i64::MAX)
}

fn measure(demands: &[Demand], sends_of: impl Fn(Demand, Latency) -> Sends) -> Worst {
    let worst_with = |latency: Latency| {
        demands.iter().map(|&demand| worst(&sends_of(demand, latency))).max().unwrap_or(0)
    };
    let backlog = sends_of(Demand { at_first: 0, wait: 0, backlog: LONG_BACKLOG }, calm);
    let counted = backlog.iter().filter(|send| (WINDOW..LONG_BACKLOG).contains(&send.0)).count();
    #[expect(clippy::cast_precision_loss)]
    let use_of_limit = counted as f64 / (LIMIT * (LONG_BACKLOG - WINDOW) / WINDOW) as f64;
    Worst {
        at_sender: worst_with(instantly),
        at_provider: worst_with(calm),
        at_provider_with_stalls: worst_with(stalling),
        use_of_limit,
    }
}

/// The result of each limiter, with its name.
fn measure_all(demands: &[Demand]) -> Result<Vec<(&'static str, Worst)>, Invalid> {
    let share = Share::new(
        SendLimit::new(300)?,
        Window::from_secs(60)?,
        Slots::new(2)?,
        Slack::from_millis(250)?,
    )?;
    Ok(vec![
        ("fixed window, on a grid", of(demands, || FixedWindow::new(LIMIT, WINDOW))),
        ("fixed window, from the first send", of(demands, || ExpiringCounter::new(LIMIT, WINDOW))),
        ("the same, 50 in 10 s", of(demands, || ExpiringCounter::new(50, 10 * SECOND))),
        ("sliding counter", of(demands, || SlidingCounter::new(LIMIT, WINDOW))),
        ("token bucket or GCRA, burst 300", of(demands, || TokenBucket::new(LIMIT, WINDOW, 300))),
        ("token bucket or GCRA, burst 14", of(demands, || TokenBucket::new(LIMIT, WINDOW, 14))),
        ("evenly spaced (burst 1)", of(demands, || TokenBucket::new(LIMIT, WINDOW, 1))),
        ("exact log", of(demands, || ExactLog::new(300, WINDOW))),
        (
            "send-pacer, two slots",
            measure(demands, |demand, latency| sends_of_pacers(share, demand, latency)),
        ),
    ])
}

fn of<L: Limiter>(demands: &[Demand], limiter: impl Fn() -> L) -> Worst {
    measure(demands, |demand, latency| sends_of(&mut limiter(), demand, latency))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("The most sends in any 60 s at a limit of 300: at the sender, at the provider if");
    println!("responses take up to 250 ms, and at the provider with stalls of up to 8 s. The last");
    println!("column is the use of the limit in a backlog.");
    println!();
    println!("{:<38} {:>6} {:>8} {:>6} {:>9}", "", "sender", "provider", "stalls", "use");
    for (name, worst) in measure_all(&demands())? {
        let Worst { at_sender, at_provider, at_provider_with_stalls, use_of_limit } = worst;
        let used = use_of_limit * 100.0;
        println!(
            "{name:<38} {at_sender:>6} {at_provider:>8} {at_provider_with_stalls:>6} {used:>8.1}%"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All demands take seconds even in a release build, and a few of them are enough.
    #[test]
    fn worst_windows_match_the_table_in_the_docs() {
        let demands: Vec<_> =
            (0..=120).step_by(10).flat_map(|at| demands_about(at * SECOND)).collect();
        let all = measure_all(&demands).unwrap();
        let measured: Vec<_> =
            all.iter().map(|(_, worst)| (worst.at_sender, worst.at_provider)).collect();
        assert_eq!(
            measured,
            [
                (600, 900),
                (599, 898),
                (349, 399),
                (600, 600),
                (599, 600),
                (313, 314),
                (300, 302),
                (300, 600),
                (300, 300),
            ]
        );
        assert_eq!(all.last().unwrap().1.at_provider_with_stalls, 300);
    }
}
