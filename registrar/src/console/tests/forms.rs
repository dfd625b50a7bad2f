//! What changes something, and who may do it.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};

use super::{Client, desk::Desk};

#[tokio::test]
async fn redrive_shows_the_number_and_is_made_with_it() {
    let desk = Desk::with_letters(&["a", "b", "a", "left"]);
    let client = Client::of(desk.clone());
    let confirm = client.get("letters/confirm?action=redrive&code=a").await;
    confirm.expect(&[
        "Redrive 2 letters?",
        "<button class=\"primary\">Redrive 2 letters</button>",
        "name=\"count\" value=\"2\"",
        "name=\"code\" value=\"a\"",
        "with the code a",
    ]);
    assert!(desk.asked().iter().all(|call| call.starts_with("preview")), "{:?}", desk.asked());

    let done = client.post("letters/apply", "action=redrive&count=2&id=&code=a&even_if_sent=false");
    done.await.expect(&["Done: 2 letters. Left: 0 letters.", "job-0", "job-2"]);
    assert_eq!(desk.asked().last().unwrap(), "apply Redrive Reason(\"a\") 2");

    let all = client.get("letters/confirm?action=purge").await;
    all.expect(&["Purge 4 letters?", "class=\"danger\"", "deleted permanently", "of any code"]);
    let done = client.post("letters/apply", "action=purge&count=4").await;
    done.expect(&["Done: 3 letters. Left: 1 letter.", "Left, or failed", "It ended early"]);
    assert_eq!(desk.asked().last().unwrap(), "apply Purge All 4");
}

#[tokio::test]
async fn number_that_has_grown_refuses_and_says_both() {
    let desk = Desk::with_letters(&["a", "a", "a"]);
    let refused = Client::of(desk).post("letters/apply", "action=redrive&count=2&code=a").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.expect(&["you confirmed 2 letters, and 3 letters match now", "Nothing was changed."]);
}

#[tokio::test]
async fn emails_that_may_have_been_sent_are_redriven_only_if_the_operator_says_so() {
    let desk = Desk::with_letters(&["left"]);
    let client = Client::of(desk.clone());
    let confirm = client.get("letters/confirm?action=redrive").await;
    confirm.expect(&["1 of them would be left", "even_if_sent=true"]);
    let confirm = client.get("letters/confirm?action=redrive&even_if_sent=true").await;
    confirm.expect(&["also those that may have been sent", "name=\"even_if_sent\" value=\"true\""]);
    client.post("letters/apply", "action=redrive&count=1&even_if_sent=true").await;
    assert_eq!(desk.asked().last().unwrap(), "apply Redrive AllEvenIfSent 1");
    let one = client.get("letters/confirm?action=redrive&id=job-0").await;
    one.expect(&["with the id job-0"]).expect_without("even_if_sent=true");
}

#[tokio::test]
async fn invalid_confirmation_changes_nothing() {
    let desk = Desk::with_letters(&["a"]);
    let client = Client::of(desk.clone());
    for form in ["", "action=redrive", "action=burn&count=1", "action=purge&count=-1", "count=1"] {
        let refused = client.post("letters/apply", form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
    }
    assert_eq!(desk.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn hold_and_release_say_what_they_did() {
    let desk = Desk::default();
    let client = Client::of(desk.clone());
    let held = client.post("hold", "reason=moving+house+%3Cb%3E").await;
    held.expect(&["held by an operator: moving house &#60;b&#62;"]);
    client.post("release", "").await.expect(&["ended"]);
    assert_eq!(desk.asked(), ["hold moving house <b>", "sending", "release", "sending"]);
}

#[tokio::test]
async fn cross_site_post_and_foreign_host_reach_no_call() {
    let desk = Desk::with_letters(&["a"]);
    let client = Client::of(desk.clone());
    let forms = [("hold", "reason=x"), ("release", ""), ("letters/apply", "action=purge&count=1")];
    for (path, form) in forms {
        for headers in [
            &[("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")][..],
            &[("origin", "http://evil.example")],
            &[],
        ] {
            let mut request = client
                .request(Method::POST, path)
                .header("content-type", "application/x-www-form-urlencoded");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let refused = client.send(request.body(Body::from(form)).unwrap()).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
    }
    let mut rebound = client.request(Method::GET, "letters").body(Body::empty()).unwrap();
    rebound.headers_mut().insert("host", "evil.example:8080".parse().unwrap());
    assert_eq!(client.send(rebound).await.status, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(desk.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn nothing_is_served_without_the_token() {
    let mut client = Client::of(Desk::default());
    let pages = ["", "letters", "console.css", "emails/en/enrollment-refund", "nothing"];
    client.base = "/0123456789abcdef0123456789abcdef/".to_owned();
    for path in pages {
        let refused = client.get(path).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        refused.expect_without("<html").expect(&["has a token"]);
        assert!(refused.response.headers().contains_key("content-security-policy"));
    }
    client.base = "/".to_owned();
    assert_eq!(client.get("").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn denied_call_is_shown_as_not_permitted_on_every_page() {
    let desk = Desk { denied: true, ..Desk::with_letters(&["a"]) };
    let client = Client::of(desk);
    for path in [
        "letters",
        "letter/job-0",
        "enrollments",
        "holds",
        "jobs/job-0",
        "letters/confirm?action=purge",
    ] {
        let page = client.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.expect(&["Not permitted with these credentials", "AccessDeniedException", "<nav"]);
    }
    for (path, form) in [
        ("jobs", "state=sent"),
        ("hold", "reason=x"),
        ("release", ""),
        ("letters/apply", "action=purge&count=1"),
    ] {
        client.post(path, form).await.expect(&["Not permitted with these credentials"]);
    }
}
