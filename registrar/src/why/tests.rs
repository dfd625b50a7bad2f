//! The rules of `why` and `timeline`: facts in, answers out.

use std::time::Duration;

use adapters::tables::{Progress, Suppressed};
use email::{
    hold::{HoldCause, Holds, LoweredLimit, MachineHold, OperatorHold},
    ledger::{Entry, State},
    suppression::SuppressionCause,
};
use enrollment::Enrollment;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    SubjectArgs,
    answer::{Answer, answers},
    facts::{Facts, JobFacts, OnSesList, RecipientFacts, Subject},
    timeline::events,
};
use crate::{
    dead_letters::FoundLetter,
    sending::{Depth, Pace, Sending},
    ses_list::Listed,
};

fn at(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

const NOW: u64 = 10_000;

/// Nothing is held, and 299 other jobs are queued.
fn sending() -> Sending {
    let pace = Pace::new(
        "300".parse().unwrap(),
        "60".parse().unwrap(),
        "250".parse().unwrap(),
        "2".parse().unwrap(),
        None,
    );
    let depth = Depth { visible: 290, hidden: 10, delayed: 0 };
    Sending { holds: Holds::default(), event_source_on: true, depth, pace: pace.unwrap() }
}

/// A job that no worker has claimed.
fn waiting() -> Facts {
    let id: email::JobId = "job-1".parse().unwrap();
    Facts {
        subject: Subject::Job(id.clone()),
        now: at(NOW),
        enrollment: None,
        job: Some(JobFacts { id, progress: None }),
        recipient: None,
        letters: Vec::new(),
        sending: sending(),
    }
}

fn progress(state: State, attempts: u32) -> Progress {
    let entry = Entry {
        announced: None,
        state,
        attempts,
        unanswered: 0,
        first_attempt_at: at(9_000),
        last_attempt_at: at(9_900),
        sent_at: None,
        ses_message_id: None,
        failed_at: None,
        reason: None,
        feedback_at: None,
        feedback: None,
    };
    Progress { entry, claimed_until: None, error_code: None }
}

fn claimed(progress: Progress) -> Facts {
    let mut facts = waiting();
    facts.job.as_mut().unwrap().progress = Some(progress);
    facts
}

fn enrolled(state: &str, more: Value) -> Facts {
    let mut item = json!({
        "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
        "email": "ada@example.com", "name": "Ada", "course_id": "rust-101",
        "course_title": "Rust 101", "state": state, "created_at": "1970-01-01T02:00:00Z",
        "version": 3,
    });
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let enrollment: Enrollment = serde_json::from_value(item).unwrap();
    let subject = Subject::Enrollment("s-1".parse().unwrap(), "rust-101".parse().unwrap());
    let has_email = ["active", "refunded"].contains(&state);
    let job = has_email.then(|| JobFacts { id: enrollment.confirmation_job_id(), progress: None });
    Facts { subject, job, enrollment: Some(enrollment), ..waiting() }
}

fn payment() -> Value {
    json!({
        "attempt": 2, "price": 4900, "currency": "USD", "method": "pm_2",
        "started_at": "1970-01-01T02:30:00Z",
    })
}

fn only(facts: &Facts) -> Answer {
    let [answer] = answers(facts).try_into().unwrap();
    answer
}

#[test]
fn job_that_nobody_has_claimed_waits_for_the_jobs_before_it() {
    let Answer::Waiting { jobs_before_at_most, expected_by, emails_per_minute, .. } =
        only(&waiting())
    else {
        panic!()
    };
    assert_eq!((jobs_before_at_most, emails_per_minute), (299, 299));
    // 300 emails, the job among them, take one window and its slack.
    assert_eq!(expected_by, Some(at(NOW) + Duration::from_millis(60_250)));
    assert!(!only(&waiting()).needs_person());
}

#[test]
fn hold_is_the_first_answer_and_leaves_the_time_open() {
    let mut facts = waiting();
    facts.sending.event_source_on = false;
    facts.sending.holds = Holds {
        operator: Some(OperatorHold {
            reason: "moving to ada@example.com".into(),
            since: at(1),
            until: None,
        }),
        machine: Some(MachineHold::new(HoldCause::DailyQuota, at(2))),
        ..Holds::default()
    };
    let [operator, machine, place] = answers(&facts).try_into().unwrap();
    let reason = "moving to ***".to_owned();
    assert_eq!(operator, Answer::HeldByOperator { since: at(1), until: None, reason });
    let cause = HoldCause::DailyQuota;
    assert_eq!(machine, Answer::HeldAutomatically { since: at(2), cause });
    assert!(matches!(place, Answer::Waiting { expected_by: None, .. }));
    assert!(operator.needs_person() && !machine.needs_person(), "the quota comes back by itself");
}

fn hold(until: Option<OffsetDateTime>) -> OperatorHold {
    OperatorHold { reason: "wrong text".into(), since: at(1), until }
}

#[test]
fn hold_with_an_end_needs_nobody_and_says_when() {
    let mut facts = waiting();
    facts.sending.event_source_on = false;
    facts.sending.holds.operator = Some(hold(Some(at(20_000))));
    let [held, _] = answers(&facts).try_into().unwrap();
    assert!(!held.needs_person());
    let expected = "sending is held by an operator since 1970-01-01T00:00:01Z until \
                    1970-01-01T05:33:20Z: wrong text";
    assert_eq!(held.to_string(), expected);
}

#[test]
fn held_template_is_named_and_leaves_the_time_open_only_if_the_email_has_it() {
    let mut facts = enrolled("active", json!({}));
    let other = ("enrollment-refund".to_owned(), hold(None));
    facts.sending.holds.templates = [other.clone()].into();
    let [_, place] = answers(&facts).try_into().unwrap();
    assert!(matches!(place, Answer::Waiting { expected_by: Some(_), .. }), "another template");

    let own = ("enrollment-confirmation".to_owned(), hold(None));
    facts.sending.holds.templates = [own, other].into();
    let [_, held, place] = answers(&facts).try_into().unwrap();
    assert!(held.needs_person() && held.to_string().contains("its template enrollment-confirm"));
    assert!(held.remedy().unwrap().contains("release --template enrollment-confirmation"));
    assert!(matches!(place, Answer::Waiting { expected_by: None, .. }));
    assert!(events(&facts).iter().any(|event| event.at == at(1) && event.what == held.to_string()));

    // A job that is known by its id only.
    let mut job = waiting();
    job.sending.holds.templates = facts.sending.holds.templates;
    let [one, two, place] = answers(&job).try_into().unwrap();
    assert!(one.to_string().starts_with("if it has the template enrollment-confirmation"));
    assert!(two.to_string().starts_with("if it has the template enrollment-refund"));
    assert!(!one.needs_person() && matches!(place, Answer::Waiting { expected_by: Some(_), .. }));
    // Over, and hold-watch has not run yet.
    job.sending.holds.templates = [("enrollment-refund".to_owned(), hold(Some(at(NOW))))].into();
    assert!(matches!(only(&job), Answer::Waiting { .. }));
}

#[test]
fn lowered_limit_is_an_answer_and_decides_the_expected_time() {
    let mut facts = waiting();
    let lowered = LoweredLimit {
        limit: 30.try_into().unwrap(),
        window_seconds: 60.try_into().unwrap(),
        reason: "warming up".into(),
        since: at(1),
        until: Some(at(20_000)),
    };
    let (slots, slack) = ("2".parse().unwrap(), "250".parse().unwrap());
    facts.sending.pace = facts.sending.pace.lowered(&lowered, slots, slack);
    facts.sending.holds.lowered = Some(lowered);
    let [lowered, place] = answers(&facts).try_into().unwrap();
    assert!(lowered.to_string().starts_with("the limit is lowered to 30 in any 60 s since"));
    assert!(!lowered.needs_person());
    let Answer::Waiting { expected_by, .. } = place else { panic!() };
    assert_eq!(expected_by, Some(at(NOW) + Duration::from_millis(602_500)));
    // A later deployment may have more slots than the lowered limit has emails.
    facts.sending.pace.per_second = 0.0;
    assert!(matches!(answers(&facts)[1], Answer::Waiting { expected_by: None, .. }));
}

#[test]
fn event_source_that_is_off_without_a_hold_is_an_answer_and_after_a_release_is_not() {
    let mut facts = waiting();
    facts.sending.event_source_on = false;
    assert_eq!(answers(&facts)[0], Answer::TurnedOff);
    facts.sending.holds.ending_since = Some(at(NOW));
    assert!(matches!(only(&facts), Answer::Waiting { expected_by: Some(_), .. }));
}

#[test]
fn claim_in_force_is_the_answer_and_one_that_has_ended_is_not() {
    let in_force = Progress { claimed_until: Some(at(NOW + 1)), ..progress(State::Sending, 1) };
    let job_id = "job-1".to_owned();
    let claim = Answer::Claimed { job_id, until: at(NOW + 1), attempts: 1 };
    assert_eq!(only(&claimed(in_force)), claim);
    let ended = Progress { claimed_until: Some(at(NOW)), ..progress(State::Sending, 1) };
    assert!(matches!(only(&claimed(ended)), Answer::Returned { .. }));
}

#[test]
fn returned_job_is_retried_after_the_delay_of_its_attempts() {
    let Answer::Returned { attempts, last_attempt_at, retried_by, .. } =
        only(&claimed(progress(State::Sending, 3)))
    else {
        panic!()
    };
    assert_eq!((attempts, last_attempt_at), (3, at(9_900)));
    // 30 s, doubled twice.
    assert_eq!(retried_by, Some(at(9_900 + 120)));
    // A claim that was released without an attempt does not count.
    let answer = only(&claimed(progress(State::Sending, 0)));
    assert!(matches!(answer, Answer::Waiting { .. }));
}

#[test]
fn ledger_names_the_dead_letter_with_its_code_and_without_addresses() {
    for state in [State::Failed, State::Unknown] {
        let mut failed = progress(state, 1);
        failed.error_code = Some("MessageRejected".into());
        failed.entry.reason = Some("<ada@example.com> is not verified".into());
        failed.entry.failed_at = Some(at(9_950));
        let mut facts = claimed(failed);
        // Holds and suppressions do not matter any more.
        facts.sending.holds.machine = Some(MachineHold::new(HoldCause::DailyQuota, at(2)));
        let answer = only(&facts);
        assert_eq!(
            answer,
            Answer::DeadLetter {
                job_id: "job-1".into(),
                code: "MessageRejected".into(),
                reason: "*** is not verified".into(),
                since: Some(at(9_950)),
            }
        );
        assert!(answer.needs_person());
    }
}

#[test]
fn job_that_ended_because_its_recipient_was_suppressed_is_not_sent_and_not_a_dead_letter() {
    let mut ended = progress(State::Suppressed, 0);
    ended.entry.reason = Some("the recipient is suppressed".into());
    ended.entry.failed_at = Some(at(9_950));
    let facts = claimed(ended);
    let reason = "the recipient is suppressed".to_owned();
    let (job_id, since) = ("job-1".to_owned(), Some(at(9_950)));
    assert_eq!(only(&facts), Answer::EndedSuppressed { job_id, since, reason });
    assert!(only(&facts).needs_person());
    assert!(events(&facts).iter().any(|event| event.what.starts_with("it ended without")));
}

#[test]
fn job_without_an_answer_is_retried_later() {
    let mut unanswered = progress(State::Sending, 1);
    unanswered.entry.unanswered = 1;
    // 30 s, and two doublings more.
    let expected = Some(at(9_900 + 120));
    let Answer::Returned { retried_by, .. } = only(&claimed(unanswered)) else { panic!() };
    assert_eq!(retried_by, expected);
}

#[test]
fn dead_letter_that_sqs_moved_is_found_on_its_queue() {
    let mut facts = claimed(progress(State::Sending, 1));
    facts.letters = vec![FoundLetter {
        id: "job-1".into(),
        code: "too_many_receives".into(),
        reason: "SQS moved it".into(),
        at: None,
    }];
    assert!(matches!(only(&facts), Answer::DeadLetter { code, .. } if code == "too_many_receives"));
}

#[test]
fn accepted_email_is_sent_whatever_else_is_true() {
    for state in State::ALL.into_iter().filter(|state| state.was_accepted()) {
        let mut sent = progress(state, 1);
        sent.entry.sent_at = Some(at(9_901));
        let mut facts = claimed(sent);
        facts.sending.event_source_on = false;
        let answer = only(&facts);
        assert!(matches!(answer, Answer::Sent { state: shown, .. } if shown == state));
        assert!(!answer.needs_person());
    }
}

#[test]
fn job_without_an_entry_on_an_empty_queue_left_no_trace() {
    let mut facts = waiting();
    facts.sending.depth = Depth::default();
    assert_eq!(only(&facts), Answer::NoTrace { job_id: "job-1".into() });
    assert!(only(&facts).needs_person());
}

fn ours() -> Suppressed {
    Suppressed {
        recipient: "digest".into(),
        cause: SuppressionCause::Bounce,
        since: at(5),
        reason: None,
    }
}

#[test]
fn list_of_ses_decides_whether_a_recipient_is_suppressed_and_our_copy_counts_if_ses_is_silent() {
    let listed = OnSesList::Listed(Listed {
        address: "ada@example.com".into(),
        cause: SuppressionCause::Complaint,
        since: at(7),
    });
    let suppressed_since = |ours: Option<Suppressed>, ses: OnSesList| {
        let mut facts = waiting();
        facts.subject = Subject::Recipient("ada@example.com".parse().unwrap());
        facts.job = None;
        facts.recipient = Some(RecipientFacts { ours, ses });
        match only(&facts) {
            Answer::Suppressed { since, on_ses_list, .. } => Some((since, on_ses_list)),
            Answer::NothingAgainst => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(suppressed_since(Some(ours()), listed.clone()), Some((at(7), true)));
    assert_eq!(suppressed_since(None, listed), Some((at(7), true)));
    // The worker removes it from the copy, and sends.
    assert_eq!(suppressed_since(Some(ours()), OnSesList::NotListed), None);
    assert_eq!(suppressed_since(Some(ours()), OnSesList::Unknown), Some((at(5), false)));
    assert_eq!(suppressed_since(None, OnSesList::Unknown), None);
}

#[test]
fn suppressed_recipient_is_the_answer_for_a_waiting_job_of_an_enrollment() {
    let mut facts = enrolled("active", json!({}));
    facts.recipient = Some(RecipientFacts { ours: Some(ours()), ses: OnSesList::Unknown });
    let [granted, suppressed] = answers(&facts).try_into().unwrap();
    assert!(matches!(granted, Answer::Granted { .. }) && suppressed.needs_person());
}

#[test]
fn enrollment_answers_for_its_payment_and_its_email() {
    let [granted, email] = answers(&enrolled("active", json!({}))).try_into().unwrap();
    assert_eq!(granted, Answer::Granted { requested_at: at(7_200) });
    assert!(matches!(email, Answer::Waiting { .. }));

    let overdue = enrolled("active", json!({"resume_at": 7_260}));
    assert_eq!(answers(&overdue)[1], Answer::NotQueued { by: at(7_260) });

    let pending = enrolled("payment_pending", json!({"payment": payment(), "resume_at": 10_060}));
    let (since, resumed_at) = (at(9_000), Some(at(10_060)));
    assert_eq!(only(&pending), Answer::PaymentPending { attempt: 2, since, resumed_at });
    assert!(!only(&pending).needs_person());

    let mut item = json!({"payment": payment(), "stuck_reason": "amount_differs"});
    let stuck = only(&enrolled("stuck", item.clone()));
    assert_eq!(stuck, Answer::Stuck { reason: "amount_differs".into(), resolution: None });
    assert!(stuck.needs_person());
    item["resolution"] = json!("refund");
    let decided = only(&enrolled("stuck", item));
    assert!(!decided.needs_person());
    assert!(decided.to_string().contains("carries out the decision `refund`"), "{decided}");

    let ended = only(&enrolled("unenrolled", json!({})));
    assert_eq!(ended, Answer::Unenrolled);
    assert!(!ended.needs_person());
    let mut refunded = payment();
    refunded["refund"] = json!({"attempt": 1, "started_at": "1970-01-01T02:40:00Z"});
    let active = enrolled("active", json!({"payment": refunded, "resume_at": 10_060}));
    let all = answers(&active);
    let [granted, refunding, email] = &all[..] else { panic!("{all:?}") };
    assert!(matches!(granted, Answer::Granted { .. }));
    assert!(matches!(email, Answer::Waiting { .. }), "the refund is due, not the email");
    assert_eq!(*refunding, Answer::Refunding { since: Some(at(9_600)), late: false });

    let mut declined = payment();
    declined["failure"] = json!({"code": "card_declined", "message": "The card was declined."});
    let failed = only(&enrolled("payment_failed", json!({"payment": declined})));
    assert!(matches!(failed, Answer::PaymentFailed { code, .. } if code == "card_declined"));

    let mut paid_back = payment();
    paid_back["intent"] = json!("pi_1");
    paid_back["refund"] = json!({"attempt": 1, "started_at": "1970-01-01T00:00:00Z"});
    let refunding = only(&enrolled("refunding", json!({"payment": paid_back})));
    assert_eq!(refunding, Answer::Refunding { since: Some(at(0)), late: true });

    let mut missing = enrolled("active", json!({}));
    missing.enrollment = None;
    missing.job = None;
    assert_eq!(only(&missing), Answer::NotEnrolled);
}

#[test]
fn timeline_is_in_order_and_marks_what_is_expected() {
    let mut facts = enrolled("active", json!({"payment": payment()}));
    let mut sent = progress(State::Delivered, 2);
    sent.entry.sent_at = Some(at(9_901));
    sent.entry.ses_message_id = Some("m-1".into());
    sent.entry.feedback_at = Some(at(9_905));
    facts.job.as_mut().unwrap().progress = Some(sent);
    let shown: Vec<_> = events(&facts).into_iter().map(|event| (event.at, event.what)).collect();
    let id = facts.job.as_ref().unwrap().id.to_string();
    let expected = [
        (at(7_200), "the enrollment was requested".to_owned()),
        (at(9_000), "payment attempt 2 started".to_owned()),
        (at(9_000), format!("a worker claimed email {id}")),
        (at(9_900), "a worker claimed it for attempt 2".to_owned()),
        (at(9_901), "SES accepted it as m-1".to_owned()),
        (at(9_905), "SES reported it as delivered".to_owned()),
    ];
    assert_eq!(shown, expected);

    let [next] = events(&waiting()).try_into().unwrap();
    assert!(next.expected, "{next:?}");
}

#[test]
fn subject_is_read_from_one_or_two_arguments() {
    let subject = |first: &str, course: Option<&str>| {
        let course = course.map(str::to_owned);
        SubjectArgs { first: first.to_owned(), course, json: false }.subject()
    };
    assert_eq!(subject("a-1", None), Ok(Subject::Job("a-1".parse().unwrap())));
    let ada = Subject::Recipient("ada@example.com".parse().unwrap());
    assert_eq!(subject("ada@example.com", None), Ok(ada));
    // A student's id may look like an address.
    let enrollment =
        Subject::Enrollment("ada@example.com".parse().unwrap(), "rust-101".parse().unwrap());
    assert_eq!(subject("ada@example.com", Some("rust-101")), Ok(enrollment));
    for (first, course) in [("a b", None), ("a@b@c", None), ("s-1", Some("Not A Course!"))] {
        assert!(subject(first, course).is_err(), "{first}");
    }
}

#[test]
fn every_answer_has_a_text_and_json_of_its_kind() {
    let mut all = answers(&waiting());
    all.extend(answers(&enrolled("active", json!({"resume_at": 1}))));
    for answer in all {
        assert!(!answer.to_string().is_empty());
        assert!(serde_json::to_value(&answer).unwrap()["kind"].is_string());
    }
}
