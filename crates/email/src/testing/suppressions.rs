//! The suppressed recipients in memory.

use std::{collections::BTreeMap, sync::Mutex};

use time::OffsetDateTime;
use unavailable::Unavailable;

use super::calls::{Calls, lock};
use crate::{
    address::EmailAddress,
    suppression::{Suppress, SuppressionCause, Suppressions},
};

/// The suppressed recipients. The key of each call is the recipient's address in lower case.
#[derive(Debug, Default)]
pub struct MemorySuppressions {
    causes: Mutex<BTreeMap<String, SuppressionCause>>,
    pub calls: Calls,
    /// The lookups at the provider, which agrees with the copy.
    pub lookups: Calls,
}

impl MemorySuppressions {
    /// The causes by address in lower case. Does not count as a call.
    pub fn causes(&self) -> BTreeMap<String, SuppressionCause> {
        lock(&self.causes).clone()
    }

    /// Suppresses a recipient. Does not count as a call.
    pub fn insert(&self, recipient: &EmailAddress, cause: SuppressionCause) {
        let mut causes = lock(&self.causes);
        let known = causes.entry(key(recipient)).or_insert(cause);
        // A bounce does not replace a complaint.
        if cause == SuppressionCause::Complaint {
            *known = cause;
        }
    }
}

fn key(recipient: &EmailAddress) -> String {
    recipient.as_str().to_ascii_lowercase()
}

impl Suppressions for MemorySuppressions {
    async fn find(
        &self,
        recipient: &EmailAddress,
    ) -> Result<Option<SuppressionCause>, Unavailable> {
        let key = key(recipient);
        self.calls.make("find", &key, || lock(&self.causes).get(&key).copied()).await
    }

    async fn confirm(&self, recipient: &EmailAddress) -> Result<bool, Unavailable> {
        let key = key(recipient);
        self.lookups.make("confirm", &key, || lock(&self.causes).contains_key(&key)).await
    }
}

impl Suppress for MemorySuppressions {
    async fn suppress(
        &self,
        recipient: &EmailAddress,
        cause: SuppressionCause,
        _at: OffsetDateTime,
    ) -> Result<(), Unavailable> {
        self.calls.make("suppress", &key(recipient), || self.insert(recipient, cause)).await
    }
}
