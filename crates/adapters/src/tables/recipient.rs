//! Recipients in tables that keep no addresses.

use email::EmailAddress;
use sha2::{Digest, Sha256};

/// SHA-256 of the address in lower case, as SES compares them.
pub(super) fn recipient_digest(recipient: &EmailAddress) -> String {
    hex::encode(Sha256::digest(recipient.as_str().to_ascii_lowercase()))
}
