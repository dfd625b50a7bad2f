//! Jobs by state, with a search. SQS cannot be searched, so jobs that no worker has claimed are only counted; the
//! others are found in the ledger, which is read page by page when the operator asks for it.

use adapters::tables::{ENTRIES_PER_PAGE, FoundJob, JobFilter, JobPage};
use askama::Template;
use email::{JobId, ledger::State};
use serde::Deserialize;

use crate::{
    console::{
        frame::{Frame, Notice},
        words::{count, number},
    },
    live::{Figure, History},
    outcome::Failure,
    text::{on_one_line, to_the_second},
};

/// Jobs that are enough for one page of results.
const ENOUGH: usize = 50;
/// Pages of the ledger that are read for one page of results.
const MAX_PAGES: u32 = 4;

/// The form, as it was sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    pub(crate) state: String,
    pub(crate) template: String,
    pub(crate) recipient: String,
    /// The id of the job after which the search continues.
    pub(crate) after: String,
}

/// A search that can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) filter: JobFilter,
    pub(crate) after: Option<JobId>,
}

impl Search {
    pub(crate) fn query(&self) -> Result<Query, &'static str> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let state = match given(&self.state) {
            None => None,
            Some(name) => {
                let state = State::ALL.into_iter().find(|state| state.name() == name);
                Some(state.ok_or("there is no such state")?)
            }
        };
        let recipient = given(&self.recipient).map(|address| address.parse()).transpose();
        let after = given(&self.after).map(|id| id.parse()).transpose();
        Ok(Query {
            filter: JobFilter {
                state,
                template: given(&self.template),
                recipient: recipient.map_err(|_| "the recipient is not an address")?,
            },
            after: after.map_err(|_| "the place to continue from is not a job's id")?,
        })
    }
}

/// Reads pages of the ledger until there are enough jobs.
pub(crate) fn search(
    query: &Query,
    page: impl Fn(&JobFilter, Option<&JobId>) -> Result<JobPage, Failure>,
) -> Result<JobPage, Failure> {
    let mut found = JobPage { next: query.after.clone(), ..JobPage::default() };
    for _ in 0..MAX_PAGES {
        let next = page(&query.filter, found.next.as_ref())?;
        found.jobs.extend(next.jobs);
        found.examined += next.examined;
        found.next = next.next;
        if found.next.is_none() || found.jobs.len() >= ENOUGH {
            break;
        }
    }
    found.jobs.sort_by_key(|job| std::cmp::Reverse(job.last_attempt_at));
    Ok(found)
}

#[derive(Template)]
#[template(path = "console/jobs.html")]
pub(crate) struct Jobs {
    frame: Frame,
    search: Search,
    states: [State; State::ALL.len()],
    templates: &'static [&'static str],
    counts: Vec<Count>,
    max_entries: String,
    results: Option<Results>,
    notices: Vec<Notice>,
}

struct Count {
    name: &'static str,
    value: String,
    detail: &'static str,
}

struct Results {
    rows: Vec<Row>,
    examined: String,
    next: Option<String>,
}

struct Row {
    id: String,
    state: &'static str,
    template: String,
    attempts: u32,
    last: String,
    code: String,
}

impl From<FoundJob> for Row {
    fn from(job: FoundJob) -> Self {
        Self {
            id: job.id.to_string(),
            state: job.state.name(),
            template: job.template.as_deref().map_or_else(|| "–".to_owned(), on_one_line),
            attempts: job.attempts,
            last: job.last_attempt_at.map_or_else(|| "–".to_owned(), to_the_second),
            code: job.error_code.as_deref().map(on_one_line).unwrap_or_default(),
        }
    }
}

impl Jobs {
    /// `found` is `None` if nothing was searched for.
    pub(crate) fn new(
        frame: Frame,
        search: Search,
        history: &History,
        found: Option<Result<JobPage, Notice>>,
    ) -> Self {
        let (results, notices) = match found {
            None => (None, Vec::new()),
            Some(Err(notice)) => (None, vec![notice]),
            Some(Ok(page)) => {
                let results = Results {
                    rows: page.jobs.into_iter().map(Row::from).collect(),
                    examined: count(page.examined.into()),
                    next: page.next.map(|id| id.to_string()),
                };
                (Some(results), Vec::new())
            }
        };
        Self {
            frame,
            search,
            states: State::ALL,
            templates: &email_templates::NAMES,
            counts: counts(history),
            max_entries: count((MAX_PAGES * ENTRIES_PER_PAGE).into()),
            results,
            notices,
        }
    }
}

fn counts(history: &History) -> Vec<Count> {
    let queue = history.sending().map(|(_, sending)| sending.depth);
    let queued = |part: fn(crate::sending::Depth) -> u64| {
        queue.map_or_else(|| "–".to_owned(), |depth| count(part(depth)))
    };
    let total = |figure| history.total(figure).map_or_else(|| "–".to_owned(), number);
    let dead = history.dead_letters();
    vec![
        Count { name: "ready", value: queued(|depth| depth.visible), detail: "on the queue now" },
        Count {
            name: "with a worker",
            value: queued(|depth| depth.hidden + depth.delayed),
            detail: "or waiting for a retry, now",
        },
        Count {
            name: "dead letters",
            value: dead.map_or_else(|| "–".to_owned(), |depth| count(depth.total())),
            detail: "now",
        },
        Count { name: "sent", value: total(Figure::Accepted), detail: "in the last hour" },
        Count { name: "delivered", value: total(Figure::Delivered), detail: "in the last hour" },
        Count { name: "bounced", value: total(Figure::Bounced), detail: "in the last hour" },
        Count { name: "suppressed", value: total(Figure::Suppressed), detail: "in the last hour" },
    ]
}
