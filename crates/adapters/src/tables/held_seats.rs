//! The seats of a course, as the table of enrollments takes and releases them.

use enrollment::{CourseId, ports::CountSeats, seats::SeatCount};
use unavailable::Unavailable;

use super::{
    enrollments::EnrollmentsTable,
    item::{get, text},
};

/// Needs `dynamodb:GetItem` on the table of seats.
impl CountSeats for EnrollmentsTable {
    async fn count_seats(&self, course_id: &CourseId) -> Result<Option<SeatCount>, Unavailable> {
        const READ: &str = "reading the seats of a course";
        let item = self.client.get_item().table_name(&self.seats).key("course_id", text(course_id));
        get(READ, item).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{
        Client,
        operation::{put_item::PutItemOutput, transact_write_items::TransactWriteItemsOutput},
    };
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use enrollment::{
        Enrollment,
        ports::{InsertEnrollment, Inserted, SaveEnrollment, Saved},
    };
    use serde_json::json;

    use super::*;
    use crate::tables::{
        item::{number, write},
        transaction::tests::cancelled,
    };

    fn enrollment(version: u32, state: &str, seat: bool) -> Enrollment {
        serde_json::from_value(json!({
            "id": "01a21304-1630-7215-83f8-bf1567ec447e", "student_id": "s-1",
            "email": "ada@example.com", "name": "Ada", "course_id": "rust-101",
            "course_title": "Rust 101", "state": state, "created_at": "1970-01-01T00:00:00Z",
            "seat": seat, "version": version,
        }))
        .unwrap()
    }

    fn table(rules: &[&Rule]) -> EnrollmentsTable {
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules);
        EnrollmentsTable::new(client, "enrollments".to_owned(), "seats".to_owned())
    }

    /// A transaction of an enrollment and this change of the count.
    fn transaction(change: i32, condition: &'static str) -> Rule {
        mock!(Client::transact_write_items)
            .match_requests(move |request| {
                let [put, count] = request.transact_items() else { return false };
                let (put, count) = (put.put().unwrap(), count.update().unwrap());
                put.table_name() == "enrollments"
                    && put.condition_expression().is_some()
                    && count.table_name() == "seats"
                    && count.key()["course_id"] == text("rust-101")
                    && count.condition_expression().unwrap().starts_with(condition)
                    && count.expression_attribute_values().unwrap()[":change"] == number(change)
            })
            .then_output(|| TransactWriteItemsOutput::builder().build())
    }

    fn refused(reasons: Vec<(&'static str, Option<Enrollment>)>) -> Rule {
        mock!(Client::transact_write_items).then_error(move || {
            let reasons: Vec<_> = reasons
                .iter()
                .map(|(code, item)| {
                    (*code, item.as_ref().map(|item| write("a test", item).unwrap()))
                })
                .collect();
            cancelled(&reasons)
        })
    }

    #[tokio::test]
    async fn seat_is_taken_and_released_in_the_write_of_the_enrollment() {
        let takes = transaction(1, "taken < seats OR (attribute_exists(course_id)");
        let new = enrollment(0, "active", true);
        assert_eq!(table(&[&takes]).insert_enrollment(&new).await.unwrap(), Inserted::New);
        let (before, next) = (enrollment(1, "unenrolled", false), enrollment(2, "active", true));
        assert_eq!(table(&[&takes]).save_enrollment(&before, &next).await.unwrap(), Saved::Done);
        let releases = transaction(-1, "taken > :none");
        let (before, next) = (enrollment(1, "active", true), enrollment(2, "unenrolled", false));
        assert_eq!(table(&[&releases]).save_enrollment(&before, &next).await.unwrap(), Saved::Done);
    }

    #[tokio::test]
    async fn change_that_moves_no_seat_is_one_write() {
        for seat in [true, false] {
            let put = mock!(Client::put_item).then_output(|| PutItemOutput::builder().build());
            let (before, next) =
                (enrollment(1, "payment_pending", seat), enrollment(2, "active", seat));
            let saved = table(&[&put]).save_enrollment(&before, &next).await.unwrap();
            assert_eq!((saved, put.num_calls()), (Saved::Done, 1));
        }
        let put = mock!(Client::put_item).then_output(|| PutItemOutput::builder().build());
        let seatless = table(&[&put]).insert_enrollment(&enrollment(0, "active", false)).await;
        assert_eq!((seatless.unwrap(), put.num_calls()), (Inserted::New, 1));
    }

    #[tokio::test]
    async fn enrollment_that_exists_counts_before_the_seats_and_its_own_write_is_recognised() {
        let full = ("ConditionalCheckFailed", None);
        let found = enrollment(0, "active", true);
        let new = enrollment(0, "payment_pending", true);
        let exists = refused(vec![("ConditionalCheckFailed", Some(found.clone())), full.clone()]);
        let inserted = table(&[&exists]).insert_enrollment(&new).await.unwrap();
        assert_eq!(inserted, Inserted::Exists(found));
        let none_free = refused(vec![("None", None), full.clone()]);
        assert_eq!(table(&[&none_free]).insert_enrollment(&new).await.unwrap(), Inserted::Full);

        let (before, next) = (enrollment(1, "unenrolled", false), enrollment(2, "active", true));
        let saved = table(&[&none_free]).save_enrollment(&before, &next).await.unwrap();
        assert_eq!(saved, Saved::Full);
        let written = refused(vec![("ConditionalCheckFailed", Some(next.clone())), full]);
        let saved = table(&[&written]).save_enrollment(&before, &next).await.unwrap();
        assert_eq!(saved, Saved::Done, "the first response was lost");
    }

    #[tokio::test]
    async fn seat_that_is_not_counted_keeps_no_enrollment_from_ending() {
        let uncounted = refused(vec![("None", None), ("ConditionalCheckFailed", None)]);
        let put = mock!(Client::put_item).then_output(|| PutItemOutput::builder().build());
        let (before, next) = (enrollment(1, "active", true), enrollment(2, "unenrolled", false));
        let saved = table(&[&uncounted, &put]).save_enrollment(&before, &next).await.unwrap();
        assert_eq!((saved, put.num_calls()), (Saved::Done, 1));
    }
}
