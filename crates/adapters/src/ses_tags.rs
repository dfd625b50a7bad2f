//! The tags on every email in SES, by which its events lead back to the job.
//!
//! SES allows ASCII letters, digits, `-`, `_`, `.` and `@` in a tag's name and value, each 1 to 256
//! characters long (SES API v2, `MessageTag`). A job's id fits: [`email::JobId`] allows less.

/// The tag whose value is the job's id.
pub const JOB_ID: &str = "job_id";

#[cfg(test)]
mod tests {
    use email::JobId;

    use super::*;

    fn is_allowed(text: &str) -> bool {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_.@".contains(&c);
        (1..=256).contains(&text.len()) && text.bytes().all(allowed)
    }

    #[test]
    fn every_job_id_is_a_valid_tag_value() {
        assert!(is_allowed(JOB_ID));
        for byte in 0..=u8::MAX {
            let text = char::from(byte).to_string();
            if let Ok(id) = text.parse::<JobId>() {
                assert!(is_allowed(id.as_str()), "{text:?}");
            }
        }
        assert!(is_allowed(&"x".repeat(JobId::MAX_LENGTH)));
    }
}
