//! Stripe's notices about what follows a payment: refunds that others made, refunds that failed, and disputes.

use enrollment::{
    Enrollment, Ports,
    outside::{AccessAfterRefund, DisputeStage, Outside, PaymentOf, record_outside},
};
use stripe::{
    notice::{News, Notice},
    webhook::Event,
};
use time::OffsetDateTime;

use super::{
    api::{ApiAdapters, PaymentReader},
    event_enrollment::find,
    jsend::ApiResponse,
    report, span,
};

/// Returns what the notice came to; `None`: it is about a payment that was not made here.
///
/// The log event comes with each delivery, not only with the first: if the function ended after the write, it would
/// be lost.
pub(super) async fn receive<A: ApiAdapters>(
    ports: &Ports<A>,
    payments: &A::Payments,
    notice: Notice,
    access: AccessAfterRefund,
    now: OffsetDateTime,
) -> Result<Option<&'static str>, ApiResponse> {
    if let News::RefundFailed { ours: true } = notice.news {
        report::refund_failed(&notice.intent);
        return Ok(Some("refund_failed"));
    }
    let Some(payment) = payments.find_attempt(&notice.intent).await? else { return Ok(None) };
    let outside = match notice.news {
        News::RefundFailed { .. } => {
            report::refund_failed(&notice.intent);
            return Ok(Some("refund_failed"));
        }
        News::Refunded => {
            let refunds = payments.refunds_of_others(&notice.intent).await?;
            Outside::refunded(payment.intent.money.amount, refunds)
        }
        News::Disputed { dispute, stage, amount } => {
            let refunds = match stage {
                DisputeStage::Lost => payments.refunds_of_others(&notice.intent).await?,
                _ => Vec::new(),
            };
            let charged = payment.intent.money.amount;
            Some(Outside::disputed(dispute, stage, amount, charged, &refunds))
        }
    };
    // The refund is our own.
    let Some(outside) = outside else { return Ok(Some("unchanged")) };
    record(ports, &payment, &outside, access, now).await.map(Some)
}

async fn record<A: ApiAdapters>(
    ports: &Ports<A>,
    payment: &Event,
    outside: &Outside,
    access: AccessAfterRefund,
    now: OffsetDateTime,
) -> Result<&'static str, ApiResponse> {
    span::record_course(&payment.course_id);
    span::record_enrollment(&payment.enrollment_id);
    let Some(found) = find(&ports.enrollments, payment).await? else { return Ok("unknown") };
    let of = PaymentOf { intent: &payment.intent.id, attempt: payment.attempt };
    let recorded = record_outside(&ports.enrollments, found, of, outside, access, now).await?;
    Ok(report(payment, outside, &recorded))
}

fn report(payment: &Event, outside: &Outside, recorded: &Enrollment) -> &'static str {
    let intent = &payment.intent.id;
    match outside {
        Outside::Refunded { .. } => {
            report::refunded_at_stripe(intent, outside.is_paid_back(), recorded);
            "refunded_at_stripe"
        }
        Outside::Disputed { dispute, stage: DisputeStage::Opened } => {
            report::payment_disputed(intent, dispute, recorded);
            "disputed"
        }
        Outside::Disputed { dispute, stage: DisputeStage::Lost | DisputeStage::LostInPart } => {
            report::dispute_lost(intent, dispute, outside.is_paid_back(), recorded);
            "dispute_lost"
        }
        Outside::Disputed { stage: DisputeStage::Won | DisputeStage::Closed, .. } => "dispute_over",
    }
}
