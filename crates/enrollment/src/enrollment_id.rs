//! The id of an enrollment, and the ids that are made from it.

use std::fmt;

use email::JobId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An enrollment's id, and the idempotency key of everything that is done for it.
///
/// A UUID of version 7, new for every request: if the response to a conditional write is lost, the
/// repeated write finds its own id in the table and so knows that it succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrollmentId(Uuid);

impl EnrollmentId {
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The last bytes are random.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The job id of a confirmation email, numbered from 1.
    ///
    /// # Panics
    ///
    /// Never: a job id may have all characters of a UUID.
    pub fn confirmation_job_id(&self, number: u32) -> JobId {
        let id = match number {
            0 | 1 => self.to_string(),
            later => format!("{self}-confirmation-{later}"),
        };
        id.parse().expect("hexadecimal digits, letters and hyphens")
    }

    /// The job id of the one refund notice of a payment attempt.
    ///
    /// # Panics
    ///
    /// Never, as [`EnrollmentId::confirmation_job_id`].
    pub fn refund_job_id(&self, attempt: u32) -> JobId {
        let id = match attempt {
            1 => format!("{self}-refund"),
            later => format!("{self}-refund-{later}"),
        };
        id.parse().expect("hexadecimal digits, letters and hyphens")
    }
}

impl fmt::Display for EnrollmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_id() {
        let id = EnrollmentId::generate();
        assert_eq!(Uuid::from_bytes(*id.as_bytes()).to_string(), id.to_string());
    }
}
