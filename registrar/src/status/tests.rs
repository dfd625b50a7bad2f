//! The rules of `status`, and the screen.

use std::time::Duration;

use email::hold::{FORGOTTEN, HoldCause, Holds, LoweredLimit, MachineHold, OperatorHold};
use time::OffsetDateTime;

use super::{
    concerns::{concerns, drained_at},
    facts::{Alarm, Api, Facts, Unfinished},
    report,
};
use crate::{
    account::Account,
    dead_letters::FoundLetter,
    enrollments::{self, Listed},
    sending::{Depth, Pace, Sending},
};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// A stack with a backlog of 600 jobs, and nothing wrong.
fn fine() -> Facts {
    let pace = Pace::new(
        "300".parse().unwrap(),
        "60".parse().unwrap(),
        "250".parse().unwrap(),
        "2".parse().unwrap(),
        None,
    );
    let depth = Depth { visible: 500, hidden: 100, delayed: 0 };
    Facts {
        stack: "registrar".into(),
        now: NOW,
        api: Api::Responded { status: 200, milliseconds: 12 },
        sending: Sending {
            holds: Holds::default(),
            event_source_on: true,
            depth,
            pace: pace.unwrap(),
        },
        account: Some(Account {
            max_send_rate: Some(14.0),
            daily_quota: Some(50_000.0),
            sent_last_24_hours: 812.0,
            is_in_sandbox: false,
            sending_enabled: true,
            is_shut_down: false,
        }),
        sent_per_minute: Some(150.0),
        dead_letters: Depth::default(),
        feedback_dead_letters: Depth::default(),
        unfinished: Some(Unfinished { overdue: 3, all_counted: true, ..Unfinished::default() }),
        recent_failures: Vec::new(),
        alarms: Vec::new(),
    }
}

fn lowered(until: Option<OffsetDateTime>) -> LoweredLimit {
    let (limit, window_seconds) = (100.try_into().unwrap(), 60.try_into().unwrap());
    LoweredLimit { limit, window_seconds, reason: "warming up".into(), since: NOW, until }
}

#[test]
fn what_ends_by_itself_needs_nobody_and_is_on_the_screen() {
    let mut facts = fine();
    let until = Some(NOW + 3 * FORGOTTEN);
    let hold = OperatorHold { reason: "moving".into(), since: NOW, until };
    facts.now = NOW + 2 * FORGOTTEN;
    facts.sending.holds = Holds {
        templates: [("receipt".to_owned(), hold.clone())].into(),
        operator: Some(hold),
        lowered: Some(lowered(until)),
        ..Holds::default()
    };
    facts.alarms = vec![alarm("EmailHeldAlarm")];
    assert_eq!(concerns(&facts), [""; 0]);
    let mut screen = Vec::new();
    report::write_screen(&facts, &[], &mut screen).unwrap();
    let screen = String::from_utf8(screen).unwrap();
    let times = "since 1970-01-01T00:00:00Z until 1970-01-04T00:00:00Z";
    for part in [
        format!("held           by an operator {times}: moving"),
        format!("held           template receipt {times}: moving"),
        format!(", lowered by an operator to 100 in any 60 s {times} (warming up); "),
    ] {
        assert!(screen.contains(&part), "no {part:?} in\n{screen}");
    }
}

fn alarm(name: &str) -> Alarm {
    Alarm { name: name.into(), since: None, about: "something failed".into() }
}

#[test]
fn backlog_alone_needs_nobody_and_drains_at_the_limit() {
    assert_eq!(concerns(&fine()), [""; 0]);
    assert_eq!(drained_at(&fine()), Some(NOW + Duration::from_millis(120_500)));
}

/// What makes a stack need a person.
type Change<'a> = &'a dyn Fn(&mut Facts);

#[test]
fn each_trouble_is_a_concern() {
    let two = Depth { visible: 2, ..Depth::default() };
    let held = |machine, operator| Holds { machine, operator, ..Holds::default() };
    let machine = |cause| Some(MachineHold::new(cause, NOW));
    let by_operator = |until| OperatorHold { reason: "moving".into(), since: NOW, until };
    let operator = Some(by_operator(None));
    let stuck =
        |stuck, all_counted| Some(Unfinished { stuck, all_counted, ..Unfinished::default() });
    let troubles: [(Change<'_>, &str); 16] = [
        (
            &|facts| {
                facts.sending.holds.templates = [("receipt".to_owned(), by_operator(None))].into();
            },
            "`registrar release --template receipt`",
        ),
        (
            &|facts| {
                facts.now = NOW + FORGOTTEN;
                facts.sending.holds.lowered = Some(lowered(None));
            },
            "`registrar limit --reset`",
        ),
        (&|facts| facts.api = Api::Responded { status: 503, milliseconds: 9 }, "503"),
        (&|facts| facts.api = Api::Silent { error: "refused".into() }, "did not respond"),
        (&|facts| facts.account.as_mut().unwrap().is_shut_down = true, "suspended the account"),
        (&|facts| facts.account.as_mut().unwrap().sending_enabled = false, "paused"),
        (&|facts| facts.sending.holds = held(None, operator.clone()), "moving"),
        (
            &|facts| facts.sending.holds = held(machine(HoldCause::AccountSuspended), None),
            "suspended",
        ),
        (&|facts| facts.sending.event_source_on = false, "by other means"),
        (&|facts| facts.dead_letters = two, "2 letters: `registrar dead-letters list`"),
        (&|facts| facts.feedback_dead_letters = two, "dead delivery events, 2 letters"),
        (&|facts| facts.unfinished = stuck(1, true), "stuck, 1 enrollment: `registrar enrollment"),
        (&|facts| facts.unfinished = stuck(9, false), "stuck, at least 9 enrollments"),
        (
            &|facts| facts.unfinished.as_mut().unwrap().late = 2,
            "overdue for over an hour, 2 enrollments: `registrar enrollment list --overdue`",
        ),
        (&|facts| facts.alarms = vec![alarm("ResumerErrorAlarm")], "ResumerErrorAlarm: something"),
        (&|facts| facts.sending.depth.visible = 7_000_000, "longer than the week"),
    ];
    for (change, text) in troubles {
        let mut facts = fine();
        change(&mut facts);
        let concerns = concerns(&facts);
        assert!(matches!(&concerns[..], [one] if one.contains(text)), "{text}: {concerns:?}");
    }
}

#[test]
fn hold_for_the_daily_quota_needs_nobody_and_leaves_the_drain_time_open() {
    let mut facts = fine();
    let machine = MachineHold::new(HoldCause::DailyQuota, NOW);
    facts.sending.holds = Holds { machine: Some(machine), ..Holds::default() };
    facts.sending.event_source_on = false;
    facts.alarms = vec![alarm("EmailHeldAlarm")];
    assert_eq!(concerns(&facts), [""; 0]);
    assert_eq!(drained_at(&facts), None);
}

#[test]
fn alarm_of_a_count_that_is_known_is_no_second_concern() {
    let stuck = alarm("EnrollmentStuckAlarm");
    let mut facts = Facts { alarms: vec![stuck], ..fine() };
    assert!(concerns(&facts)[0].contains("EnrollmentStuckAlarm"), "it may have been resolved");
    facts.unfinished.as_mut().unwrap().stuck = 1;
    assert!(matches!(&concerns(&facts)[..], [one] if one.starts_with("stuck, 1 ")));
    facts.unfinished = None;
    assert!(concerns(&facts)[0].contains("EnrollmentStuckAlarm"), "the count is not known");
}

#[test]
fn unfinished_enrollments_are_counted_by_what_they_wait_for() {
    let listed = |state: &str, next: i64, overdue_since: Option<i64>| Listed {
        enrollment_id: None,
        resolution: None,
        student_id: "s".into(),
        course_id: "c".into(),
        state: state.into(),
        why: None,
        failures: 0,
        overdue_since: overdue_since.map(|at| NOW + time::Duration::seconds(at)),
        next_attempt_at: Some(NOW + time::Duration::seconds(next)),
    };
    let enrollments = vec![
        listed("stuck", 60, None),
        listed("unreadable", 60, None),
        listed("active", 60, None),
        listed("active", 0, None),
        listed("active", 60, Some(-3_600)),
        listed("active", 60, Some(-3_601)),
        listed("active", -3_601, None),
    ];
    let found = enrollments::Unfinished { enrollments, more: true };
    let counted = Unfinished { stuck: 2, overdue: 4, late: 2, all_counted: false };
    assert_eq!(Unfinished::count(&found, NOW), counted);
}

#[test]
fn screen_has_every_figure_and_json_the_same() {
    let mut facts = fine();
    facts.dead_letters.visible = 1;
    facts.recent_failures = vec![FoundLetter {
        id: "job-1".into(),
        code: "MessageRejected".into(),
        reason: "refused".into(),
        at: Some(NOW),
    }];
    let concerns = concerns(&facts);
    let mut screen = Vec::new();
    report::write_screen(&facts, &concerns, &mut screen).unwrap();
    let screen = String::from_utf8(screen).unwrap();
    for part in [
        "200 in 12 ms",
        "600 jobs: 500 ready, 100 with a worker",
        "300 in any 60 s; 299 per minute at most",
        "150 per minute in the last 5 minutes (50%); 812 of 50000 in the last 24 hours",
        "1970-01-01T00:02:00Z, in about 2 min",
        "1 emails, 0 delivery events",
        "0 stuck, 3 overdue",
        "job-1  MessageRejected  refused",
        "needs a person\n  dead emails, 1 letter",
    ] {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
    let json = report::json(&facts, &concerns, &["a note".to_owned()]);
    assert_eq!(json["queue"]["visible"], 500);
    assert_eq!(json["unfinished_enrollments"]["overdue"], 3);
    assert_eq!(json["empty_by"], "1970-01-01T00:02:00Z");
    assert_eq!(json["needs_person"].as_array().unwrap().len(), 1);
    assert_eq!(json["notes"][0], "a note");
}
