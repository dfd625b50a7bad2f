//! What an operator decides about a stuck payment.

use serde::{Deserialize, Serialize};

/// An operator's decision about a stuck payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The student gets access, whatever was charged.
    Grant,
    /// The charge is paid back. If nothing was charged, the payment is failed.
    Refund,
    /// The payment is failed. If it turns out to be charged, the enrollment stays stuck.
    Fail,
}

impl Resolution {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Refund => "refund",
            Self::Fail => "fail",
        }
    }
}
