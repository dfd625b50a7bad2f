//! The tags on every email in SES, by which its events lead back to the job.
//!
//! SES allows only ASCII letters, digits, `_` and `-` in a tag's name and value, each 1 to 256 characters long (SES
//! API v2 Reference, `MessageTag`). A job's id may also have dots; such an id is encoded.

use aws_smithy_types::base64;
use email::JobId;

/// The tag that names the job; its value is [`job_id_tag`].
pub const JOB_ID: &str = "job_id";

/// What an encoded id begins with. The rest is base64 with `-` and `_` and without padding (RFC 4648, section 5).
const ENCODED: &str = "b64-";

/// The value of the tag: the id itself if SES allows it.
pub fn job_id_tag(id: &JobId) -> String {
    let id = id.as_str();
    if id.contains('.') || id.starts_with(ENCODED) {
        let encoded = base64::encode(id).replace('+', "-").replace('/', "_");
        format!("{ENCODED}{}", encoded.trim_end_matches('='))
    } else {
        id.to_owned()
    }
}

/// The id of a tag's value. An email that an earlier version sent has the id itself, whatever it begins with.
pub fn job_id(tag: &str) -> Option<JobId> {
    let decoded = tag.strip_prefix(ENCODED).and_then(decoded);
    decoded.or_else(|| tag.parse().ok())
}

fn decoded(encoded: &str) -> Option<JobId> {
    let padding = "=".repeat((4 - encoded.len() % 4) % 4);
    let standard = encoded.replace('-', "+").replace('_', "/") + &padding;
    String::from_utf8(base64::decode(standard).ok()?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use email::testing::ses_tag_refusal;

    use super::*;

    #[test]
    fn every_job_id_has_a_tag_that_ses_allows_and_that_leads_back() {
        let characters: Vec<String> =
            (0..=u8::MAX).map(|byte| char::from(byte).to_string()).collect();
        let ids =
            ["receipt.42", "...", "b64-", "b64-cmVjZWlwdA", "b64-....", "a_b-c", "B64-a", "-", "_"];
        let longest = [".", "x", "b64-"].map(|part| part.repeat(128 / part.len()));
        let candidates = characters.iter().map(String::as_str).chain(ids);
        let mut seen = std::collections::HashSet::new();
        for text in candidates.chain(longest.iter().map(String::as_str)) {
            let Ok(id) = text.parse::<JobId>() else { continue };
            let tag = job_id_tag(&id);
            assert_eq!(ses_tag_refusal(JOB_ID, &tag), None, "{text}: {tag}");
            assert_eq!(job_id(&tag), Some(id), "{tag}");
            seen.insert(tag);
        }
        assert!(seen.contains("a_b-c"), "an id that SES allows is its own tag");
        assert!(seen.contains("b64-cmVjZWlwdC40Mg"));
    }

    #[test]
    fn tag_of_an_earlier_version_is_the_id() {
        for tag in ["01936a1e-7c4d-7a10-9f3e-5b2d8c6e4f01", "receipt.42", "b64-x", "b64-!"] {
            assert_eq!(job_id(tag), tag.parse().ok(), "{tag}");
        }
    }
}
