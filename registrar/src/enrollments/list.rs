//! `registrar enrollment list`: the enrollments that are not finished, and those that need a person.
//!
//! They are read from the index `resume`, so no table is scanned. The index contains keys only: with the
//! state in it, each change of a state would write to the index too, for the sake of a command that is
//! rarely run. So the command reads the item of each key.

use std::io::Write;

use adapters::tables::{
    IndexKey, IndexPage, OTHER_SHARDS, PAYMENT_SHARDS, ResumeIndex, UnfinishedItem,
};
use enrollment::unfinished::LATE_AFTER;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use time::OffsetDateTime;
use unavailable::Unavailable;

use crate::{
    aws_call::CallFailed,
    outcome::{Failure, Outcome},
    text::{on_one_line, to_the_minute},
};

/// Maximum items that are read at the same time.
pub(super) const MAX_CONCURRENT_READS: usize = 16;

/// The state of an item that cannot be read.
const UNREADABLE: &str = "unreadable";

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// List only those that need a person: stuck without a decision, or impossible to read
    #[arg(long, conflicts_with = "overdue")]
    stuck: bool,
    /// List only those that are overdue, also if they were put off because they failed
    #[arg(long)]
    overdue: bool,
    /// Print one JSON object per line instead of a table
    #[arg(long)]
    json: bool,
}

impl Args {
    fn includes(&self, listed: &Listed, now: OffsetDateTime) -> bool {
        (!self.stuck || listed.needs_a_person()) && (!self.overdue || listed.is_overdue(now))
    }
}

/// Where unfinished enrollments are read from.
pub(super) trait UnfinishedEnrollments {
    async fn page(&self, shard: u8, after: Option<&IndexKey>) -> Result<IndexPage, Unavailable>;
    async fn item(&self, key: &IndexKey) -> Result<Option<UnfinishedItem>, Unavailable>;
}

impl UnfinishedEnrollments for ResumeIndex {
    async fn page(&self, shard: u8, after: Option<&IndexKey>) -> Result<IndexPage, Unavailable> {
        self.page(shard, None, after).await
    }

    async fn item(&self, key: &IndexKey) -> Result<Option<UnfinishedItem>, Unavailable> {
        self.item(key).await
    }
}

/// An enrollment in a list. It has the student's id, which leads to the item, and no address or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enrollment_id: Option<String>,
    pub(crate) student_id: String,
    pub(crate) course_id: String,
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<String>,
    pub(crate) failures: u32,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(crate) overdue_since: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(crate) next_attempt_at: Option<OffsetDateTime>,
}

impl Listed {
    pub(super) fn new(key: IndexKey, item: UnfinishedItem) -> Self {
        let time = |at| OffsetDateTime::from_unix_timestamp(at).ok();
        let state = item.state.filter(|_| !item.unreadable);
        Self {
            enrollment_id: item.enrollment_id,
            student_id: key.student_id,
            course_id: key.course_id,
            state: state.unwrap_or_else(|| UNREADABLE.to_owned()),
            why: item.stuck_reason,
            resolution: item.resolution,
            failures: item.failures,
            overdue_since: item.overdue_since.and_then(time),
            next_attempt_at: key.resume_at.parse().ok().and_then(time),
        }
    }

    pub(crate) fn needs_a_person(&self) -> bool {
        let is_decided = self.resolution.is_some();
        self.state == UNREADABLE || (self.state == "stuck" && !is_decided)
    }

    pub(crate) fn is_overdue(&self, now: OffsetDateTime) -> bool {
        self.overdue_since.is_some() || self.next_attempt_at.is_none_or(|at| at <= now)
    }

    /// Overdue for over an hour, which the resumer reports as `enrollments_overdue`.
    pub(crate) fn is_late(&self, now: OffsetDateTime) -> bool {
        let since = self.overdue_since.or(self.next_attempt_at);
        since.is_some_and(|since| now - since > LATE_AFTER)
    }

    fn row(&self) -> String {
        let when = |at: Option<_>| at.map_or("-".to_owned(), to_the_minute);
        columns([
            self.enrollment_id.as_deref().unwrap_or("-"),
            &self.state,
            self.why.as_deref().unwrap_or("-"),
            &self.failures.to_string(),
            &when(self.overdue_since),
            &when(self.next_attempt_at),
            &self.course_id,
            &self.student_id,
        ])
    }
}

/// The columns are fixed: rows are printed while others are still being read.
fn columns([id, state, why, failures, since, next, course, student]: [&str; 8]) -> String {
    on_one_line(&format!(
        "{id:<36}  {state:<15}  {why:<16}  {failures:>8}  {since:<17}  {next:<17}  {course:<20}  {student}"
    ))
}

pub(super) async fn run(
    args: &Args,
    index: &impl UnfinishedEnrollments,
    now: OffsetDateTime,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, Failure> {
    let mut count = 0_usize;
    for shard in PAYMENT_SHARDS.chain(OTHER_SHARDS) {
        let mut after = None;
        loop {
            let page = index.page(shard, after.as_ref()).await.map_err(failed)?;
            let items = stream::iter(page.keys).map(|key| async {
                index.item(&key).await.map(|item| item.map(|item| Listed::new(key, item)))
            });
            let mut items = items.buffered(MAX_CONCURRENT_READS);
            while let Some(listed) = items.try_next().await.map_err(failed)? {
                let Some(listed) = listed.filter(|listed| args.includes(listed, now)) else {
                    continue;
                };
                if args.json {
                    let line = serde_json::to_string(&listed).map_err(std::io::Error::from)?;
                    writeln!(out, "{line}")?;
                } else {
                    if count == 0 {
                        writeln!(out, "{}", columns(HEAD))?;
                    }
                    writeln!(out, "{}", listed.row())?;
                }
                count += 1;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let summary =
        if count == 1 { "1 enrollment".to_owned() } else { format!("{count} enrollments") };
    // With --json, standard output has only JSON.
    if args.json {
        writeln!(err, "{summary}")?;
    } else {
        writeln!(out, "{summary}")?;
    }
    Ok(Outcome::Fine)
}

const HEAD: [&str; 8] =
    ["ID", "STATE", "WHY", "FAILURES", "OVERDUE SINCE", "NEXT ATTEMPT", "COURSE", "STUDENT"];

fn failed(error: Unavailable) -> CallFailed {
    CallFailed::other("listing the enrollments", &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two keys per page.
    struct Index(Vec<(u8, IndexKey, Option<UnfinishedItem>)>);

    impl UnfinishedEnrollments for Index {
        async fn page(
            &self,
            shard: u8,
            after: Option<&IndexKey>,
        ) -> Result<IndexPage, Unavailable> {
            let keys = self.0.iter().filter(|(of, ..)| *of == shard).map(|(_, key, _)| key);
            let mut keys = keys.skip_while(|key| after.is_some_and(|after| *key != after));
            let keys: Vec<_> = keys.by_ref().skip(usize::from(after.is_some())).cloned().collect();
            let next = keys.get(1).filter(|_| keys.len() > 2).cloned();
            Ok(IndexPage { keys: keys.into_iter().take(2).collect(), next })
        }

        async fn item(&self, key: &IndexKey) -> Result<Option<UnfinishedItem>, Unavailable> {
            Ok(self.0.iter().find(|(_, other, _)| other == key).unwrap().2.clone())
        }
    }

    const NOW: i64 = 3_600;

    fn row(
        shard: u8,
        student: &str,
        at: i64,
        item: UnfinishedItem,
    ) -> (u8, IndexKey, Option<UnfinishedItem>) {
        let key = IndexKey {
            student_id: student.to_owned(),
            course_id: "c".to_owned(),
            resume_at: at.to_string(),
        };
        (shard, key, Some(item))
    }

    fn of(state: &str) -> UnfinishedItem {
        UnfinishedItem { state: Some(state.to_owned()), ..UnfinishedItem::default() }
    }

    fn index() -> Index {
        let stuck =
            UnfinishedItem { stuck_reason: Some("amount_differs".to_owned()), ..of("stuck") };
        let decided = UnfinishedItem { resolution: Some("grant".to_owned()), ..stuck.clone() };
        let failing = UnfinishedItem { failures: 3, overdue_since: Some(60), ..of("active") };
        let unreadable = UnfinishedItem { unreadable: true, ..of("active") };
        let mut gone = row(3, "gone", 5, of("active"));
        gone.2 = None;
        Index(vec![
            row(3, "due", 6, of("active")),
            row(3, "stuck", NOW + 9, stuck),
            row(3, "decided", NOW + 9, decided),
            row(3, "failing", NOW + 10, failing),
            gone,
            row(3, "fresh", NOW + 60, of("active")),
            row(20, "odd\u{1b}[2J", NOW + 60, unreadable),
        ])
    }

    async fn listed(args: Args) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        run(&args, &index(), now, &mut out, &mut err).await.unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[tokio::test]
    async fn list_has_every_shard_and_page() {
        let (out, _) = listed(Args::default()).await;
        assert!(out.ends_with("\n6 enrollments\n"), "{out}");
        assert!(!out.contains('\u{1b}') && !out.contains("gone"), "{out}");
        for part in ["unreadable", "amount_differs", "1970-01-01T00:01Z", "OVERDUE SINCE"] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }

    #[tokio::test]
    async fn list_is_limited_to_what_needs_a_person_or_is_overdue() {
        let (stuck, _) = listed(Args { stuck: true, ..Args::default() }).await;
        assert!(stuck.contains("amount_differs") && stuck.contains("unreadable"), "{stuck}");
        assert!(stuck.ends_with("\n2 enrollments\n"), "{stuck}");
        let (overdue, summary) =
            listed(Args { overdue: true, json: true, ..Args::default() }).await;
        let students: Vec<_> = overdue
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| (line["student_id"].clone(), line["failures"].clone()))
            .collect();
        assert_eq!(students, [("due".into(), 0.into()), ("failing".into(), 3.into())]);
        assert_eq!(summary, "2 enrollments\n");
    }
}
