//! What must be true of a run, by what was recorded at the provider's door, whatever the workers say.

use std::collections::{BTreeMap, HashMap, HashSet};

use email::Job;
use pacer::{
    Share,
    audit::{self, Worst},
};

use crate::{
    fleet::Life,
    stand_in::{Arrival, Change, Reply, World},
};

/// What was found. [`Findings::violations`] says what of it must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The most arrivals in any half-open window.
    pub worst: usize,
    /// The most that one slot had in any half-open window.
    pub worst_of_a_slot: usize,
    /// Jobs that were accepted twice because an attempt's answer was lost: its worker was killed
    /// before the ledger knew, or the provider kept silent.
    pub sent_twice: usize,
    /// Jobs that were accepted twice for no such reason.
    pub sent_twice_for_nothing: Vec<String>,
    /// Jobs that one invocation tried twice, though a job gets one permit of it at most (rule 3).
    pub tried_again: Vec<String>,
    /// Jobs that are neither accepted, nor dead letters, nor on the queue.
    pub lost: Vec<String>,
}

impl Findings {
    /// Judges a run whose workers are all dead, by the bodies that were put on the queue.
    pub fn of(world: &World, lives: &[Life], share: Share, put: &[String]) -> Self {
        let arrivals = world.provider.arrivals();
        let twice = sent_twice(&arrivals, &world.ledger.changes(), lives);
        let dead_letters = world.queue.dead_letters();
        let remaining = world.queue.bodies();
        let remaining = dead_letters.iter().map(|letter| &letter.body).chain(&remaining);
        Self {
            worst: worst(arrivals.iter(), share),
            worst_of_a_slot: worst_of_a_slot(&arrivals, lives, share),
            sent_twice: twice.excused,
            sent_twice_for_nothing: twice.for_nothing,
            tried_again: tried_again(&arrivals),
            lost: lost(put, &arrivals, &remaining.collect()),
        }
    }

    /// What must not be, in words; nothing if all is well.
    pub fn violations(&self, share: Share) -> Vec<String> {
        let mut violations = Vec::new();
        let (limit, quota) = (share.total(), u64::from(share.quota()));
        if self.worst as u64 > limit {
            violations.push(format!("{} arrivals in a window for {limit}", self.worst));
        }
        if self.worst_of_a_slot as u64 > quota {
            let worst = self.worst_of_a_slot;
            violations.push(format!("{worst} arrivals of one slot in a window for {quota}"));
        }
        for (what, jobs) in [
            ("sent twice", &self.sent_twice_for_nothing),
            ("tried again under one permit", &self.tried_again),
            ("lost", &self.lost),
        ] {
            if !jobs.is_empty() {
                violations.push(format!("{what}: {jobs:?}"));
            }
        }
        violations
    }
}

/// The most arrivals in any half-open window.
pub fn worst<'a>(arrivals: impl Iterator<Item = &'a Arrival>, share: Share) -> usize {
    let moments: Vec<_> = arrivals.map(moment).collect();
    audit::worst_window(&moments, share.window()).map_or(0, |Worst { count, .. }| count)
}

fn worst_of_a_slot(arrivals: &[Arrival], lives: &[Life], share: Share) -> usize {
    let slots: HashSet<usize> = lives.iter().map(|life| life.slot).collect();
    let of =
        |slot| worst(arrivals.iter().filter(|a| lives[a.from.environment].slot == slot), share);
    slots.into_iter().map(of).max().unwrap_or(0)
}

/// When it arrived, as an audit has it.
pub fn moment(arrival: &Arrival) -> audit::Arrival {
    audit::Arrival::at(i64::try_from(arrival.at.as_nanos()).unwrap_or(i64::MAX))
}

struct Twice {
    excused: usize,
    for_nothing: Vec<String>,
}

fn sent_twice(arrivals: &[Arrival], changes: &[Change], lives: &[Life]) -> Twice {
    let sent_at: HashMap<&str, _> = changes
        .iter()
        .filter(|change| change.state == "sent")
        .map(|change| (change.job_id.as_str(), change.at))
        .collect();
    let mut accepted: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in arrivals.iter().filter(|arrival| arrival.reply == Reply::Accept) {
        accepted.entry(&arrival.job_id).or_default().push(arrival);
    }
    let mut twice = Twice { excused: 0, for_nothing: Vec::new() };
    for (job_id, times) in accepted {
        for pair in times.windows(2) {
            let [before, after] = pair else { continue };
            let killed_between =
                lives[before.from.environment].killed_at.is_some_and(|at| at <= after.at);
            let known = sent_at.get(job_id).is_some_and(|&sent| sent <= after.at);
            if (killed_between || !before.answered) && !known {
                twice.excused += 1;
            } else {
                twice.for_nothing.push(job_id.to_owned());
            }
        }
    }
    twice
}

/// The jobs that one invocation tried more than once.
pub fn tried_again(arrivals: &[Arrival]) -> Vec<String> {
    let mut tried = HashSet::new();
    arrivals
        .iter()
        .filter(|arrival| !tried.insert((arrival.from, &arrival.job_id)))
        .map(|arrival| arrival.job_id.clone())
        .collect()
}

/// A body that is no job must still be somewhere itself; a job, any message of it, or its email.
fn lost(put: &[String], arrivals: &[Arrival], remaining: &HashSet<&String>) -> Vec<String> {
    let job_id = |body: &String| Job::parse(body).ok().map(|job| job.id.to_string());
    let accepted: HashSet<&str> = arrivals
        .iter()
        .filter(|arrival| arrival.reply == Reply::Accept)
        .map(|arrival| arrival.job_id.as_str())
        .collect();
    let kept: HashSet<String> = remaining.iter().filter_map(|body| job_id(body)).collect();
    let is_lost = |body: &&String| {
        !remaining.contains(body)
            && job_id(body).is_none_or(|id| !accepted.contains(id.as_str()) && !kept.contains(&id))
    };
    put.iter().filter(is_lost).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stand_in::Sender;

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn accepted(at: u64, environment: usize) -> Arrival {
        let from = Sender { environment, invocation: 1 };
        let (at, job_id) = (second(at), "a".to_owned());
        Arrival { at, from, job_id, reply: Reply::Accept, answered: true }
    }

    fn body(id: &str) -> String {
        format!(r#"{{"v":1,"id":"{id}","to":"ada@example.com","subject":"s","text":"t"}}"#)
    }

    #[test]
    fn only_a_lost_answer_excuses_a_second_email() {
        let lives = |killed_at: Option<u64>| {
            let killed_at = killed_at.map(second);
            [Life { slot: 0, killed_at }, Life { slot: 1, killed_at: None }]
        };
        let excused = |arrivals: &[Arrival], lives: &[Life], sent_at: u64| {
            let state = "sent".to_owned();
            let change = Change { at: second(sent_at), job_id: "a".to_owned(), state };
            let twice = sent_twice(arrivals, &[change], lives);
            assert_eq!(twice.excused + twice.for_nothing.len(), arrivals.len() - 1);
            twice.for_nothing.is_empty()
        };
        let both = [accepted(1, 0), accepted(9, 1)];
        assert!(excused(&both, &lives(Some(2)), 10));
        assert!(!excused(&both, &lives(None), 10), "nobody died");
        assert!(!excused(&both, &lives(Some(9 + 1)), 10), "it died later");
        assert!(!excused(&both, &lives(Some(2)), 1), "the ledger knew");
        let silent = [Arrival { answered: false, ..accepted(1, 0) }, accepted(9, 1)];
        assert!(excused(&silent, &lives(None), 10));
        let refused = [Arrival { reply: Reply::Fail, ..accepted(1, 0) }];
        assert!(excused(&refused, &lives(None), 10));
    }

    #[test]
    fn an_invocation_tries_a_job_once() {
        let later = Sender { environment: 0, invocation: 2 };
        let again = Arrival { from: later, ..accepted(9, 0) };
        assert!(tried_again(&[accepted(1, 0), accepted(9, 1), again]).is_empty());
        assert_eq!(tried_again(&[accepted(1, 0), accepted(2, 0)]), ["a"]);
    }

    #[test]
    fn a_job_is_lost_where_it_is_nowhere() {
        let put = [body("a"), body("b"), body("c"), "no job".to_owned()];
        let remaining = [body("b")];
        let lost = lost(&put, &[accepted(1, 0)], &remaining.iter().collect());
        assert_eq!(lost, [body("c"), "no job".to_owned()]);
    }
}
