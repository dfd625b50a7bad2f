//! The enrollment that an event of Stripe is about.

use enrollment::{Enrollment, forget::find_forgotten, ports::FindEnrollment};
use lambda::log_events::PAYMENT_WITHOUT_ENROLLMENT;
use stripe::webhook::Event;
use unavailable::Unavailable;

/// The enrollment of an event. `None`: it does not exist, which is logged.
pub(super) async fn find(
    enrollments: &(impl FindEnrollment + Sync),
    event: &Event,
) -> Result<Option<Enrollment>, Unavailable> {
    let found = enrollments.find_enrollment(&event.student_id, &event.course_id).await?;
    let found = match found.filter(|found| found.id.to_string() == event.enrollment_id) {
        Some(found) => Some(found),
        None => find_forgotten(enrollments, &event.course_id, &event.enrollment_id).await?,
    };
    if found.is_none() {
        tracing::error!(
            event = PAYMENT_WITHOUT_ENROLLMENT,
            intent_id = %event.intent.id,
            enrollment_id = event.enrollment_id,
            "an event names an enrollment that does not exist",
        );
    }
    Ok(found)
}
