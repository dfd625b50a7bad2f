//! The catalogue: versions, prices and seats.

use super::*;

#[tokio::test]
async fn course_is_created_replaced_and_read() {
    let api = free();
    let course = json!({"title": "Rust 101", "price": 0, "currency": "EUR", "state": "open"});
    let (status, put) = api.call("PUT", "/courses/rust-101", &course).await;
    assert_eq!(status, 201);
    assert_eq!(put["data"]["course"]["course_id"], "rust-101");
    assert_eq!(api.call("PUT", "/courses/rust-101", &course).await, (200, put.clone()));
    assert_eq!(api.call("GET", "/courses/rust-101", "").await, (200, put));
    assert_eq!(api.call("GET", "/courses/none", "").await.0, 404);
    let (status, body) = api.call("PUT", "/courses/rust-101", json!({"price": -1})).await;
    assert_eq!(status, 422);
    assert_eq!(body["data"].as_object().unwrap().len(), 4, "{body}");
}

#[tokio::test]
async fn course_is_changed_only_in_the_version_that_if_match_names() {
    let api = free();
    let course = |title| json!({"title": title, "price": 0, "currency": "USD", "state": "open"});
    let put = async |headers: &[(&str, &str)], title| {
        let answer = api.call_with("PUT", "/courses/versioned", headers, course(title)).await;
        let tag = answer.1.get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer.0, tag.unwrap_or_default(), answer.2)
    };
    let status_and_tag = async |headers: &[(&str, &str)], title| {
        let (status, tag, _) = put(headers, title).await;
        (status, tag)
    };
    let of = |status: u16, tag: &str| (status, tag.to_owned());
    let (none, any) = (("if-none-match", "*"), ("if-match", "*"));
    assert_eq!(status_and_tag(&[any], "One").await, of(412, ""));
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "One").await, of(412, ""));
    assert_eq!(status_and_tag(&[none], "One").await, of(201, "\"1\""));
    let (status, tag, body) = put(&[none], "One").await;
    assert_eq!((status, tag.as_str()), (412, "\"1\""));
    assert!(body["data"]["headers"].is_string(), "{body}");
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "Two").await, of(200, "\"2\""));
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "Two").await, of(200, "\"2\""), "repeated");
    assert_eq!(status_and_tag(&[("if-match", "\"1\"")], "Three").await, of(412, "\"2\""));
    assert_eq!(status_and_tag(&[("if-match", "W/\"2\"")], "Three").await, of(412, "\"2\""), "weak");
    assert_eq!(status_and_tag(&[("if-match", "\"a\", \"2\"")], "Three").await, of(200, "\"3\""));
    assert_eq!(status_and_tag(&[any], "Four").await, of(200, "\"4\""));
    assert_eq!(status_and_tag(&[], "Five").await, of(200, "\"5\""));
    for wrong in [&[("if-match", "5")][..], &[("if-none-match", "\"5\"")], &[any, none]] {
        let (status, _, body) = put(wrong, "Six").await;
        assert_eq!(status, 400, "{wrong:?}");
        assert!(body["data"]["headers"].is_string(), "{body}");
    }
    let (status, headers, body) = api.call_whole("GET", "/courses/versioned", "").await;
    assert_eq!((status, &headers["etag"]), (200, &"\"5\"".parse().unwrap()));
    assert_eq!(
        (&body["data"]["course"]["title"], &body["data"]["course"]["version"]),
        (&json!("Five"), &json!(5))
    );
}

#[tokio::test]
async fn price_change_is_in_the_history_with_its_author_and_not_in_the_course() {
    let api = free();
    let course = |price| json!({"title": "T", "price": price, "currency": "USD", "state": "open"});
    for price in [4900, 4900, 5900] {
        let (_, body) = api.call("PUT", "/courses/dear", course(price)).await;
        assert!(!body.to_string().contains("arn:"), "{body}");
    }
    let (_, shown) = api.call("GET", "/courses/dear", "").await;
    assert!(!shown.to_string().contains("arn:"), "callers see no operator: {shown}");
    let changes = api.world.price_changes();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[1].by.as_str(), "arn:aws:iam::123456789012:user/grace");
    assert_eq!(u64::from(changes[1].new.amount), 5900);
    let request = Request::builder().method("PUT").uri("/courses/dear");
    let nobody = api.send(request.body(Body::from(course(1).to_string())).unwrap()).await;
    assert_eq!(nobody.0, 403);
    assert_eq!(api.world.price_changes().len(), 2);
}

#[tokio::test]
async fn full_course_is_409_and_shows_its_seats() {
    let api = free();
    let course = json!({
        "title": "T", "price": 0, "currency": "USD", "state": "open", "seats": 1,
    });
    assert_eq!(api.call("PUT", "/courses/small", course.clone()).await.0, 201);
    let ask = async |student: &str| {
        let mut body = ada();
        body["course_id"] = json!("small");
        body["student_id"] = json!(student);
        api.call("POST", "/enrollments", body).await
    };
    assert_eq!(ask("s-1").await.0, 201);
    let (status, body) = ask("s-2").await;
    assert_eq!((status, &body["data"]["seats"]), (409, &json!("no seat of this course is free")));
    assert_eq!(ask("s-1").await.0, 200);
    let (_, shown) = api.call("GET", "/courses/small", "").await;
    assert_eq!(
        (&shown["data"]["course"]["seats"], &shown["data"]["seats_taken"]),
        (&json!(1), &json!(1))
    );
    let (_, plain) = api.call("GET", "/courses/open", "").await;
    assert_eq!(plain["data"]["seats_taken"], Value::Null);
    for (seats, why) in
        [(json!(1_000_001), "is more than 1000000"), (json!(1.5), "is not a whole number from 0")]
    {
        let mut wrong = course.clone();
        wrong["seats"] = seats;
        let (status, body) = api.call("PUT", "/courses/small", wrong).await;
        assert_eq!((status, &body["data"]["seats"]), (422, &json!(why)));
    }
}
