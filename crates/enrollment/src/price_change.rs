//! The history of a course's price.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{course::CourseId, history::Actor, money::Money};

/// An entry of the history of a course's price. It is written with the version that has the new price, and never
/// changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceChange {
    pub course_id: CourseId,
    /// The first version with the new price.
    pub version: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub by: Actor,
    /// `None` if the course was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Money>,
    pub new: Money,
}
