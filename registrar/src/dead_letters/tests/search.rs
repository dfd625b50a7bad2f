//! Searches for other commands.

use super::place::{Place, body, stored};
use crate::dead_letters::search::{Wanted, sample, search};

fn place() -> Place {
    let letter = |name: &str| stored(name, &body(&format!("job-of-{name}")), "MessageRejected");
    Place::with(["a", "b"].map(letter))
}

#[tokio::test]
async fn job_and_recipient_are_found_and_every_letter_is_given_back() {
    let place = place();
    let job = Wanted::Job("job-of-b".parse().unwrap());
    let [found] = search(&place, &job).await.unwrap().try_into().unwrap();
    assert_eq!((found.id.as_str(), found.code.as_str()), ("job-of-b", "MessageRejected"));
    assert!(!found.reason.contains('@'), "{found:?}");
    let to = |address: &str| Wanted::Recipient(address.to_owned());
    assert_eq!(search(&place, &to("Ada@example.com")).await.unwrap().len(), 2);
    assert_eq!(search(&place, &to("bob@example.com")).await.unwrap(), []);
    assert!(place.all_visible());
}

#[tokio::test]
async fn sample_is_given_back() {
    let place = place();
    assert_eq!(sample(&place).await.unwrap().len(), 2);
    assert!(place.all_visible());
}
