//! What `registrar course show` says about a course, in JSON or as text.

use std::fmt;

use enrollment::{Course, money::Money, price_change::PriceChange};
use serde::Serialize;

use crate::text::{on_one_line, to_the_second};

#[derive(Debug, Serialize)]
pub(super) struct Facts {
    #[serde(flatten)]
    pub(super) course: Course,
    /// `None` if it has no seats.
    pub(super) seats_taken: Option<u32>,
    /// The newest first.
    pub(super) price_changes: Vec<PriceChange>,
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, value: &str) -> fmt::Result {
    writeln!(f, "{label:<14} {}", on_one_line(value))
}

fn price(money: Money) -> String {
    format!("{} {} in minor units", u64::from(money.amount), money.currency)
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let course = &self.course;
        line(f, "course", &format!("{}, {}", course.id, course.title))?;
        line(f, "price", &price(course.price))?;
        line(f, "state", course.state.as_str())?;
        for (label, at) in [("opens at", course.opens_at), ("closes at", course.closes_at)] {
            if let Some(at) = at {
                line(f, label, &at.to_string())?;
            }
        }
        if let (Some(seats), Some(taken)) = (course.seats, self.seats_taken) {
            line(f, "seats", &format!("{taken} of {} are taken", u32::from(seats)))?;
        }
        line(f, "version", &course.version.to_string())?;
        for change in &self.price_changes {
            line(f, "price change", &change_text(change))?;
        }
        Ok(())
    }
}

fn change_text(change: &PriceChange) -> String {
    let at = to_the_second(change.at);
    let old = change.old.map_or_else(|| "created".to_owned(), |old| format!("from {}", price(old)));
    let new = price(change.new);
    format!("{at} {old} to {new} (version {}) by {}", change.version, change.by)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_json_have_the_course_and_who_changed_its_price() {
        let course = json!({
            "course_id": "rust-101", "title": "Rust 101", "price": 5900, "currency": "USD",
            "state": "open", "opens_at": "2027-01-31T09:00:00Z", "seats": 20, "version": 3,
        });
        let change = json!({
            "course_id": "rust-101", "version": 3, "at": "2027-01-01T00:00:00Z",
            "by": "arn:aws:iam::1:user/ada", "old": {"price": 4900, "currency": "USD"},
            "new": {"price": 5900, "currency": "USD"},
        });
        let facts = Facts {
            course: serde_json::from_value(course).unwrap(),
            seats_taken: Some(19),
            price_changes: vec![serde_json::from_value(change.clone()).unwrap()],
        };
        let text = facts.to_string();
        for part in [
            "rust-101, Rust 101",
            "5900 USD in minor units",
            "19 of 20 are taken",
            "opens at       2027-01-31T09:00:00Z",
            "2027-01-01T00:00:00Z from 4900 USD in minor units to 5900 USD in minor units (version 3) by arn:aws:iam::1:user/ada",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = serde_json::to_value(facts).unwrap();
        assert_eq!((&json["price"], &json["price_changes"][0]), (&json!(5900), &change));
    }
}
