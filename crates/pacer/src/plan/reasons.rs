//! A plan in words: each value with its reason.

use super::{
    ATTEMPT_TIMEOUT, BATCH_LASTS, CLOSING_ROOM, Deployment, HANDOVER, MOST_MESSAGES, Plan,
    SHORTEST_INTERVAL, SLOT_WORTH_PERCENT, VISIBILITY_FACTOR, human,
};

/// One value of a plan, and why it is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is chosen: a parameter's name, or words.
    pub name: &'static str,
    /// The value, with its unit.
    pub value: String,
    /// The reason.
    pub reason: String,
}

impl Plan {
    /// Every value with its reason, in the order in which they follow from each other.
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
            self.usable_choice(),
        ]
    }

    fn limit_choice(&self) -> Choice {
        let Deployment { limit, window, .. } = self.deployment;
        Choice {
            name: "SendLimit",
            value: format!("{limit} in any {} s", window.get().as_secs()),
            reason: "what was asked for: N sends in any half-open window W".into(),
        }
    }

    fn slack_choice(&self) -> Choice {
        Choice {
            name: "SendSlackMilliseconds",
            value: human(self.deployment.slack.get()),
            reason: format!(
                "D: four times the expected latency ({}), or 1% of the window if that is less, \
                 but at least twice the latency; a slower answer holds its slot up",
                human(self.latency)
            ),
        }
    }

    fn slots_choice(&self) -> Choice {
        let quota = self.share.quota();
        Choice {
            name: "WorkerConcurrency",
            value: self.deployment.slots.to_string(),
            reason: format!(
                "S: a share of {quota} each; the fewest slots (SQS wants 2) with an interval of at \
                 least {}, and more only where one more wins {SLOT_WORTH_PERCENT}% of the limit by \
                 dividing it better",
                human(SHORTEST_INTERVAL)
            ),
        }
    }

    fn interval_choice(&self) -> Choice {
        Choice {
            name: "interval",
            value: human(self.share.interval()),
            reason: format!("d = (W + D) / {}, between two starts of a slot", self.share.quota()),
        }
    }

    fn batch_choice(&self) -> Choice {
        Choice {
            name: "WorkerBatchSize",
            value: self.deployment.batch_size.to_string(),
            reason: format!(
                "lasts {}: about {} where {MOST_MESSAGES} messages (they share 6 MB) allow it, so \
                 that the gap between two batches costs little",
                human(self.batch_lasts()),
                human(BATCH_LASTS)
            ),
        }
    }

    fn batching_choice(&self) -> Choice {
        let value = self.batching_window();
        let reason = if value.is_zero() {
            "a batch of at most 10 messages need not wait to fill"
        } else {
            "the least that Lambda takes for a batch above 10 messages"
        };
        Choice { name: "batching window", value: human(value), reason: reason.into() }
    }

    fn timeout_choice(&self) -> Choice {
        Choice {
            name: "WorkerTimeout",
            value: human(self.deployment.timeout),
            reason: format!(
                "the batch, one attempt's timeout ({}) and {} to close, rounded up to what the template offers",
                human(ATTEMPT_TIMEOUT),
                human(CLOSING_ROOM)
            ),
        }
    }

    fn visibility_choice(&self) -> Choice {
        Choice {
            name: "visibility timeout",
            value: human(self.visibility_timeout()),
            reason: format!("{VISIBILITY_FACTOR} function timeouts, as AWS advises"),
        }
    }

    fn usable_choice(&self) -> Choice {
        let usable = self.usable();
        let limit = f64::from(self.deployment.limit.get());
        Choice {
            name: "usable",
            value: format!("{:.1}%", usable.share() * 100.0),
            reason: format!(
                "{:.1} of {limit} a window: whole shares leave {:.2}%, the slack {:.2}%, the gap \
                 between batches (the last answer and {}) {:.2}%",
                usable.share() * limit,
                usable.by_sharing * 100.0,
                usable.by_slack * 100.0,
                human(HANDOVER),
                usable.by_handover * 100.0
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SendLimit, Window, plan::USUAL_LATENCY};

    #[test]
    fn each_choice_has_a_reason() {
        let (limit, window) = (SendLimit::new(300).unwrap(), Window::from_secs(60).unwrap());
        let plan = Plan::new(limit, window, USUAL_LATENCY).unwrap();
        let choices = plan.choices();
        assert_eq!(choices.len(), 9);
        assert!(choices.iter().all(|choice| choice.reason.len() > 20), "{choices:#?}");
    }
}
