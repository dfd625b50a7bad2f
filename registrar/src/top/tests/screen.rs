//! Every view, at several sizes and in each state of a stack.

use super::*;

#[test]
fn every_state_is_drawn_in_every_view_at_every_size() {
    let three = ["a failed", "b failed", "c failed"];
    let states: [fn() -> State; 8] = [
        || state([]),
        || state(opening()),
        || state([held(true)]),
        || state([held(false)]),
        || state([failed(0, &["reading the SES account failed: throttled"])]),
        || with_letters(10),
        with_payments,
        || {
            let mut state = state(opening());
            state.apply(Input::Action(Action::Help));
            state
        },
    ];
    for size in [(80, 24), (200, 50), (40, 10), (24, 6), (10, 3), (1, 1)] {
        for (number, make) in states.iter().enumerate() {
            for tab in Tab::ALL {
                let screen = drawn(on(tab, make()), size.0, size.1);
                assert_eq!(screen.lines().count(), usize::from(size.1));
                assert!(!screen.replace('\n', "").contains(char::is_control), "{number} {tab:?}");
                let title = tab.title();
                assert!(size.0 < 40 || screen.contains(title), "{number}, {title}:\n{screen}");
            }
        }
    }
    assert!(drawn(state([failed(0, &three)]), 80, 24).contains("! c failed"));
}

#[test]
fn nothing_read_yet_is_no_zero() {
    let screen = drawn(state([]), 80, 24);
    assert_has(
        &screen,
        &["registrar in eu-central-1", "reading…", "sends     unknown", "not read yet", "- of 2"],
    );
    assert_has(&screen, &["? emails, ? events", "no metrics yet", "q quit"]);
    assert!(!screen.contains(" 0"), "{screen}");
}

#[test]
fn backlog_is_drawn_with_the_limit_and_when_it_is_empty() {
    let screen = drawn(state(opening()), 100, 30);
    assert_has(
        &screen,
        &[
            "sends per minute, limit dotted",
            "backlog",
            "about 288/min (96%)",
            "299/min, 300 in 60 s",
            "756 jobs",
            "756 ready, 0 hidden",
            "about 3 min",
            "2 of 2",
            "held      no",
            "3000 of 50000 in 24 h",
            "-30 min",
            "enrolled              4800",
            "accepted              4060",
            "failed attempts         34",
        ],
    );
    assert!(screen.matches('•').count() > 5, "the limit is a line of its own:\n{screen}");
    let braille = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
    assert!(screen.chars().filter(|&c| braille(c)).count() > 30, "{screen}");
}

#[test]
fn line_is_broken_where_a_reading_failed() {
    let readings = |failing: bool| {
        (0..60).map(move |n| match n {
            20..40 if failing => failed(n * 5, &["down"]),
            _ => reading(n * 5, 0.0, 100),
        })
    };
    let dots = |state| {
        let screen = drawn(on(Tab::Queue, state), 80, 30);
        screen.chars().filter(|&c| ('\u{2801}'..='\u{28ff}').contains(&c)).count()
    };
    let (whole, broken) = (dots(state(readings(false))), dots(state(readings(true))));
    assert!(broken * 10 < whole * 8, "{broken} of {whole}");
    assert!(broken * 2 > whole, "{broken} of {whole}");
}

#[test]
fn hold_is_shown_with_its_reason_and_leaves_the_drain_time_open() {
    let screen = drawn(state([reading(0, 0.0, 600), held(true)]), 80, 24);
    assert_has(
        &screen,
        &["by an operator since", "1970-01-01T00:00:00Z:", "moving the  [2Jdomain"],
    );
    assert_has(&screen, &["2 min after sending", "600 jobs"]);
    let screen = drawn(on(Tab::Queue, state([held(false)])), 80, 24);
    assert_has(&screen, &["held      automatically since 1970-01-01T00:00:00Z"]);
}

#[test]
fn failed_call_is_in_the_last_line_and_the_last_known_state_stays() {
    let failures = ["reading the state\n of sending failed: \u{1b}[2Jdown", "b", "c", "d"];
    let screen = drawn(state([reading(0, 0.0, 600), failed(5, &failures)]), 80, 24);
    assert_has(&screen, &["600 jobs", "as of     1970-01-01T00:00:00Z", "sends     unknown"]);
    let last: Vec<_> = screen.lines().rev().take(3).collect();
    assert_eq!(last[2], "! reading the state  of sending failed:  [2Jdown");
    assert_eq!((last[1], last[0]), ("! b", "! c (and 1 more)"));
    let good = drawn(state([failed(0, &failures), reading(5, 0.0, 600)]), 80, 24);
    assert!(good.lines().last().unwrap().starts_with("q quit"), "{good}");
}

#[test]
fn dead_letters_are_listed_with_the_reason_first_and_scroll() {
    let screen = drawn(with_letters(10), 80, 24);
    assert_has(&screen, &["12 dead emails, 0 dead delivery events", "10 of them, received at"]);
    let lines: Vec<_> = screen.lines().collect();
    let first = lines.iter().position(|line| line.contains("MessageRejected")).unwrap();
    assert_eq!(lines[first], "MessageRejected  refused [2J by SES");
    assert_eq!(lines[first + 1], "  job-0  last attempt 1970-01-01T00:01Z");
    let mut state = with_letters(10);
    state.apply(Input::Action(Action::Scroll(100)));
    let end = drawn(state, 80, 24);
    assert!(end.contains("job-9") && !end.contains("job-0"), "{end}");
    let mut denied = with_letters(0);
    denied.letters.latest = None;
    let failure = "receiving dead letters failed: access denied".to_owned();
    denied.apply(Input::Detail(Detail::Letters(at(5), Err(failure))));
    assert_has(
        &drawn(denied, 80, 24),
        &["EmailOperatorPolicyArn", "! receiving dead letters failed: access denied"],
    );
}

#[test]
fn payments_that_need_a_person_are_first() {
    let screen = drawn(with_payments(), 100, 24);
    assert_has(&screen, &["at least 3 enrollments are not finished: 1 need a person, 1 overdue"]);
    let states: Vec<_> = ["stuck: amount_differs", "refunding", "payment_pending"]
        .map(|state| screen.find(state).unwrap())
        .into();
    assert!(states.is_sorted(), "{screen}");
    assert_has(
        &screen,
        &["3 failed, overdue since 1970-01-01T00:00Z", "course rust-101, student s-1 [2J"],
    );
}

#[test]
fn queue_has_a_row_per_minute_with_the_columns_that_fit() {
    let wide = drawn(on(Tab::Queue, state(opening())), 120, 40);
    assert_has(
        &wide,
        &[
            "24 emails in the last 5 s",
            "MINUTE   ACCEPTED      LIMIT",
            "BOUNCED",
            "00:16         290        299",
        ],
    );
    let newest = wide.find("00:16").unwrap();
    assert!(newest < wide.find("00:15").unwrap(), "{wide}");
    let narrow = drawn(on(Tab::Queue, state(opening())), 40, 24);
    assert!(narrow.contains("ENROLLED") && !narrow.contains("BOUNCED"), "{narrow}");
}

#[test]
fn account_with_a_lower_rate_is_said_to_lower_the_limit() {
    let mut slow = reading(0, 0.0, 0);
    slow.sending.as_mut().unwrap().pace.account_rate = Some(1.0);
    assert_has(&drawn(state([slow]), 80, 24), &["lowered: account's 1/s", "it is empty"]);
}

#[tokio::test]
async fn keys_select_pause_and_end_and_what_is_wanted_follows() {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let (wanted, wants) = watch::channel(Wanted { paused: false, tab: Tab::Overview });
    let (inputs, received) = mpsc::unbounded_channel();
    inputs.send(Input::Reading(Box::new(reading(0, 0.0, 7)))).unwrap();
    inputs.send(Input::Action(Action::NextTab)).unwrap();
    inputs.send(Input::Action(Action::Pause)).unwrap();
    let shown = show(&mut terminal, state([]), received, wanted);
    let rest = async {
        // It has drawn all of these before it ends.
        tokio::task::yield_now().await;
        inputs.send(Input::Resized).unwrap();
        tokio::task::yield_now().await;
        inputs.send(Input::Action(Action::Quit)).unwrap();
    };
    let (shown, ()) = tokio::join!(shown, rest);
    shown.unwrap();
    assert_has(&rows(&terminal), &["PAUSED", " 2 Queue ", "7 jobs"]);
    assert_eq!(*wants.borrow(), Wanted { paused: true, tab: Tab::Queue });
    assert!(inputs.is_closed());
}

#[tokio::test]
async fn command_ends_when_nothing_can_reach_it() {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let (wanted, _wants) = watch::channel(Wanted { paused: false, tab: Tab::Overview });
    let (_, received) = mpsc::unbounded_channel();
    show(&mut terminal, state([]), received, wanted).await.unwrap();
}
