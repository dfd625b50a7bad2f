//! A stack's sending over time: what `top` and the console draw. Nothing here draws.
//!
//! [`LiveStack::read`] reads one moment, a [`Reading`]. A [`History`] keeps the readings of the last hour and
//! derives the series from them. Sends come from two sources:
//!
//! - `CloudWatch` counts, per finished minute, what this stack's workers logged (`docs/metrics.md`). It is exact,
//!   reaches back before the first reading, and is a minute or two late.
//! - SES counts the emails of the account in the last 24 hours. The difference of two readings is known at once.
//!   It is an estimate: other senders of the account count too, and the emails that were sent a day ago leave the
//!   count at the same time. So it can be too low, and a count that falls says nothing.
//!
//! A minute is drawn from `CloudWatch` once it is settled (two minutes after its end), and until then from the estimate.
//! What could not be read is a gap, never zero.

mod cloudwatch;
mod figure;
mod history;
mod reader;
mod reading;
mod series;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    figure::Figure,
    history::{History, SPAN, Sends},
    reader::LiveStack,
    reading::Reading,
    series::Point,
};
