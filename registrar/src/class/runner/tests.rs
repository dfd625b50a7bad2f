use std::cell::RefCell;

use super::*;

fn unavailable() -> Unavailable {
    Unavailable::new("a test", "throttled")
}

/// Carries out lines 1 to `count`; `fails` says whether a try of a line does.
async fn ran(count: u64, fails: impl Fn(u64, u32) -> bool) -> (Ran, Vec<u64>, Vec<usize>) {
    let (done, tries) = (RefCell::new(Vec::new()), RefCell::new(vec![0; 1_000]));
    let (now, peaks) = (Cell::new(0), RefCell::new(Vec::new()));
    let act = async |line: &u64| {
        now.set(now.get() + 1);
        tokio::task::yield_now().await;
        peaks.borrow_mut().push(now.get());
        tokio::task::yield_now().await;
        now.set(now.get() - 1);
        let at = usize::try_from(*line).unwrap();
        tries.borrow_mut()[at] += 1;
        if fails(*line, tries.borrow()[at]) { Err(unavailable()) } else { Ok(LineResult::Already) }
    };
    let record = |number, _: &u64, _| {
        done.borrow_mut().push(number);
        Ok(())
    };
    let lines = (1..=count).map(|number| (number, number));
    let ran = run(lines, act, record, &Cell::new(false)).await.unwrap();
    (ran, done.into_inner(), peaks.into_inner())
}

#[tokio::test(start_paused = true)]
async fn every_line_has_one_result_and_a_bounded_number_runs_at_the_same_time() {
    let (ran, done, peaks) = ran(100, |_, _| false).await;
    assert!(matches!(ran.ended, Ended::Complete));
    assert_eq!(done, (1..=100).collect::<Vec<_>>());
    assert_eq!(peaks.into_iter().max(), Some(MAX_CONCURRENT_LINES));
}

#[tokio::test(start_paused = true)]
async fn failure_is_repeated_after_a_pause_with_fewer_lines_at_the_same_time() {
    let start = clock::instant();
    let (ran, mut done, peaks) = ran(32, |line, tries| line <= 16 && tries == 1).await;
    done.sort_unstable();
    assert_eq!(done, (1..=32).collect::<Vec<_>>());
    assert!(ran.failed.is_empty());
    assert_eq!(start.elapsed(), PAUSE);
    let later = &peaks[16..24];
    assert!(later.iter().all(|peak| *peak <= 8), "{peaks:?}");
}

#[tokio::test(start_paused = true)]
async fn line_that_always_fails_does_not_keep_others_from_their_result() {
    let (ran, done, _) = ran(40, |line, _| line == 3).await;
    assert!(matches!(ran.ended, Ended::Complete));
    assert_eq!(done.len(), 39);
    let [(3, why)] = &ran.failed[..] else { panic!("{ran:?}") };
    assert!(why.contains("a test failed: throttled"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn run_ends_when_no_line_succeeds_any_more() {
    let start = clock::instant();
    let (ran, done, peaks) = ran(500, |line, _| line > 16).await;
    assert!(matches!(ran.ended, Ended::Stopped(_)), "{ran:?}");
    assert_eq!((done.len(), start.elapsed()), (16, PAUSE * (1 + 2 + 4 + 8)));
    assert_eq!(peaks.len(), 16 + 16 + 8 + 4 + 2 + 1, "and does not try the others");
}

#[tokio::test(start_paused = true)]
async fn stop_lets_the_lines_in_progress_end_and_begins_no_other() {
    let (stop, done) = (Cell::new(false), RefCell::new(0));
    let act = async |line: &u64| {
        stop.set(*line == 20 || stop.get());
        Ok(LineResult::Already)
    };
    let record = |_, _: &u64, _| {
        *done.borrow_mut() += 1;
        Ok(())
    };
    let lines = (1..=100).map(|number| (number, number));
    let ran = run(lines, act, record, &stop).await.unwrap();
    assert!(matches!(ran.ended, Ended::Interrupted));
    assert_eq!(done.into_inner(), 2 * MAX_CONCURRENT_LINES);
}

#[tokio::test]
async fn result_that_cannot_be_recorded_ends_the_run() {
    let lines = (1..=100).map(|number| (number, number));
    let act = async |_: &u64| Ok(LineResult::Already);
    let record = |_, _: &u64, _| Err(io::Error::other("no space"));
    assert!(run(lines, act, record, &Cell::new(false)).await.is_err());
}
