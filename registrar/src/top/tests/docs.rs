//! The screen in docs/operations.md.

use time::Duration;

use super::*;

/// 2026-11-25, 17:00.
const DOCUMENTED: Duration = Duration::seconds(1_795_626_000);

fn later(mut reading: Reading) -> Reading {
    reading.at += DOCUMENTED;
    if let Some(measured) = &mut reading.measured {
        measured.from += DOCUMENTED;
        measured.until += DOCUMENTED;
        let minutes = std::mem::take(&mut measured.minutes).into_iter();
        measured.minutes = minutes.map(|(start, minute)| (start + DOCUMENTED, minute)).collect();
    }
    reading
}

#[test]
fn documented_screen_is_the_one_that_is_drawn() {
    let screen = drawn(state(opening().into_iter().map(later)), 100, 28);
    let docs = include_str!("../../../../docs/operations.md");
    assert!(docs.contains(&screen), "docs/operations.md needs this screen:\n{screen}");
}
