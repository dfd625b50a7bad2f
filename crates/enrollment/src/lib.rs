//! The rules of enrollment: courses, students, enrollments and their payments.
//!
//! Nothing here knows AWS, Lambda or HTTP. The rules reach the outside through the traits of
//! [`ports`], and time is an argument.

pub mod announcement;
pub mod catalogue;
pub mod claims;
pub mod confirm;
pub mod course;
pub mod enroll;
pub mod enrollment;
pub mod enrollment_id;
pub mod fields;
pub mod forget;
pub mod history;
pub mod listing;
pub mod moment;
pub mod money;
pub mod operator;
pub mod outside;
pub mod page;
pub mod payment;
pub mod ports;
pub mod price_change;
pub mod reconcile;
pub mod request;
pub mod resolution;
mod resolve;
pub mod resume;
pub mod retention;
pub mod roster;
pub mod seats;
mod settle;
pub mod student;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod transitions;
pub mod unfinished;

pub use confirm::confirm_all;
pub use course::{Course, CourseId};
pub use enroll::{Deadline, EnrollError, Enrolled, enroll};
pub use enrollment::Enrollment;
pub use enrollment_id::EnrollmentId;
pub use ports::{Adapters, Ports};
pub use request::EnrollRequest;
pub use resume::resume;
pub use settle::{Orphan, Settled, settle_intent};
pub use student::{Student, StudentId};
