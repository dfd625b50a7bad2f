//! The request units that DynamoDB bills for on-demand tables.

use serde_json::Value;

use super::expression::Item;

/// Units since some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    /// Write request units.
    pub written: usize,
    /// Halves of read request units: a read that is not consistent costs half a unit.
    pub half_read: usize,
}

impl Units {
    /// A `GetItem`: two halves per begun 4 KB if it is consistent, otherwise one. An item that does not exist
    /// costs as much as a small one (DynamoDB Developer Guide, "DynamoDB read consumption").
    pub(super) fn read(&mut self, request: &Value, item: Option<&Item>) {
        let is_consistent = request["ConsistentRead"].as_bool().unwrap_or_default();
        let blocks = item.map_or(0, bytes).div_ceil(4_096).max(1);
        self.half_read += blocks * if is_consistent { 2 } else { 1 };
    }

    /// A write of the table: one unit per begun KB of the larger of both items, at least one, also if its
    /// condition is false (DynamoDB Developer Guide, "DynamoDB write consumption").
    pub(super) fn write(&mut self, before: &Item, after: &Item) {
        self.written += bytes(before).max(bytes(after)).div_ceil(1_024).max(1);
    }

    /// The same write in an index whose entries are small: one unit to add, one to remove and two to move an
    /// entry (DynamoDB Developer Guide, "Using Global Secondary Indexes", provisioned throughput
    /// considerations).
    pub(super) fn move_entry<P: PartialEq>(&mut self, before: Option<P>, after: Option<P>) {
        self.written += match (before, after) {
            (None, None) => 0,
            (Some(before), Some(after)) if before == after => 0,
            (Some(_), Some(_)) => 2,
            _ => 1,
        };
    }
}

fn bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
}
