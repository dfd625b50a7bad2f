//! What a history makes of its readings.

use super::{
    Figure, History, Point, Reading, SPAN, Sends,
    testing::{START, at, measured, reading},
};

fn history(readings: impl IntoIterator<Item = Reading>) -> History {
    let mut history = History::default();
    for reading in readings {
        history.push(reading);
    }
    history
}

/// The values, rounded; `None` for a gap.
fn values(points: &[Point]) -> Vec<Option<i64>> {
    #[expect(clippy::cast_possible_truncation)]
    let rounded = |value: f64| value.round() as i64;
    points.iter().map(|point| point.value.map(rounded)).collect()
}

fn failed(seconds: u64) -> Reading {
    let failures = vec!["reading the SES account failed: throttled".to_owned()];
    Reading { failures, ..Reading::empty(at(seconds)) }
}

#[test]
fn sends_are_estimated_from_the_accounts_count_over_half_a_minute() {
    // 5 per second, then nothing.
    let sent = |seconds: u64| if seconds < 40 { 5 * seconds } else { 200 };
    #[expect(clippy::cast_precision_loss)]
    let readings = (0..12).map(|n| reading(n * 10, sent(n * 10) as f64, 0));
    let history = history(readings);
    let expected =
        [None, Some(300), Some(300), Some(300), Some(300), Some(200), Some(100), Some(0)];
    assert_eq!(values(&history.sends_per_minute())[..8], expected);
    assert_eq!(history.sends_now(), Some(Sends::Estimated(0.0)));
    assert_eq!(history.sent_since_previous(), Some(0.0));
}

#[test]
fn count_that_falls_is_a_gap_and_no_negative_send() {
    let sent = [100.0, 110.0, 60.0, 80.0];
    let readings = (0..).zip(sent).map(|(n, sent)| reading(n * 10, sent, 0));
    let history = history(readings);
    assert_eq!(values(&history.sends_per_minute()), [None, Some(60), None, Some(120)]);
}

#[test]
fn failed_call_is_a_gap_in_every_series_and_the_last_known_state_stays() {
    let history = history([reading(0, 0.0, 9), reading(10, 50.0, 8), failed(20)]);
    assert_eq!(values(&history.sends_per_minute()), [None, Some(300), None]);
    assert_eq!(values(&history.backlog()), [Some(9), Some(8), None]);
    assert_eq!(values(&history.limit_per_minute()), [Some(299), Some(299), None]);
    assert_eq!((history.sends_now(), history.sent_since_previous()), (None, None));
    let (read_at, sending) = history.sending().unwrap();
    assert_eq!((read_at, sending.depth.visible), (at(10), 8));
    assert_eq!(history.latest().unwrap().failures.len(), 1);
    assert!(history.dead_letters().is_some() && history.feedback_dead_letters().is_some());
}

#[test]
fn settled_minutes_replace_the_estimate_and_reach_back_before_the_first_reading() {
    let mut last = reading(190, 25.0, 30);
    last.measured = Some(measured(0, 3, |minute| match minute {
        0 => vec![(Figure::Accepted, 120.0), (Figure::Ready, 40.0), (Figure::Hidden, 2.0)],
        _ => vec![(Figure::Accepted, 240.0), (Figure::Limit, 200.0)],
    }));
    let history = history([reading(170, 0.0, 50), reading(180, 0.0, 40), last]);
    let sends = history.sends_per_minute();
    // Two minutes, the one of the first reading, and the readings that are in no settled minute.
    assert_eq!(values(&sends), [Some(120), Some(240), Some(240), Some(0), Some(75)]);
    assert_eq!(sends[0].at, at(30));
    assert_eq!(values(&history.backlog()), [Some(42), Some(50), Some(40), Some(30)]);
    assert_eq!(values(&history.limit_per_minute())[..2], [Some(200), Some(299)]);
    assert_eq!(history.total(Figure::Accepted), Some(600.0));
}

#[test]
fn without_an_estimate_the_last_settled_minute_is_the_rate_for_a_while() {
    let mut first = failed(240);
    first.measured = Some(measured(0, 2, |_| vec![(Figure::Accepted, 120.0)]));
    assert_eq!(history([first.clone()]).sends_now(), Some(Sends::Measured(120.0)));
    assert_eq!(history([first, failed(900)]).sends_now(), None, "too long ago");
}

#[test]
fn missing_count_is_zero_only_where_the_metrics_are_published_and_were_read() {
    let mut known = failed(300);
    known.measured = Some(measured(0, 4, |minute| match minute {
        1 => vec![(Figure::Accepted, 7.0), (Figure::Workers, 2.0)],
        _ => Vec::new(),
    }));
    let history_of_one = history([known]);
    let series = |figure| values(&history_of_one.series(figure));
    assert_eq!(series(Figure::Accepted), [None, Some(7), Some(0), Some(0)]);
    assert_eq!(series(Figure::Bounced), [None, Some(0), Some(0), Some(0)]);
    assert_eq!(series(Figure::Workers), [None, Some(2), None, None], "it is not a count");

    let mut silent = failed(300);
    silent.measured = Some(measured(0, 4, |_| Vec::new()));
    let history = history([silent]);
    assert_eq!(values(&history.series(Figure::Accepted)), [None; 4]);
    assert_eq!(history.total(Figure::Accepted), None);
}

#[test]
fn later_response_of_cloudwatch_counts() {
    let accepted = |count| move |_| vec![(Figure::Accepted, count)];
    let (mut early, mut late) = (failed(240), failed(300));
    early.measured = Some(measured(0, 2, accepted(5.0)));
    late.measured = Some(measured(1, 3, accepted(9.0)));
    let history = history([early, late]);
    assert_eq!(values(&history.series(Figure::Accepted)), [Some(5), Some(9), Some(9)]);
}

#[test]
fn readings_far_apart_are_not_connected() {
    let history = history([reading(0, 0.0, 1), reading(10, 0.0, 1), reading(900, 0.0, 1)]);
    assert_eq!(values(&history.backlog()), [Some(1), Some(1), None, Some(1)]);
}

#[test]
fn history_is_bounded_in_time_and_number() {
    let mut first = reading(0, 0.0, 0);
    first.measured = Some(measured(0, 1, |_| vec![(Figure::Accepted, 1.0)]));
    let later = (1..=4_000).map(|seconds| reading(seconds, 0.0, 0));
    let history = history([first].into_iter().chain(later));
    assert_eq!(history.backlog().len(), 1_800);
    assert_eq!(history.total(Figure::Accepted), None);
    let oldest = history.backlog()[0].at;
    assert!(at(4_000) - oldest <= SPAN && oldest > START);
}
