//! The example page of examples/browser, in a browser: sign in, and buy a course.

use std::time::Duration;

use fantoccini::Locator;
use journeys::{
    DeployedStack, Student,
    payments::{PAYS, REQUIRES_ACTION, Stripe},
    wait::within,
};
use serde_json::json;

use crate::browser::Browser;

async fn sign_in(browser: &Browser, stack: &DeployedStack, student: &Student) {
    browser.goto(&stack.description.page).await;
    click(browser, "#sign-in").await;
    browser.wait_for_texts(&["Sign in to the local stack"]).await;
    for (field, value) in [("sub", &student.id), ("name", &student.name), ("email", &student.email)]
    {
        let input = browser.find(&format!("input[name={field}]")).await;
        input.clear().await.expect("the field can be cleared");
        input.send_keys(value).await.expect("the field can be filled");
    }
    click(browser, "form button").await;
    browser.wait_for_texts(&[&format!("Signed in as {}", student.name)]).await;
}

/// Clicks the element once the page has it and shows it.
async fn click(browser: &Browser, css: &str) {
    within(Duration::from_secs(30), css, async || {
        browser.page.find(Locator::Css(css)).await.ok()?.click().await.ok()
    })
    .await;
}

async fn buy(browser: &Browser, course: &str, card: &str) {
    let choose = format!("document.getElementById('card').value = '{card}'");
    browser.evaluate(&choose).await;
    click(browser, &format!("li[data-course={course}] button:enabled")).await;
}

async fn button_of(browser: &Browser, course: &str) -> String {
    let button = browser.find(&format!("li[data-course={course}] button")).await;
    button.text().await.expect("the button can be read")
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn student_buys_a_course_on_the_example_page() {
    let Some(browser) = Browser::start().await else { return };
    let stack = DeployedStack::shared().await;
    let stripe = Stripe::of(&stack);
    let student = Student::named("Mary Jackson");
    let priced = async |title: &str| {
        let course = json!({"title": title, "price": 4900, "currency": "USD", "state": "open"});
        stack.create_course(course).await
    };
    let (bought, confirmed) = (priced("Bought <b>here</b>").await, priced("Confirmed").await);
    let free = stack.create_free_course("Taken").await;
    sign_in(&browser, &stack, &student).await;
    browser.wait_for_texts(&["Bought <b>here</b>, $49.00", "Taken, free"]).await;

    click(&browser, &format!("li[data-course={free}] button")).await;
    browser.wait_for_texts(&["You are enrolled in Taken."]).await;

    buy(&browser, &bought, "pm_card_chargeDeclined").await;
    browser.wait_for_texts(&["Your card was declined."]).await;
    assert_eq!(stripe.counts(&student).kept, 0);
    buy(&browser, &bought, PAYS).await;
    browser.wait_for_texts(&["You are enrolled in Bought <b>here</b>."]).await;
    assert_eq!(button_of(&browser, &bought).await, "Enrolled");
    assert_eq!(stripe.counts(&student).kept, 1);

    buy(&browser, &confirmed, REQUIRES_ACTION).await;
    browser.wait_for_texts(&["The student's bank asks for the student's confirmation."]).await;
    click(&browser, "#confirmed").await;
    browser.wait_for_texts(&["The payment is not confirmed yet."]).await;
    stripe.authenticate(&student);
    let event = stripe.event(&student, "payment_intent.succeeded");
    assert_eq!(stack.deliver(&event).await.status, 200);
    click(&browser, "#confirmed").await;
    browser.wait_for_texts(&["You are enrolled in Confirmed."]).await;
    assert_eq!(button_of(&browser, &confirmed).await, "Enrolled");

    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    let address = browser.page.current_url().await.expect("the page has an address");
    assert_eq!(address.as_str(), stack.description.page, "the code stays in no address");
    let stored = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])";
    assert_eq!(browser.evaluate(stored).await, r#"[{},{},""]"#, "nothing is stored");
    browser.close().await;
}
