//! Versions, prices and seats of courses, with only the permissions of the template's policies.

use journeys::{
    DeployedStack, Student,
    operator::registrar_as,
    payments::{self, Stripe},
};
use serde_json::{Value, json};

async fn shown(stack: &DeployedStack, course: &str) -> Value {
    let args = ["course", "show", course, "--json"];
    let output = registrar_as(stack, &stack.description.reader, &args).await;
    serde_json::from_str(&output.out).expect("one JSON object")
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn last_seat_is_bought_by_one_of_two_and_the_other_is_not_charged() {
    let stack = DeployedStack::shared().await;
    let stripe = Stripe::of(&stack);
    let course =
        json!({"title": "Small", "price": 4900, "currency": "USD", "state": "open", "seats": 1});
    let course = stack.create_course(course).await;
    let students = [Student::named("Ada Lovelace"), Student::named("Grace Hopper")];

    let (one, two) = tokio::join!(
        stack.buy(&students[0], &course, payments::PAYS),
        stack.buy(&students[1], &course, payments::PAYS),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{:?} {:?}", one.body, two.body);
    let (winner, loser) = if one.status == 201 { (0, 1) } else { (1, 0) };
    let refused = if one.status == 409 { &one } else { &two };
    assert!(refused.body["data"]["seats"].is_string(), "{:?}", refused.body);
    assert_eq!(stripe.counts(&students[winner]).kept, 1);
    assert_eq!(stripe.counts(&students[loser]).intents, 0);
    let path = format!("/courses/{course}");
    let read = stack.call(&stack.caller, "GET", &path, "").await;
    assert_eq!(read.body["data"]["seats_taken"], 1, "{:?}", read.body);

    // An operator ends the access with the command, which releases the seat; the other student buys it.
    let end = ["enrollment", "unenroll", &students[winner].id, &course, "--attempt", "1"];
    let end = [&end[..], &["--reason", "asked by phone"]].concat();
    registrar_as(&stack, &stack.description.payments_operator, &end).await.expect(0, &[]);
    assert_eq!(shown(&stack, &course).await["seats_taken"], 0);
    let bought = stack.buy(&students[loser], &course, payments::PAYS).await;
    assert_eq!(bought.status, 201, "{:?}", bought.body);

    // A card that is declined releases the seat again.
    let more =
        json!({"title": "Small", "price": 4900, "currency": "USD", "state": "open", "seats": 2});
    let put = stack.call(&stack.operator, "PUT", &path, more.to_string()).await;
    assert_eq!(put.status, 200, "{:?}", put.body);
    let declined = stack.buy(&students[winner], &course, payments::DECLINED).await;
    assert_eq!(declined.status, 402, "{:?}", declined.body);
    assert_eq!(shown(&stack, &course).await["seats_taken"], 1);
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn course_is_changed_by_its_version_and_its_prices_have_a_history() {
    let stack = DeployedStack::shared().await;
    let course = stack.create_free_course("Versioned").await;
    let path = format!("/courses/{course}");
    let read = stack.call(&stack.operator, "GET", &path, "").await;
    assert_eq!(read.headers["etag"], "\"1\"");
    let dear = json!({"title": "Versioned", "price": 4900, "currency": "USD", "state": "open"});
    let put = stack.call(&stack.operator, "PUT", &path, dear.to_string()).await;
    assert_eq!((put.status, &put.headers["etag"]), (200, &"\"2\"".parse().expect("a header")));
    assert!(!put.body.to_string().contains("arn:"), "{:?}", put.body);

    let shown = shown(&stack, &course).await;
    let changes = shown["price_changes"].as_array().expect("a history");
    assert_eq!(changes.len(), 2, "{shown}");
    assert_eq!(
        (&changes[0]["old"]["price"], &changes[0]["new"]["price"]),
        (&json!(0), &json!(4900))
    );
    let by = changes[0]["by"].as_str().expect("somebody");
    assert!(by.contains("operator"), "{shown}");
    let args = ["course", "show", &course];
    let text = registrar_as(&stack, &stack.description.reader, &args).await;
    text.expect(0, &["from 0 USD in minor units to 4900 USD"]);
}
