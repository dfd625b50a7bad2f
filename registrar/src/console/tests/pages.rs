//! The pages, rendered from facts.

use std::sync::Arc;

use axum::http::StatusCode;

use super::{
    Client, PORT,
    desk::{self, Desk, MARKUP},
};
use crate::{
    clock,
    console::{frame::Notice, server::Console},
    enrollments::Listed,
    live::Reading,
};

const PAGES: [&str; 13] = [
    "",
    "live/overview",
    "jobs",
    "jobs/job-0",
    "enrollment?student=s-1&course=c-1",
    "letters",
    "letters?code=a",
    "letter/job-0",
    "letters/confirm?action=redrive",
    "letters/confirm?action=purge&id=job-1",
    "enrollments",
    "holds",
    "emails",
];

fn client() -> Client {
    let listed = Listed {
        enrollment_id: None,
        student_id: format!("s {MARKUP}"),
        course_id: MARKUP.to_owned(),
        state: "stuck".to_owned(),
        why: Some(MARKUP.to_owned()),
        resolution: None,
        failures: 3,
        overdue_since: None,
        next_attempt_at: None,
    };
    let fresh = Listed {
        student_id: "fresh".into(),
        state: "active".into(),
        next_attempt_at: Some(time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(100_000)),
        ..listed.clone()
    };
    Client::of(Desk { unfinished: vec![fresh, listed], ..Desk::with_letters(&["a", "b"]) })
}

#[tokio::test]
async fn every_page_is_served_protected_and_without_markup_of_others() {
    let client = client();
    for path in PAGES {
        let page = client.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.html);
        page.expect_without("<script>alert").expect_without(MARKUP);
        let header = |name: &str| page.response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(header("content-security-policy").starts_with("default-src 'none'; "));
        // The policy would refuse them.
        for refused in [" style=", "<style", " onclick=", "http://", "https://", "javascript:"] {
            page.expect_without(refused);
        }
    }
}

#[tokio::test]
async fn every_page_has_a_title_a_language_a_skip_link_and_its_place_in_the_navigation() {
    let client = client();
    for path in PAGES.into_iter().filter(|path| *path != "live/overview") {
        let page = client.get(path).await;
        page.expect(&[
            "<html lang=\"en\">",
            "<a class=\"skip\" href=\"#main\">",
            "<main id=\"main\"",
        ]);
        assert_eq!(page.html.matches("<h1>").count(), 1, "{path}");
        assert_eq!(page.html.matches("aria-current=\"page\"").count(), 1, "{path}");
        let (tables, captions) =
            (page.html.matches("<table").count(), page.html.matches("<caption>"));
        assert_eq!(tables, captions.count(), "{path}: a table without a caption");
        let heads = page.html.matches("<th ").count() + page.html.matches("<th>").count();
        assert_eq!(heads, page.html.matches("scope=").count(), "{path}: a head without a scope");
    }
}

#[tokio::test]
async fn overview_has_charts_with_names_and_numbers_what_needs_a_person_and_failures() {
    let page = client().get("").await;
    page.expect(&[
        "<svg role=\"img\" aria-labelledby=\"chart-backlog-title chart-backlog-desc\"",
        "<desc id=\"chart-backlog-desc\">jobs waiting: 300 now, 600 at most.</desc>",
        "sends per minute: 120 now",
        "limit per minute: 299 now",
        "Sends per minute against the limit, the last value of each minute",
        "<dt>Backlog</dt><dd><b>300</b>",
        "EnrollErrorAlarm",
        "Recent failures",
        "letter/job-0",
        "MessageRejected",
        "http-equiv=\"refresh\"",
        "data-live=",
    ]);
    page.expect_without("NaN");
    let live = client().get("live/overview").await;
    live.expect(&["<dt>Backlog</dt>", "<svg"]).expect_without("<html");
}

#[tokio::test]
async fn overview_before_the_first_reading_says_so_and_one_that_fails_says_why() {
    let console = Console { watched: Arc::default(), ..desk::console(Desk::default(), PORT) };
    let client = Client::of_console(console.clone());
    let page = client.get("").await;
    page.expect(&["not known yet", "The status is being read.", "<svg"]).expect_without("NaN");

    let mut failed = Reading::empty(clock::now());
    failed.failures.push(format!("counting failed: access denied {MARKUP}"));
    let problem = Notice::of_note("finding the stack failed: no response".to_owned());
    {
        let mut seen = console.watched.seen();
        seen.history.push(failed);
        seen.problem = Some(problem);
    }
    let page = client.get("live/overview").await;
    page.expect(&[
        "<b>Not permitted with these credentials.</b> counting failed",
        "<b>Not available.</b> finding the stack failed: no response",
    ]);
    page.expect_without(MARKUP);
}

#[tokio::test]
async fn search_reads_on_until_there_is_enough_and_no_address_is_in_an_address() {
    let desk = Desk::default();
    let client = Client::of(desk.clone());
    let page = client.post("jobs", "state=sent&template=&recipient=Ada%40example.com").await;
    page.expect(&["6 found", "3,000 entries were read.", "whole rest of the ledger", "jobs/job-5"]);
    let asked = desk.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].ends_with("after Some(\"job-2\")"), "{asked:?}");
    assert!(asked[0].contains("Sent") && asked[0].contains("recipient: Some"), "{asked:?}");
    // Only in the form itself.
    page.expect_without("recipient=");

    let page = client.post("jobs", "after=job-1&state=lost").await;
    page.expect(&["there is no such state"]);
    client.post("jobs", "recipient=nobody").await.expect(&["the recipient is not an address"]);
}

#[tokio::test]
async fn looking_up_leads_to_a_job_or_an_enrollment_or_shows_a_recipient() {
    let desk = Desk::default();
    let client = Client::of(desk.clone());
    let to = |page: &super::Page| {
        let place = page.response.headers()["location"].to_str().unwrap();
        place.strip_prefix(&client.base).unwrap().to_owned()
    };
    let job = client.post("look", "what=+job-1+").await;
    assert_eq!((job.status, to(&job)), (StatusCode::SEE_OTHER, "jobs/job-1".to_owned()));
    let enrollment = client.post("look", "what=s-1+rust-101").await;
    assert_eq!(to(&enrollment), "enrollment?student=s-1&course=rust-101");
    let recipient = client.post("look", "what=ada%40example.com").await;
    assert_eq!(recipient.status, StatusCode::OK);
    recipient.expect(&["Recipient ada@example.com", "Not available", "something is missing"]);
    let nothing = client.post("look", "what=one+two+three").await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    nothing.expect(&["Nothing to look up", "name an email by its job"]);
    assert_eq!(client.get("jobs/not%20a%20job").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn letters_are_filtered_by_code_and_shown_completely() {
    let client = client();
    let all = client.get("letters").await;
    all.expect(&["2 letters, the latest first", "Redrive 2 letters…", ">a (1)</option>"]);
    let some = client.get("letters?code=b").await;
    some.expect(&["Purge 1 letter…", "letter/job-1", "value=\"b\" selected"]);
    some.expect_without("letter/job-0");
    let letter = client.get("letter/job-0").await;
    letter.expect(&["ada@example.com", "<code>a</code>", "Attributes of the letter"]);
    client.get("letter/nothing").await.expect(&["No dead letter has this id"]);
}

#[tokio::test]
async fn enrollments_that_need_a_person_come_first_and_others_on_request() {
    let client = client();
    let late = client.get("enrollments").await;
    late.expect(&["1, those that need a person first; 1 more are in progress", "class=\"bad\""]);
    late.expect_without("fresh").expect(&["enrollment?student=s%20%3Cscript"]);
    client.get("enrollments?show=all").await.expect(&["fresh", "2, those that need a person"]);
}

#[tokio::test]
async fn emails_are_shown_in_sandboxed_frames_with_a_policy_of_their_own() {
    let client = client();
    let page = client.get("emails").await;
    for name in email_templates::NAMES {
        page.expect(&[&format!("sandbox title=\"{name} on a phone\""), name]);
        let email = client.get(&format!("emails/en/{name}")).await;
        assert_eq!(email.status, StatusCode::OK);
        let policy = email.response.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.ends_with("sandbox") && policy.contains("frame-ancestors 'self'"),
            "{policy}"
        );
        email.expect(&["<!doctype html>", "<strong>"]);
    }
    page.expect(&[
        r#"Subject: <b lang="en" dir="auto">You are enrolled in Rust on AWS Lambda</b>"#,
    ]);
    page.expect(&["emails?language=ar"]);
    let arabic = client.get("emails?language=ar").await;
    arabic.expect(&[r#"lang="ar" dir="rtl""#, "emails/ar/enrollment-refund"]);
    client.get("emails/ar/enrollment-refund").await.expect(&[r#"<html lang="ar" dir="rtl">"#]);
    for nothing in ["emails/en/nothing", "emails/tlh/enrollment-refund"] {
        assert_eq!(client.get(nothing).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn style_and_script_are_the_consoles_own() {
    let client = client();
    let css = client.get("console.css").await;
    assert!(css.response.headers()["content-type"].to_str().unwrap().starts_with("text/css"));
    css.expect(&["prefers-color-scheme: dark", ":focus-visible"]).expect_without("url(");
    let js = client.get("console.js").await;
    js.expect(&["document.hidden", "data-live"]).expect_without("http");
}
