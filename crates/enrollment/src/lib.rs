//! Server A's rules: courses, students, enrollments, and what happens when one meets another.
//!
//! Nothing here knows of AWS, Lambda or HTTP. What the rules need of the world are the small traits
//! of [`ports`]; time is an argument.

pub mod course;
pub mod enroll;
pub mod enrollment;
pub mod fields;
pub mod payment;
pub mod ports;
pub mod resume;
mod settle;
pub mod student;

mod text;

pub use course::{Course, CourseId};
pub use enroll::{EnrollError, Enrolled, enroll};
pub use enrollment::{Enrollment, EnrollmentId};
pub use resume::resume;
pub use settle::settle_intent;
pub use student::{Student, StudentId};
