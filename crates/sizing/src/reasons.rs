//! A plan for people: each value with its reason.

use crate::{
    human::human,
    plan::{
        EMAILS_TABLE_WRITE_UNITS, HANDOVER, MIN_GAIN_PER_SLOT_PERCENT, MIN_INTERVAL, Plan,
        TARGET_BATCH_DURATION, VISIBILITY_TIMEOUT_FACTOR,
    },
    table::{NEW_TABLE_WRITE_UNITS, WRITE_UNITS_QUOTA, warm_write_units, write_units},
    worker_settings::{
        CLOSING_ROOM, MAX_BATCH_SIZE, NOISY_IN_FLIGHT, SES_ATTEMPT_TIMEOUT, WorkerSettings,
    },
};

/// One value of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The template parameter, or a description of a value that follows from the parameters.
    pub name: &'static str,
    /// The value, with its unit.
    pub value: String,
    /// Why it has this value.
    pub reason: String,
}

impl Plan {
    /// Every value with its reason. Each follows from the ones before it.
    pub fn choices(&self) -> Vec<Choice> {
        vec![
            self.limit_choice(),
            self.slack_choice(),
            self.slots_choice(),
            self.interval_choice(),
            self.batch_choice(),
            self.batching_choice(),
            self.timeout_choice(),
            self.visibility_choice(),
            self.fairness_choice(),
            self.table_choice(),
            self.usable_choice(),
        ]
    }

    fn limit_choice(&self) -> Choice {
        let WorkerSettings { limit, window, .. } = self.settings();
        Choice {
            name: "SendLimit",
            value: format!("{limit} in any {} s", window.get().as_secs()),
            reason: "as requested: at most N sends in any half-open window W".into(),
        }
    }

    fn slack_choice(&self) -> Choice {
        Choice {
            name: "SendSlackMilliseconds",
            value: human(self.settings().slack.get()),
            reason: format!(
                "D: four times the expected latency ({}), or 1% of the window if that is less, \
                 but at least twice the latency; a slower response pauses its slot",
                human(self.latency())
            ),
        }
    }

    fn slots_choice(&self) -> Choice {
        let quota = self.share().quota();
        Choice {
            name: "WorkerConcurrency",
            value: self.settings().slots.to_string(),
            reason: format!(
                "S: a share of {quota} each; the fewest slots (SQS requires 2) with an interval of \
                 at least {}, and more only if each gains {MIN_GAIN_PER_SLOT_PERCENT}% of the \
                 limit by dividing it more evenly",
                human(MIN_INTERVAL)
            ),
        }
    }

    fn interval_choice(&self) -> Choice {
        Choice {
            name: "interval",
            value: human(self.share().interval()),
            reason: format!("d = (W + D) / {}, between two starts in a slot", self.share().quota()),
        }
    }

    fn batch_choice(&self) -> Choice {
        Choice {
            name: "WorkerBatchSize",
            value: self.settings().batch_size.to_string(),
            reason: format!(
                "lasts {}: about {} if {MAX_BATCH_SIZE} messages (they share 6 MB) and SQS's quota of messages in \
                 flight allow it, so that the gap between two batches costs little",
                human(self.batch_duration()),
                human(TARGET_BATCH_DURATION)
            ),
        }
    }

    fn batching_choice(&self) -> Choice {
        let value = self.batching_window();
        let reason = if value.is_zero() {
            "a batch of at most 10 messages does not need one"
        } else {
            "Lambda's minimum for a batch of more than 10 messages"
        };
        Choice { name: "batching window", value: human(value), reason: reason.into() }
    }

    fn timeout_choice(&self) -> Choice {
        Choice {
            name: "WorkerTimeout",
            value: human(self.settings().timeout),
            reason: format!(
                "the batch, one attempt's timeout ({}) and {} to close, rounded up to a value that \
                 the template allows",
                human(SES_ATTEMPT_TIMEOUT),
                human(CLOSING_ROOM)
            ),
        }
    }

    fn visibility_choice(&self) -> Choice {
        Choice {
            name: "visibility timeout",
            value: human(self.visibility_timeout()),
            reason: format!("{VISIBILITY_TIMEOUT_FACTOR} function timeouts, as AWS recommends"),
        }
    }

    fn fairness_choice(&self) -> Choice {
        let settings = self.settings();
        let in_flight = settings.slots.get() * settings.batch_size;
        let (value, reason) = if in_flight >= NOISY_IN_FLIGHT {
            let reason = format!(
                "the longest wait of a job behind a backlog of another kind: the batches in progress. SQS notices such a \
                 backlog from about {NOISY_IN_FLIGHT} messages in flight; here they are {in_flight}"
            );
            (human(self.batch_duration()), reason)
        } else {
            let reason = format!(
                "SQS notices a backlog of one kind from about {NOISY_IN_FLIGHT} messages in flight, which needs \
                 WorkerBatchSize={}; here they are {in_flight}, so only its share of the processing time shows it",
                settings.fair_batch_size()
            );
            ("not sure".to_owned(), reason)
        };
        Choice { name: "fairness", value, reason }
    }

    fn table_choice(&self) -> Choice {
        let WorkerSettings { limit, window, .. } = self.settings();
        let needed = write_units(limit, window);
        let units = warm_write_units(limit, window).unwrap_or_default();
        let mut reason = format!(
            "the ledger needs up to {needed} write units per second, and a new table takes \
             {NEW_TABLE_WRITE_UNITS}"
        );
        reason.push_str(match units {
            0 => ": 0 leaves it as it is",
            1..=WRITE_UNITS_QUOTA => "; a table that took as many before needs none",
            _ => "; more than DynamoDB's default quota per table: raise it first",
        });
        Choice { name: EMAILS_TABLE_WRITE_UNITS, value: units.to_string(), reason }
    }

    fn usable_choice(&self) -> Choice {
        let usable = self.usable();
        let limit = f64::from(self.settings().limit.get());
        Choice {
            name: "usable",
            value: format!("{:.1}%", usable.fraction() * 100.0),
            reason: format!(
                "{:.1} of {limit} per window: whole shares leave {:.2}%, the slack {:.2}%, the gap \
                 between batches (the last response and {}) {:.2}%",
                usable.fraction() * limit,
                usable.sharing * 100.0,
                usable.slack * 100.0,
                human(HANDOVER),
                usable.handover * 100.0
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use pacer::{SendLimit, Window};

    use super::*;
    use crate::DEFAULT_LATENCY;

    #[test]
    fn fairness_says_how_long_or_which_batch_size_it_needs() {
        let fairness = |limit| {
            let (limit, window) = (SendLimit::new(limit).unwrap(), Window::from_secs(60).unwrap());
            let choices = Plan::new(limit, window, DEFAULT_LATENCY).unwrap().choices();
            choices.into_iter().find(|choice| choice.name == "fairness").unwrap()
        };
        assert_eq!(fairness(300).value, "40.2 s");
        let slow = fairness(10);
        assert_eq!(slow.value, "not sure");
        assert!(slow.reason.contains("WorkerBatchSize=15"), "{slow:?}");
    }

    #[test]
    fn every_choice_has_a_reason() {
        let (limit, window) = (SendLimit::new(300).unwrap(), Window::from_secs(60).unwrap());
        let plan = Plan::new(limit, window, DEFAULT_LATENCY).unwrap();
        let choices = plan.choices();
        assert_eq!(choices.len(), 11);
        assert!(choices.iter().all(|choice| choice.reason.len() > 20), "{choices:#?}");
    }
}
