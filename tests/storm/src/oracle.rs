//! The rules that a run must keep. The evidence is what arrived at the provider, not what the workers report.

use std::collections::{BTreeMap, HashMap, HashSet};

use email::{
    Job,
    testing::{FirstEmail, second_email_is_excused},
};
use pacer::{
    Share,
    audit::{self, Worst},
};

use crate::{
    fleet::EnvironmentRecord,
    stand_in::{Arrival, Change, World},
    weather::Reply,
};

/// The results of a run. [`Findings::violations`] lists those that break a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The maximum number of arrivals in any half-open window.
    pub max_in_window: usize,
    /// The maximum number of arrivals from one slot in any half-open window.
    pub max_in_window_per_slot: usize,
    /// The number of excused second emails that were accepted.
    pub excused_second_emails: usize,
    /// The jobs whose second email was accepted without an excuse.
    pub unexcused_second_emails: Vec<String>,
    /// Jobs that one invocation attempted more than once. An invocation has at most one permit per job (rule 3).
    pub repeated_attempts: Vec<String>,
    /// Jobs that are not accepted, not dead letters, and not on the queue.
    pub lost: Vec<String>,
}

impl Findings {
    /// Judges a run. All its workers must be dead. `put` has the bodies that were put on the queue, and
    /// `environments` the records of all environments by their ids.
    pub fn of(
        world: &World,
        environments: &[EnvironmentRecord],
        share: Share,
        put: &[String],
    ) -> Self {
        let arrivals = world.provider.arrivals();
        let second_emails = second_emails(&arrivals, &world.ledger.changes(), environments);
        let dead_letters = world.queue.dead_letters();
        let queued = world.queue.bodies();
        let remaining = dead_letters.iter().map(|letter| &letter.body).chain(&queued);
        Self {
            max_in_window: max_in_window(arrivals.iter(), share),
            max_in_window_per_slot: max_in_window_per_slot(&arrivals, environments, share),
            excused_second_emails: second_emails.excused,
            unexcused_second_emails: second_emails.unexcused,
            repeated_attempts: repeated_attempts(&arrivals),
            lost: lost(put, &arrivals, &remaining.collect()),
        }
    }

    /// The broken rules, in words. Empty if there are none.
    pub fn violations(&self, share: Share) -> Vec<String> {
        let mut violations = Vec::new();
        let (limit, quota) = (share.total(), u64::from(share.quota()));
        if self.max_in_window as u64 > limit {
            let count = self.max_in_window;
            violations.push(format!("{count} arrivals in a window; the limit is {limit}"));
        }
        if self.max_in_window_per_slot as u64 > quota {
            let count = self.max_in_window_per_slot;
            violations
                .push(format!("{count} arrivals from one slot in a window; its share is {quota}"));
        }
        for (violation, jobs) in [
            ("sent twice without an excuse", &self.unexcused_second_emails),
            ("attempted more than once under one permit", &self.repeated_attempts),
            ("lost", &self.lost),
        ] {
            if !jobs.is_empty() {
                violations.push(format!("{violation}: {jobs:?}"));
            }
        }
        violations
    }
}

/// The maximum number of arrivals in any half-open window.
pub fn max_in_window<'a>(arrivals: impl Iterator<Item = &'a Arrival>, share: Share) -> usize {
    let moments: Vec<_> = arrivals.map(moment).collect();
    audit::worst_window(&moments, share.window()).map_or(0, |Worst { count, .. }| count)
}

fn max_in_window_per_slot(
    arrivals: &[Arrival],
    environments: &[EnvironmentRecord],
    share: Share,
) -> usize {
    let slots: HashSet<usize> = environments.iter().map(|environment| environment.slot).collect();
    let max_of = |slot| {
        let of_slot = |arrival: &&Arrival| environments[arrival.from.environment].slot == slot;
        max_in_window(arrivals.iter().filter(of_slot), share)
    };
    slots.into_iter().map(max_of).max().unwrap_or(0)
}

/// The time of an arrival, in the form that the audit takes.
pub fn moment(arrival: &Arrival) -> audit::Arrival {
    audit::Arrival::at(i64::try_from(arrival.at.as_nanos()).unwrap_or(i64::MAX))
}

struct SecondEmails {
    excused: usize,
    /// Their jobs.
    unexcused: Vec<String>,
}

fn second_emails(
    arrivals: &[Arrival],
    changes: &[Change],
    environments: &[EnvironmentRecord],
) -> SecondEmails {
    let recorded_as_sent_at: HashMap<&str, _> = changes
        .iter()
        .filter(|change| change.state == "sent")
        .map(|change| (change.job_id.as_str(), change.at))
        .collect();
    let mut accepted: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in arrivals.iter().filter(|arrival| arrival.reply.is_accepted()) {
        accepted.entry(&arrival.job_id).or_default().push(arrival);
    }
    let mut second_emails = SecondEmails { excused: 0, unexcused: Vec::new() };
    for (job_id, emails) in accepted {
        for pair in emails.windows(2) {
            let [first, second] = pair else { continue };
            let first = FirstEmail {
                response_was_received: first.responded && first.reply == Reply::Accept,
                worker_killed_at: environments[first.from.environment].killed_at,
                recorded_as_sent_at: recorded_as_sent_at.get(job_id).copied(),
            };
            if second_email_is_excused(&first, &second.at) {
                second_emails.excused += 1;
            } else {
                second_emails.unexcused.push(job_id.to_owned());
            }
        }
    }
    second_emails
}

/// The jobs that one invocation attempted more than once.
pub fn repeated_attempts(arrivals: &[Arrival]) -> Vec<String> {
    let mut attempted = HashSet::new();
    arrivals
        .iter()
        .filter(|arrival| !attempted.insert((arrival.from, &arrival.job_id)))
        .map(|arrival| arrival.job_id.clone())
        .collect()
}

/// The bodies of `put` that are lost. A job is not lost if its email was accepted, or if any message with the job
/// remains. A body that is not a job is lost unless it remains itself.
fn lost(put: &[String], arrivals: &[Arrival], remaining: &HashSet<&String>) -> Vec<String> {
    let job_id = |body: &String| Job::parse(body).ok().map(|job| job.id.to_string());
    let accepted: HashSet<&str> = arrivals
        .iter()
        .filter(|arrival| arrival.reply.is_accepted())
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
        Arrival { at, from, job_id, reply: Reply::Accept, responded: true }
    }

    fn body(id: &str) -> String {
        format!(r#"{{"v":1,"id":"{id}","to":"ada@example.com","subject":"s","text":"t"}}"#)
    }

    #[test]
    fn only_a_lost_response_or_a_kill_excuses_a_second_email() {
        let environments = |killed_at: Option<u64>| {
            let killed_at = killed_at.map(second);
            [
                EnvironmentRecord { slot: 0, killed_at },
                EnvironmentRecord { slot: 1, killed_at: None },
            ]
        };
        let excused = |arrivals: &[Arrival], environments: &[EnvironmentRecord], sent_at: u64| {
            let state = "sent".to_owned();
            let change = Change { at: second(sent_at), job_id: "a".to_owned(), state };
            let found = second_emails(arrivals, &[change], environments);
            assert_eq!(found.excused + found.unexcused.len(), arrivals.len() - 1);
            found.unexcused.is_empty()
        };
        let both = [accepted(1, 0), accepted(9, 1)];
        assert!(excused(&both, &environments(Some(2)), 10));
        assert!(!excused(&both, &environments(None), 10), "no worker was killed");
        assert!(!excused(&both, &environments(Some(9 + 1)), 10), "the kill was later");
        assert!(!excused(&both, &environments(Some(2)), 1), "the ledger had it as sent");
        let silent = [Arrival { responded: false, ..accepted(1, 0) }, accepted(9, 1)];
        assert!(excused(&silent, &environments(None), 10));
        let failed = [Arrival { reply: Reply::AcceptAndFail, ..accepted(1, 0) }, accepted(9, 1)];
        assert!(excused(&failed, &environments(None), 10), "a 5xx is not a response to rely on");
        let refused = [Arrival { reply: Reply::Fail, ..accepted(1, 0) }];
        assert!(excused(&refused, &environments(None), 10));
    }

    #[test]
    fn two_attempts_for_a_job_are_repeated_only_in_one_invocation() {
        let later = Sender { environment: 0, invocation: 2 };
        let again = Arrival { from: later, ..accepted(9, 0) };
        assert!(repeated_attempts(&[accepted(1, 0), accepted(9, 1), again]).is_empty());
        assert_eq!(repeated_attempts(&[accepted(1, 0), accepted(2, 0)]), ["a"]);
    }

    #[test]
    fn body_that_was_neither_sent_nor_kept_is_lost() {
        let put = [body("a"), body("b"), body("c"), "not a job".to_owned()];
        let remaining = [body("b")];
        let lost = lost(&put, &[accepted(1, 0)], &remaining.iter().collect());
        assert_eq!(lost, [body("c"), "not a job".to_owned()]);
    }
}
