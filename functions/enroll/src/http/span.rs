//! The span of a request: every log line of a request carries the ids that are known by then.

use std::fmt::Display;

use invocation::trace::TraceHeader;
use tracing::{
    Span,
    field::{Empty, display},
};

/// `route` is the route's key, never a path or query: those name students.
pub(super) fn request(route: &str, trace: Option<&TraceHeader>) -> Span {
    let trace_id = trace.map(TraceHeader::id);
    tracing::info_span!("request", route, trace_id, course_id = Empty, enrollment_id = Empty)
}

/// To be called within a request.
pub(super) fn record_course(id: impl Display) {
    Span::current().record("course_id", display(id));
}

/// To be called within a request.
pub(super) fn record_enrollment(id: impl Display) {
    Span::current().record("enrollment_id", display(id));
}
