//! From a record of a stream to the events that follow from it.

use email::announcement as of_email;
use enrollment::{Enrollment, announcement as of_enrollment};
use serde::{Serialize, de::DeserializeOwned};
use serde_dynamo::Item;

use crate::record::Record;

/// The names of the tables whose streams are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    pub enrollments: String,
    pub emails: String,
}

/// An event for the bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The same whenever the event is sent again.
    pub id: String,
    pub kind: &'static str,
    /// The enrollment or the email job. Its events are accepted in their order.
    pub subject: String,
    /// A JSON object.
    pub detail: String,
    /// The table whose item was written.
    pub table_arn: String,
    /// When it was written, in seconds since 1970.
    pub written_at: Option<f64>,
    /// Of the record that it follows from.
    pub sequence_number: String,
}

/// Why a record is not announced. It never repeats a value of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the record has no item after the write")]
    NoNewImage,
    #[error("the item {0} the write has another form")]
    Image(&'static str),
    #[error("the stream belongs to another table")]
    OtherTable,
    #[error("an event cannot be written as JSON")]
    Detail,
}

/// The events that follow from a record, in their order. A removal has none: nothing happened to the student or to the
/// email.
pub fn events(tables: &Tables, record: &Record) -> Result<Vec<Event>, Unreadable> {
    if record.is_removal() {
        return Ok(Vec::new());
    }
    let table = record.table();
    if table == tables.enrollments {
        let (old, new) = images::<Enrollment>(record)?;
        let said = of_enrollment::announcements(old.as_ref(), &new);
        let of = |said: &of_enrollment::Announcement| {
            (said.id.clone(), said.kind.as_str(), said.enrollment_id.to_string())
        };
        said.iter().map(|said| event(record, of(said), said)).collect()
    } else if table == tables.emails {
        let (old, new) = images::<of_email::Written>(record)?;
        let said = of_email::announcements(old.as_ref(), &new);
        let of = |said: &of_email::Announcement| {
            (said.id.clone(), said.kind.as_str(), said.job_id.to_string())
        };
        said.iter().map(|said| event(record, of(said), said)).collect()
    } else {
        Err(Unreadable::OtherTable)
    }
}

fn event(
    record: &Record,
    (id, kind, subject): (String, &'static str, String),
    said: &impl Serialize,
) -> Result<Event, Unreadable> {
    Ok(Event {
        id,
        kind,
        subject,
        detail: serde_json::to_string(said).map_err(|_| Unreadable::Detail)?,
        table_arn: record.table_arn().to_owned(),
        written_at: record.change.written_at,
        sequence_number: record.change.sequence_number.clone(),
    })
}

fn images<T: DeserializeOwned>(record: &Record) -> Result<(Option<T>, T), Unreadable> {
    let image = |item: &Item, which| {
        serde_dynamo::from_item(item.clone()).map_err(|_| Unreadable::Image(which))
    };
    let new = record.change.new_image.as_ref().ok_or(Unreadable::NoNewImage)?;
    let old = record.change.old_image.as_ref().map(|old| image(old, "before")).transpose()?;
    Ok((old, image(new, "after")?))
}
