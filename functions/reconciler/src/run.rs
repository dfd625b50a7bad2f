//! One run: page by page through Stripe's payments, each of them compared with its enrollment.

use std::{collections::BTreeMap, time::Duration};

use enrollment::{
    Enrollment,
    payment::{ACTION_TIMEOUT, IntentId, PaymentError},
    ports::FindEnrollment,
    reconcile::{Compared, Difference, ListPayments, MadePayment, PaymentPage, Window, compare},
    unfinished::LATE_AFTER,
};
use futures_util::{StreamExt, stream};
use lambda::{clock, log_events::PAYMENT_DIFFERS};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::request::Request;

/// A payment that is younger may still be made by the student, and then settled by the resumer.
pub const GRACE: Duration = ACTION_TIMEOUT.saturating_add(LATE_AFTER);

/// Maximum reads of the table at the same time.
const MAX_CONCURRENT_READS: usize = 16;

/// Requests for one page. A list changes nothing, so repeating it is safe.
const MAX_REQUESTS: u32 = 3;

/// Before the second request for a page, and twice as long before the third: Stripe limits the rate per second.
const PAUSE: Duration = Duration::from_secs(2);

/// Maximum differences that a report names, and that have a log line; all are counted.
pub const MAX_NAMED: usize = 200;

/// What is compared.
#[derive(Debug)]
pub struct Books<P, E> {
    pub payments: P,
    pub enrollments: E,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub difference: &'static str,
    pub intent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_id: Option<String>,
    /// Of the enrollment, if there is one under the payment's student and course.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Payments of ours that were compared, in any status.
    pub payments: usize,
    /// Payments that were not made here, and are ignored.
    pub foreign: usize,
    /// Charged, and about to be settled.
    pub in_progress: usize,
    pub differences: usize,
    /// How many of each.
    pub by_kind: BTreeMap<&'static str, usize>,
    /// The first of them.
    pub found: Vec<Found>,
    pub finished: bool,
    /// After which payment to continue, if it is not finished; `None` from the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_after: Option<String>,
}

impl Report {
    fn add(&mut self, difference: Difference, payment: Found) {
        self.differences += 1;
        *self.by_kind.entry(difference.as_str()).or_default() += 1;
        if self.found.len() == MAX_NAMED {
            return;
        }
        tracing::error!(
            event = PAYMENT_DIFFERS,
            difference = payment.difference,
            intent_id = payment.intent_id,
            enrollment_id = payment.enrollment_id,
            state = payment.state,
            "a payment at Stripe and the table of enrollments differ",
        );
        self.found.push(payment);
    }
}

/// Why a run ends early.
enum Stop {
    NoTime,
    Payments(PaymentError),
    Table(unavailable::Unavailable),
}

impl<P: ListPayments + Sync, E: FindEnrollment + Sync> Books<P, E> {
    /// Compares, and begins no page after `until`.
    pub async fn compare(&self, request: &Request, now: OffsetDateTime, until: Instant) -> Report {
        let days = time::Duration::days(request.days.get().into());
        let window = Window { from: now - days, until: now - GRACE };
        let mut report = Report::default();
        let mut after = request.after.clone();
        let stop = loop {
            if clock::instant() >= until {
                break Some(Stop::NoTime);
            }
            let next = match self.page(window, after.as_ref(), now, &mut report).await {
                Ok(next) => next,
                Err(why) => break Some(why),
            };
            let Some(next) = next else { break None };
            after = Some(next);
        };
        report.finished = stop.is_none();
        if let Some(why) = stop {
            report.continue_after = after.map(|id| id.to_string());
            warn(&why);
        }
        report
    }

    /// Returns where the next page begins. Nothing of a page that could not be compared whole is in the report.
    async fn page(
        &self,
        window: Window,
        after: Option<&IntentId>,
        now: OffsetDateTime,
        report: &mut Report,
    ) -> Result<Option<IntentId>, Stop> {
        let PaymentPage { made_here, unreadable, foreign, next } =
            self.list(window, after).await.map_err(Stop::Payments)?;
        let (payments, mut in_progress) = (made_here.len() + unreadable.len(), 0);
        let mut differing = Vec::new();
        let mut compared = stream::iter(&made_here)
            .map(|made| self.look(made, now))
            .buffered(MAX_CONCURRENT_READS);
        while let Some(looked) = compared.next().await {
            match looked? {
                (Compared::Same, _) => {}
                (Compared::InProgress, _) => in_progress += 1,
                (Compared::Differs(_), made) => differing.push(made),
            }
        }
        let mut found = Vec::new();
        for made in differing {
            found.extend(self.look_again(made, now).await?);
        }
        for intent_id in unreadable {
            let (difference, intent_id) = (Difference::Unreadable, intent_id.to_string());
            let payment = Found {
                difference: difference.as_str(),
                intent_id,
                enrollment_id: None,
                state: None,
            };
            found.push((difference, payment));
        }
        report.payments += payments;
        report.foreign += foreign;
        report.in_progress += in_progress;
        for (difference, payment) in found {
            report.add(difference, payment);
        }
        Ok(next)
    }

    async fn list(
        &self,
        window: Window,
        after: Option<&IntentId>,
    ) -> Result<PaymentPage, PaymentError> {
        let mut request = 1;
        loop {
            match self.payments.list_payments(window, after).await {
                Err(PaymentError::Unavailable(error)) if request < MAX_REQUESTS => {
                    tracing::debug!(%error, "a page is requested again");
                    pause(PAUSE * request).await;
                    request += 1;
                }
                done => return done,
            }
        }
    }

    async fn look<'a>(
        &self,
        made: &'a MadePayment,
        now: OffsetDateTime,
    ) -> Result<(Compared, &'a MadePayment), Stop> {
        let found = self.find(made).await?;
        Ok((compare(made, found.as_ref(), now), made))
    }

    /// Both may have changed since the page was read: what is reported was so twice, the second time with the table
    /// read first.
    async fn look_again(
        &self,
        made: &MadePayment,
        now: OffsetDateTime,
    ) -> Result<Option<(Difference, Found)>, Stop> {
        let found = self.find(made).await?;
        let read = self.payments.read_payment(&made.intent.id).await;
        let Some(made) = read.map_err(Stop::Payments)? else { return Ok(None) };
        let Compared::Differs(difference) = compare(&made, found.as_ref(), now) else {
            return Ok(None);
        };
        let payment = Found {
            difference: difference.as_str(),
            intent_id: made.intent.id.to_string(),
            // Only if it is one of ours: the provider's metadata may be any text.
            enrollment_id: found.as_ref().map(|found| found.id.to_string()),
            state: found.as_ref().map(|found| found.state.as_str()),
        };
        Ok(Some((difference, payment)))
    }

    async fn find(&self, made: &MadePayment) -> Result<Option<Enrollment>, Stop> {
        let found = self.enrollments.find_enrollment(&made.student_id, &made.course_id).await;
        found.map_err(Stop::Table)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing is sent here, and a run may pause twice per page"
)]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

fn warn(why: &Stop) {
    match why {
        Stop::NoTime => tracing::warn!("the run has no time left, and is not finished"),
        Stop::Payments(error) => {
            tracing::warn!(%error, "Stripe's payments could not be read, and the run is not finished");
        }
        Stop::Table(error) => {
            tracing::warn!(%error, "enrollments could not be read, and the run is not finished");
        }
    }
}

#[cfg(test)]
mod tests;
