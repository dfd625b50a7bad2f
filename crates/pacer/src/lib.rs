//! At most `N` sends in *any* window of `W`, counted at the provider's door, from several workers
//! that share no state and no clock.
//!
//! `S` invocations ([`Slots`]) run at once, never more. Each paces itself to its [`Share`] of the
//! limit: `q = floor(N / S)` sends, at least `d = (W + D) / q` apart, where `D` is the [`Slack`]
//! that absorbs the provider's usual latency. Five rules keep the limit whatever the latencies,
//! however workers are killed, replaced or started cold:
//!
//! 1. An invocation waits `d` from its own start before its first send.
//! 2. Send starts in an invocation are at least `d` apart. Lateness shifts the rest; an unused
//!    permit expires, it is never banked.
//! 3. One permit is one attempt: no retries hidden underneath, and an attempt has a timeout.
//! 4. While any attempt has been outstanding for longer than `D` nothing starts; the next start is
//!    at least `d` after that attempt ends.
//! 5. No send outlives its invocation.
//!
//! The [`Pacer`] is rules 1, 2 and 4 as a pure state machine: time is an argument, nothing sleeps.
//! Rules 3 and 5 are the caller's; the driver of the `tokio` feature makes both hard to break.
//! [`plan`] chooses the numbers for a deployment on AWS Lambda, and [`audit`] finds the worst window
//! of a log afterwards.
//!
//! # Why it holds
//!
//! An attempt starts at `x` and ends at `e`: with its answer, its timeout, or its environment. It
//! arrives somewhere between. As at most `S` invocations run at once, they can be dealt to `S` slots
//! so that those of a slot do not overlap. Let `x(1) < x(2) < ...` be the starts in one slot, over
//! all its invocations.
//!
//! *Starts are `d` apart*: by rule 2 in an invocation, by rule 1 from one to the next.
//!
//! *`x(i+q) >= e(i) + W`.* Let `r` starts follow `x(i)` within `D`; `r * d <= D < q * d`, so `r < q`.
//! If the attempt ended within `D`, `x(i+q) >= x(i) + q * d >= x(i) + D + W >= e(i) + W`. If it took
//! longer, nothing else starts before `e(i)` (rule 4 in its invocation, rule 5 and the slot
//! elsewhere), and the next start is at `e(i) + d` or later (rule 4, or rule 1 in a later
//! invocation), so `x(i+q) >= e(i) + (q - r) * d >= e(i) + (W + D) - D`.
//!
//! *So no window holds more than `q` arrivals of a slot.* Take all attempts that can arrive in
//! `[t, t + W)`: those with `x < t + W` and `e >= t`. If they were more than `q`, the last of them
//! would start at least `W` after the first ended, at `t + W` or later. Over all slots that makes at
//! most `S * q <= N`. ∎
//!
//! What is assumed: at most `S` invocations run at once; what has ended arrives no more; all use the
//! same share; clocks may lose time (stand still, step back) but gain none.

pub mod audit;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod moment;
mod pacer;
pub mod plan;
mod share;

pub use error::{Invalid, Parameter};
pub use moment::Moment;
pub use pacer::{Attempt, Pacer, Wait};
pub use share::{SendLimit, Share, Slack, Slots, Window};

/// The README's code is tested with the crate's.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
