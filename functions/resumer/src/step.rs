//! One step of a run: a few overdue items, which do not wait for each other's failures.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use email::queue::NotEnqueued;
use enrollment::{
    Adapters, Enrollment, Orphan, Ports,
    confirm::{Confirmed, confirm_all},
    enrollment::{EnrollmentState, RESUME_AFTER},
    resume::{self, MAX_RESUME_AFTER, Resumed},
    unfinished::{Cause, Overdue, OverdueKey, PutOff, ReadOverdue, Unfinished},
};
use futures_util::future::{join, join_all};
use invocation::trace::{self, TraceHeader};
use lambda::log_events::{
    ENROLLMENT_STUCK, ENROLLMENT_UNREADABLE, PAYMENT_ORPHANED, PAYMENT_PROVIDER_REFUSED,
    REFUND_NOT_SETTLED,
};
use time::OffsetDateTime;
use tracing::{Instrument, Span};
use unavailable::Unavailable;

use crate::{
    hour::Hour,
    lines::{Fault, Line, Lines},
    report::Report,
};

/// Time until an item that cannot be read is looked at again.
const UNREADABLE_AFTER: Duration = Duration::from_hours(1);

/// Maximum lines per run about items that failed, and about items that cannot be read. The report counts
/// all of them.
const MAX_FAILURE_LINES: u32 = 100;

/// What the steps of a run share.
pub(crate) struct Run<'a, A: Adapters> {
    pub(crate) ports: &'a Ports<A>,
    pub(crate) now: OffsetDateTime,
    pub(crate) lines: Lines,
    /// Which of the items that this run could not finish are overdue for an hour.
    pub(crate) hour: Hour,
    failure_lines: AtomicU32,
}

impl<'a, A> Run<'a, A>
where
    A: Adapters<Enrollments: ReadOverdue + PutOff>,
{
    pub(crate) fn new(ports: &'a Ports<A>, now: OffsetDateTime) -> Self {
        Self {
            ports,
            now,
            lines: Lines::default(),
            hour: Hour::new(now),
            failure_lines: AtomicU32::new(0),
        }
    }

    /// Takes these items as far as possible: the confirmation emails together, everything else by itself.
    pub(crate) async fn step(&self, keys: Vec<OverdueKey>) -> Report {
        let mut report = Report::default();
        let read = join_all(keys.iter().map(|key| self.read(key))).await;
        let (mut active, mut others) = (Vec::new(), Vec::new());
        for found in read {
            match found {
                Found::Overdue(overdue) if is_confirmed_next(&overdue.enrollment) => {
                    active.push(overdue);
                }
                Found::Overdue(overdue) => others.push(overdue),
                Found::Over(counted) => report += counted,
            }
        }
        let others = join_all(others.into_iter().map(|overdue| self.resume(overdue)));
        let (active, others) = join(self.confirm(active), others).await;
        for counted in active.into_iter().chain(others) {
            report += counted;
        }
        report
    }

    async fn read(&self, key: &OverdueKey) -> Found {
        match self.ports.enrollments.read_overdue(key, self.now).await {
            Ok(found) => {
                self.lines.reads.served();
                match found {
                    Unfinished::Readable(overdue) => Found::Overdue(overdue),
                    Unfinished::Gone => Found::Over(Report { finished: 1, ..Report::default() }),
                    Unfinished::Unreadable { enrollment_id, course_id, key } => {
                        if self.may_log() {
                            tracing::error!(
                                event = ENROLLMENT_UNREADABLE,
                                enrollment_id = enrollment_id.map(tracing::field::display),
                                course_id = course_id.map(tracing::field::display),
                                "an item of the table of enrollments cannot be read",
                            );
                        }
                        self.put_off(&key, UNREADABLE_AFTER, Cause::Unreadable).await;
                        Found::Over(Report { unreadable: 1, ..Report::default() })
                    }
                }
            }
            Err(error) => {
                self.lines.reads.failed();
                self.hour.count(key.since());
                self.log_failure(&error);
                // Its count of failures is not known.
                self.put_off(key, RESUME_AFTER, Cause::Outage).await;
                Found::Over(Report { failed: 1, ..Report::default() })
            }
        }
    }

    async fn confirm(&self, active: Vec<Overdue>) -> Vec<Report> {
        if active.is_empty() {
            return Vec::new();
        }
        let enrollments: Vec<Enrollment> =
            active.iter().map(|overdue| overdue.enrollment.clone()).collect();
        let confirmed = confirm_all(self.ports, &enrollments).await;
        join_all(active.iter().zip(confirmed).map(|(overdue, confirmed)| async {
            match confirmed {
                Ok(confirmed) => {
                    if confirmed == Confirmed::Enqueued {
                        self.lines.emails.served();
                    }
                    Report { finished: 1, ..Report::default() }
                }
                // The queue is reached; only this job is refused.
                Err(NotEnqueued::Refused(error)) => {
                    let failed = self.failed(overdue, Fault::Item, &error);
                    failed.instrument(span(overdue)).await
                }
                Err(NotEnqueued::Unavailable(error)) => {
                    let failed = self.failed(overdue, self.lines.emails.failed(), &error);
                    failed.instrument(span(overdue)).await
                }
            }
        }))
        .await
    }

    async fn resume(&self, overdue: Overdue) -> Report {
        let line = self.line(&overdue.enrollment);
        let span = span(&overdue);
        let resumed = take_up(self.ports, overdue.enrollment.clone(), self.now);
        let resumed = trace::within(trace_of(&overdue), resumed);
        match resumed.instrument(span.clone()).await {
            Ok(resumed) => {
                line.served();
                counted(&resumed)
            }
            Err(error) => self.failed(&overdue, line.failed(), &error).instrument(span).await,
        }
    }

    fn line(&self, enrollment: &Enrollment) -> &Line {
        if enrollment.has_payment_in_progress() {
            &self.lines.payments
        } else if enrollment.state == EnrollmentState::Active {
            &self.lines.emails
        } else {
            &self.lines.writes
        }
    }

    /// Puts an item off: for longer each time if the failure is its own, otherwise just behind the others.
    async fn failed(&self, overdue: &Overdue, fault: Fault, error: &Unavailable) -> Report {
        self.hour.count(Some(overdue.since));
        self.log_failure(error);
        match fault {
            Fault::Item => {
                let failures = overdue.failures.saturating_add(1);
                self.put_off(&overdue.key, backoff(failures), Cause::Failures(failures)).await;
            }
            Fault::Dependency => self.put_off(&overdue.key, RESUME_AFTER, Cause::Outage).await,
        }
        Report { failed: 1, ..Report::default() }
    }

    async fn put_off(&self, key: &OverdueKey, pause: Duration, cause: Cause) {
        let put_off = self.ports.enrollments.put_off(key, self.now + pause, cause).await;
        if let Err(error) = put_off {
            // It stays overdue.
            self.log_failure(&error);
        }
    }

    fn log_failure(&self, error: &Unavailable) {
        if self.may_log() {
            tracing::error!(%error, "an enrollment could not be finished yet");
        }
    }

    fn may_log(&self) -> bool {
        self.failure_lines.fetch_add(1, Ordering::Relaxed) < MAX_FAILURE_LINES
    }
}

/// Whether only its confirmation email is due.
fn is_confirmed_next(enrollment: &Enrollment) -> bool {
    enrollment.state == EnrollmentState::Active && !enrollment.owes_refund()
}

#[expect(clippy::large_enum_variant, reason = "short-lived, and a few at a time")]
enum Found {
    Overdue(Overdue),
    Over(Report),
}

/// The trace of the request that began the enrollment.
fn trace_of(overdue: &Overdue) -> Option<TraceHeader> {
    overdue.enrollment.trace.as_deref().and_then(TraceHeader::parse)
}

/// For the log lines about one item.
fn span(overdue: &Overdue) -> Span {
    tracing::info_span!(
        "enrollment",
        course_id = %overdue.enrollment.course_id,
        enrollment_id = %overdue.enrollment.id,
        trace_id = trace_of(overdue).as_ref().map(TraceHeader::id),
    )
}

/// Doubles from [`RESUME_AFTER`] to [`MAX_RESUME_AFTER`].
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (RESUME_AFTER * 2_u32.pow(doublings)).min(MAX_RESUME_AFTER)
}

fn counted(resumed: &Resumed) -> Report {
    let mut report = Report::default();
    match resumed {
        Resumed::Finished => report.finished = 1,
        Resumed::Later | Resumed::Orphaned(_) => report.later = 1,
        Resumed::Refused(_) => report.refused = 1,
        Resumed::Stuck(_) => report.stuck = 1,
    }
    report
}

/// Resumes one enrollment, and logs what an operator must look at.
async fn take_up<A: Adapters>(
    ports: &Ports<A>,
    overdue: Enrollment,
    now: OffsetDateTime,
) -> Result<Resumed, Unavailable> {
    let enrollment_id = overdue.id;
    let late_refund = overdue.intent().filter(|_| overdue.refund_is_late(now)).cloned();
    let resumed = resume::resume(ports, overdue, now).await;
    if let Some(intent_id) = late_refund
        && !matches!(resumed, Ok(Resumed::Finished))
    {
        tracing::error!(
            event = REFUND_NOT_SETTLED,
            %enrollment_id,
            %intent_id,
            "a refund has been due for over an hour",
        );
    }
    match &resumed {
        Ok(Resumed::Refused(refusal)) => tracing::error!(
            event = PAYMENT_PROVIDER_REFUSED,
            %enrollment_id,
            operation = refusal.operation,
            status = refusal.status,
            error_type = refusal.error_type,
            code = refusal.code,
            "the payment provider refuses us; the enrollment is kept as it is",
        ),
        Ok(Resumed::Orphaned(Orphan { intent, refund_requested })) => tracing::error!(
            event = PAYMENT_ORPHANED,
            %enrollment_id,
            intent_id = %intent,
            refund_requested,
            "a charge belongs to an attempt that was over; {}",
            if *refund_requested { "a refund was requested" } else { "each request of a refund failed" },
        ),
        Ok(Resumed::Stuck(reason)) => tracing::error!(
            event = ENROLLMENT_STUCK,
            %enrollment_id,
            why = reason.as_str(),
            "an enrollment cannot be settled; an operator must look",
        ),
        Ok(Resumed::Finished | Resumed::Later) | Err(_) => {}
    }
    resumed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_to_an_hour() {
        let minutes = |failures| backoff(failures).as_secs() / 60;
        assert_eq!([1, 2, 3, 6, 7, 8, 100, u32::MAX].map(minutes), [1, 2, 4, 32, 60, 60, 60, 60]);
    }
}
