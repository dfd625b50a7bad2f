//! Whole runs over the in-memory world, which stop anywhere and continue.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
};

use enrollment::testing::{Bank, World};
use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{results::recorded, *};

const IDENTITY: Identity<'_> = Identity { command: "a test", digest: "d" };

/// A file that stops after so many bytes, in the middle of a line perhaps.
struct Disk {
    bytes: Vec<u8>,
    left: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = bytes.len().min(self.left);
        if written == 0 {
            return Err(io::Error::other("the machine stopped"));
        }
        self.left -= written;
        self.bytes.extend(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Polls a future so many times, and then never again.
async fn polled<F: Future>(times: u32, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|context| match (future.as_mut().poll(context), left) {
        (Poll::Ready(output), _) => Poll::Ready(Some(output)),
        (Poll::Pending, 0) => Poll::Ready(None),
        (Poll::Pending, _) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

fn world() -> World {
    let courses = [("free", 0), ("priced", 4900)].map(|(id, price)| {
        let course = json!({
            "course_id": id, "title": "T", "price": price, "currency": "USD", "state": "open",
        });
        serde_json::from_value(course).unwrap()
    });
    World::new(courses, Bank::Accepts)
}

fn enrolling_lines() -> Vec<(u64, Enrolling)> {
    let line = |number: u64| {
        let course = ["free", "priced", "missing"][usize::try_from(number % 7).unwrap() % 3];
        let fields = json!({
            "student_id": format!("s-{number}"), "course_id": course,
            "email": format!("s-{number}@example.com"), "name": "Ada", "reason": "a class",
        });
        (number, Enrolling::from_fields(fields.as_object().unwrap()).unwrap())
    };
    (2..42).map(line).collect()
}

fn ending_lines() -> Vec<(u64, Ending)> {
    enrolling_lines()
        .into_iter()
        .map(|(number, line)| {
            let refund = enrollment::operator::RefundChoice::Full;
            let reason = "the end".parse().unwrap();
            (number, Ending { place: line.place, attempt: None, refund, reason })
        })
        .collect()
}

/// A run that is not stopped before its end has no limit.
#[derive(Debug, Clone, Copy)]
struct Cut {
    polls: u32,
    bytes: usize,
}

const UNCUT: Cut = Cut { polls: u32::MAX, bytes: usize::MAX };

fn run_of(since: OffsetDateTime) -> Run {
    Run {
        by: "arn:aws:iam::1:user/ada".parse().unwrap(),
        since,
        now: OffsetDateTime::UNIX_EPOCH,
        apply: true,
    }
}

/// One process: continues what `file` has, until it is cut.
async fn process<L: Line + Clone>(
    file: &mut Vec<u8>,
    lines: &[(u64, L)],
    act: impl AsyncFn(&L, &Run) -> Result<LineResult, Unavailable>,
    cut: Cut,
) {
    let found = recorded(file, &IDENTITY).unwrap();
    let length = found.as_ref().map_or(0, |found| usize::try_from(found.length).unwrap());
    file.truncate(length);
    let mut disk = Disk { bytes: std::mem::take(file), left: cut.bytes };
    let begins = found.is_none();
    let run = run_of(found.as_ref().map_or(OffsetDateTime::UNIX_EPOCH, |found| found.since));
    let done = found.map(|found| found.done).unwrap_or_default();
    if !begins || results::begin(&mut disk, &IDENTITY, run.since).is_ok() {
        let left = lines.iter().filter(|(number, _)| !done.contains(number)).cloned();
        let act = async |line: &L| act(line, &run).await;
        let record = |number, line: &L, result: LineResult| {
            results::write(&mut disk, number, line.place(), &result)
        };
        let _ = polled(cut.polls, runner::run(left, act, record, &Cell::new(false))).await;
    }
    *file = disk.bytes;
}

/// The results by line, without those that say how it began.
fn results_of(file: &[u8]) -> Vec<String> {
    let mut rows: Vec<_> =
        String::from_utf8_lossy(file).lines().skip(2).map(str::to_owned).collect();
    rows.sort();
    rows
}

/// What must be the same, however often the run was stopped.
fn state_of(world: &World) -> Vec<String> {
    let text = |found: enrollment::Enrollment| {
        let history: Vec<_> = found.history.iter().map(|entry| entry.what.to_string()).collect();
        format!("{} {} {} {history:?}", found.student.id, found.course_id, found.state)
    };
    world.enrollments().into_iter().map(text).collect()
}

async fn whole(cuts: &[Cut]) -> (Vec<Vec<String>>, Vec<String>) {
    let world = world();
    let otherwise: Reason = FREE_COURSE_REASON.parse().unwrap();
    let enroll = async |line: &Enrolling, run: &Run| {
        enroll_line(&world, &world, line, Granting::Allowed, &otherwise, run).await
    };
    let end = async |line: &Ending, run: &Run| unenroll_line(&world, line, run).await;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for cut in cuts.iter().chain([&UNCUT]) {
        process(&mut first, &enrolling_lines(), enroll, *cut).await;
    }
    for cut in cuts.iter().chain([&UNCUT]) {
        process(&mut second, &ending_lines(), end, *cut).await;
    }
    (vec![results_of(&first), results_of(&second)], state_of(&world))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn run_that_is_stopped_anywhere_ends_as_if_it_had_not_been(
        cuts in vec((1..80_u32, prop_oneof![0..3_000_usize, Just(usize::MAX)]), 0..6),
    ) {
        let cuts: Vec<_> = cuts.into_iter().map(|(polls, bytes)| Cut { polls, bytes }).collect();
        let (results, state) = block_on(whole(&cuts));
        let (expected_results, expected_state) = block_on(whole(&[]));
        prop_assert_eq!(results[0].len(), enrolling_lines().len());
        prop_assert_eq!(results, expected_results);
        prop_assert_eq!(state, expected_state);
    }
}

#[tokio::test(start_paused = true)]
async fn run_over_unreliable_tables_ends_as_over_reliable_ones() {
    let world = world();
    world.unreliable(Some(enrollment::testing::Dice(7)));
    let otherwise: Reason = FREE_COURSE_REASON.parse().unwrap();
    let enroll = async |line: &Enrolling, run: &Run| {
        enroll_line(&world, &world, line, Granting::Allowed, &otherwise, run).await
    };
    let mut file = Vec::new();
    for _ in 0..10 {
        process(&mut file, &enrolling_lines(), enroll, UNCUT).await;
    }
    let reliable = whole(&[]).await;
    assert_eq!(results_of(&file), reliable.0[0]);
}

#[tokio::test]
async fn line_that_does_not_fit_its_course_is_found_before_anything_is_done() {
    let world = world();
    let now = OffsetDateTime::UNIX_EPOCH;
    let mut lines = enrolling_lines().into_iter();
    let problems = check_courses(&world, &mut lines, Granting::Refused, now).await.unwrap();
    let error = problems.into_result(Path::new("class.csv")).unwrap_err().to_string();
    for part in [
        "class.csv: line 8, column course_id: this course has a price, and granting without a payment is not allowed",
        "column course_id: there is no such course",
        "nothing was changed",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let mut lines = enrolling_lines().into_iter().filter(|(number, _)| number % 7 == 1);
    let problems = check_courses(&world, &mut lines, Granting::Allowed, now).await.unwrap();
    assert!(problems.into_result(Path::new("class.csv")).is_ok());
}
