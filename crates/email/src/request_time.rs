//! When a job's request was made, as the job's id tells.
//!
//! An enrollment's id is a UUID of version 7, made when its request arrives, and is the id of its email job. So the
//! time from the enrollment to its email needs no field in the contract, and no read of a table.

use time::OffsetDateTime;

use crate::job::JobId;

/// The length of a UUID as text, in bytes.
const LENGTH: usize = 36;

/// The time in a UUID of version 7 (RFC 9562, section 5.7): its first 48 bits, in milliseconds since 1970. `None` for any
/// other id. A refund's id begins with that of its enrollment, which may be long past, and has none.
pub fn requested_at(id: &JobId) -> Option<OffsetDateTime> {
    let text = id.as_str();
    if text.len() != LENGTH || !text.is_char_boundary(LENGTH) {
        return None;
    }
    let is_in_place = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'7',
        19 => matches!(byte.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
        _ => byte.is_ascii_hexdigit(),
    };
    if !text.bytes().enumerate().all(is_in_place) {
        return None;
    }
    let milliseconds = i128::from_str_radix(&format!("{}{}", &text[..8], &text[9..13]), 16).ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(id: &str) -> Option<i128> {
        let at = requested_at(&id.parse().unwrap())?;
        Some(at.unix_timestamp_nanos() / 1_000_000)
    }

    #[test]
    fn uuid_of_version_7_has_the_time_of_its_request() {
        // The example of RFC 9562, appendix A.6: 22 February 2022, 19:22:22 UTC.
        let example = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F";
        assert_eq!(requested(example), Some(1_645_557_742_000));
        assert_eq!(requested(&example.to_lowercase()), Some(1_645_557_742_000));
        assert_eq!(requested("00000000-0000-7000-8000-000000000000"), Some(0));
        // The year 10889 is not a time here.
        assert_eq!(requested("ffffffff-ffff-7fff-bfff-ffffffffffff"), None);
    }

    #[test]
    fn other_id_has_no_time() {
        for id in [
            "job-1",
            "017F22E2-79B0-7CC3-98C4-DC0C0C07398F-refund",
            "017F22E279B07CC398C4DC0C0C07398F",
            "017F22E2",
            "017F22E2-79B0-7CC3-98C4-DC0C0C07398Fab",
            // Version 4, a variant of another standard, a letter that is not a digit, a hyphen in a wrong place.
            "919108f7-52d1-4320-9bac-f847db4148a8",
            "017F22E2-79B0-7CC3-C8C4-DC0C0C07398F",
            "017F22E2-79B0-7CC3-98C4-DC0C0C07398G",
            "017F22E-279B0-7CC3-98C4-DC0C0C07398F",
        ] {
            assert_eq!(requested(id), None, "{id}");
        }
    }
}
