//! Runs scheduled functions without waiting for their schedules.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{DeployedStack, Student};

/// Not the id of a course.
const UNREADABLE_COURSE: &str = "not a course";

impl DeployedStack {
    /// Makes an enrollment overdue and its payment two minutes old, as waiting would, and runs the resumer.
    pub async fn resume_when_overdue(&self, student: &Student, course_id: &str) {
        let has_payment = self.enrollment_item(student, course_id).await.contains_key("payment");
        let started_at = OffsetDateTime::now_utc() - Duration::from_mins(2);
        let started_at = started_at.format(&Rfc3339).expect("this is before the year 10000");
        let (older, started_at) = if has_payment {
            (", payment.started_at = :started", Some(AttributeValue::S(started_at)))
        } else {
            ("", None)
        };
        let update = self
            .dynamodb
            .update_item()
            .table_name(self.output("EnrollmentsTableName"))
            .key("student_id", AttributeValue::S(student.id.clone()))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .update_expression(format!("SET resume_at = :past{older}"))
            .condition_expression("attribute_exists(resume_at)")
            .expression_attribute_values(":past", AttributeValue::N("1".to_owned()));
        let update = match started_at {
            Some(started_at) => update.expression_attribute_values(":started", started_at),
            None => update,
        };
        update.send().await.expect("the enrollment has a resume_at");
        let report = self.run_resumer().await;
        assert!(report["enrollments"]["finished"].is_u64(), "{report}");
    }

    /// Sets the end of an operator's hold, which must have one, to a minute ago. `path` leads to it in the record.
    pub async fn end_hold_now(&self, path: &[&str]) {
        self.set_time_of_hold(path, "until", Duration::from_mins(1)).await;
    }

    /// Sets the begin of an operator's hold, or of a lowered limit, so far back.
    pub async fn backdate_hold(&self, path: &[&str], ago: Duration) {
        self.set_time_of_hold(path, "since", ago).await;
    }

    async fn set_time_of_hold(&self, path: &[&str], field: &str, ago: Duration) {
        let past = OffsetDateTime::now_utc() - ago;
        let past = past.format(&Rfc3339).expect("this is before the year 10000");
        let names = (0..path.len()).map(|n| format!("#p{n}")).collect::<Vec<_>>().join(".");
        let mut update = self
            .dynamodb
            .update_item()
            .table_name(self.output("HoldsTableName"))
            .key("name", AttributeValue::S("email".to_owned()))
            .update_expression(format!("SET {names}.#field = :past"))
            .condition_expression(format!("attribute_exists({names}.#field)"))
            .expression_attribute_names("#field", field)
            .expression_attribute_values(":past", AttributeValue::S(past));
        for (n, name) in path.iter().enumerate() {
            update = update.expression_attribute_names(format!("#p{n}"), *name);
        }
        update.send().await.expect("the record has that time");
    }

    /// Changes a field of an enrollment's payment in its table, to a text or a truth value. `refund.id` names the field
    /// `id` of the payment's refund.
    pub async fn set_payment(&self, student: &Student, course_id: &str, field: &str, to: Value) {
        let to = match to {
            Value::Bool(to) => AttributeValue::Bool(to),
            to => AttributeValue::S(to.as_str().expect("a text").to_owned()),
        };
        let update = self.dynamodb.update_item().table_name(self.output("EnrollmentsTableName"));
        let updated = update
            .key("student_id", AttributeValue::S(student.id.clone()))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .update_expression(format!("SET payment.{field} = :to"))
            .condition_expression("attribute_exists(payment)")
            .expression_attribute_values(":to", to)
            .send()
            .await;
        updated.expect("the enrollment has a payment");
    }

    /// Deletes an enrollment from its table.
    pub async fn delete_enrollment(&self, student: &Student, course_id: &str) {
        let delete = self.dynamodb.delete_item().table_name(self.output("EnrollmentsTableName"));
        let deleted = delete
            .key("student_id", AttributeValue::S(student.id.clone()))
            .key("course_id", AttributeValue::S(course_id.to_owned()))
            .send()
            .await;
        deleted.expect("the table can be written");
    }

    /// Puts a job into the ledger that has waited since then, as after a first attempt that failed.
    pub async fn put_job_in_ledger(&self, id: &str, since: SystemTime) {
        let since = OffsetDateTime::from(since);
        let since = since.format(&Rfc3339).expect("this is before the year 10000");
        let number = |number: &str| AttributeValue::N(number.to_owned());
        self.dynamodb
            .put_item()
            .table_name(self.output("EmailsTableName"))
            .item("job_id", AttributeValue::S(id.to_owned()))
            .item("state", AttributeValue::S("sending".to_owned()))
            .item("claimed_until", number("0"))
            .item("attempts", number("1"))
            .item("unanswered", number("0"))
            .item("first_attempt_at", AttributeValue::S(since.clone()))
            .item("last_attempt_at", AttributeValue::S(since))
            .send()
            .await
            .expect("the table can be written");
    }

    /// Puts an item into the table of enrollments that is overdue and that no enrollment can be read from.
    pub async fn put_unreadable_enrollment(&self, student_id: &str) {
        let number = |number: &str| AttributeValue::N(number.to_owned());
        let text = |text: &str| AttributeValue::S(text.to_owned());
        self.dynamodb
            .put_item()
            .table_name(self.output("EnrollmentsTableName"))
            .item("student_id", text(student_id))
            .item("course_id", text(UNREADABLE_COURSE))
            .item("state", text("a state of another version"))
            .item("resume_shard", number("0"))
            .item("resume_at", number("1"))
            .send()
            .await
            .expect("the table can be written");
    }

    /// Deletes that item.
    pub async fn delete_unreadable_enrollment(&self, student_id: &str) {
        self.dynamodb
            .delete_item()
            .table_name(self.output("EnrollmentsTableName"))
            .key("student_id", AttributeValue::S(student_id.to_owned()))
            .key("course_id", AttributeValue::S(UNREADABLE_COURSE.to_owned()))
            .send()
            .await
            .expect("the table can be written");
    }

    /// Runs the resumer, as its schedule does every minute, and returns its report.
    pub async fn run_resumer(&self) -> Value {
        self.invoke("ResumerFunctionName").await
    }

    /// Runs the reconciler, as its schedule does every night, and returns its report.
    pub async fn run_reconciler(&self) -> Value {
        self.invoke("ReconcilerFunctionName").await
    }

    /// Runs hold-watch, as its schedule does every minute, and returns its report.
    pub async fn run_hold_watch(&self) -> Value {
        self.invoke("HoldWatchFunctionName").await
    }

    /// Invokes the function that this output of the template names.
    async fn invoke(&self, output: &str) -> Value {
        let response = self.try_to_invoke(output).await;
        assert_eq!(response.status, 200, "{:?}", response.body);
        response.body
    }
}
