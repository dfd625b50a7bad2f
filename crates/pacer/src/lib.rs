//! At most `N` sends in *any* window of `W`, counted when they arrive at the provider, from several
//! workers that share no state and no clock. It was made for a serverless function that sends
//! email.
//!
//! At most `S` invocations ([`Slots`]) run at the same time. Each paces itself to its [`Share`] of
//! the limit: `q = floor(N / S)` sends, at least `d = (W + D) / q` apart, where `D` is the
//! [`Slack`] for the provider's usual latency. Five rules keep the limit with any latencies, and no
//! matter when workers are killed, replaced or started:
//!
//! 1. An invocation waits `d` after its own start before its first send.
//! 2. Starts of sends in an invocation are at least `d` apart. A late start delays the following
//!    ones. An unused permit expires and is never saved up.
//! 3. One permit is one attempt: there are no hidden retries, and an attempt has a timeout.
//! 4. While any attempt has been outstanding for longer than `D`, no attempt starts. The next start
//!    is at least `d` after the end of that attempt.
//! 5. No send outlives its invocation.
//!
//! The [`Pacer`] keeps rules 1, 2 and 4 as a pure state machine: time is an argument, and nothing
//! sleeps. The caller keeps rules 3 and 5. The driver of the `tokio` feature makes both hard to
//! break. [`audit`] finds the worst window in a log of sends.
//!
//! # Proof
//!
//! An attempt starts at `x` and ends at `e`: with its response, its timeout, or the end of its
//! process. It arrives at some moment in between. At most `S` invocations run at the same time, so
//! they can be assigned to `S` slots such that the invocations in a slot do not overlap. Let
//! `x(1) < x(2) < ...` be the starts in one slot, over all its invocations.
//!
//! *Starts are `d` apart*: by rule 2 within an invocation, by rule 1 from one invocation to the
//! next.
//!
//! *`x(i+q) >= e(i) + W`.* Let `r` be the number of starts that follow `x(i)` within `D`. Then
//! `r * d <= D < q * d`, so `r < q`. If the attempt ends within `D`,
//! `x(i+q) >= x(i) + q * d >= x(i) + D + W >= e(i) + W`. If it takes longer, no other attempt
//! starts before `e(i)` (by rule 4 in the same invocation, by rule 5 in another invocation of the
//! slot), and the next start is at `e(i) + d` or later (by rule 4, or by rule 1 in a later
//! invocation). So `x(i+q) >= e(i) + (q - r) * d >= e(i) + (W + D) - D`.
//!
//! *So no window contains more than `q` arrivals of a slot.* Take all attempts that can arrive in
//! `[t, t + W)`: those with `x < t + W` and `e >= t`. If there were more than `q`, the last would
//! start at least `W` after the end of the first, at `t + W` or later. Over all slots there are at
//! most `S * q <= N`. ∎
//!
//! A limit may be lowered while invocations run ([`Pacer::slow_to`]): then `d` only grows. Every gap
//! is at least the `d` of the higher limit, which is all that the proof uses, so that limit is kept.
//! The attempts that start at the lower pace are at least the longer `d` apart, and the proof holds
//! for them alone with the lower limit.
//!
//! The assumptions: at most `S` invocations run at the same time; an attempt that has ended no
//! longer arrives; all invocations begin with the same share, or a slower one with the same slots
//! and slack; clocks may lose time (stand still, step
//! back) but never gain time.
#![warn(missing_docs)]

pub mod audit;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod moment;
mod pacer;
mod share;

pub use error::{Invalid, Quantity};
pub use moment::Moment;
pub use pacer::{Attempt, Pacer, Wait};
pub use share::{SendLimit, Share, Slack, Slots, Window};

/// Tests the code in README.md.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
