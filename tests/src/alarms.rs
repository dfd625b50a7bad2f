//! The alarms: their states, as the stack sets them or as a journey does, and for how long they look back.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::{DeployedStack, Signer};

impl DeployedStack {
    /// Sets the state of an alarm.
    pub async fn set_alarm_state(&self, alarm: &str, state: &str) {
        let input = json!({"AlarmName": alarm, "StateValue": state, "StateReason": "a rehearsal"});
        self.call_cloudwatch("SetAlarmState", &input).await;
    }

    /// Runs `meanwhile` while each alarm is set by one period that breaches, instead of several. A period of more than a
    /// minute stays as long. These alarms, by their names in the template, have a period of this many seconds. Needs an
    /// exclusive stack, because other journeys may read the alarms.
    pub async fn with_single_periods<T>(
        &self,
        periods: &[(&str, u32)],
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> T {
        self.assert_exclusive();
        let alarms = self.call_cloudwatch("DescribeAlarms", &json!({"MaxRecords": 100})).await;
        let alarms = alarms["MetricAlarms"].as_array().expect("a list of alarms").clone();
        assert!(alarms.len() > 40, "not all alarms: {alarms:?}");
        for alarm in &alarms {
            let mut alarm = alarm.clone();
            alarm["EvaluationPeriods"] = json!(1);
            alarm["DatapointsToAlarm"] = json!(1);
            for (name, seconds) in periods {
                if alarm["AlarmName"].as_str().is_some_and(|found| is_named(found, name)) {
                    alarm["Period"] = json!(seconds);
                }
            }
            self.call_cloudwatch("PutMetricAlarm", &alarm).await;
        }
        let outcome = AssertUnwindSafe(meanwhile()).catch_unwind().await;
        // Even if it failed. Otherwise the journeys after it would have other alarms than the template.
        for alarm in &alarms {
            self.call_cloudwatch("PutMetricAlarm", alarm).await;
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Calls CloudWatch with all permissions.
    pub(crate) async fn call_cloudwatch(&self, operation: &str, input: &Value) -> Value {
        let target = format!("GraniteServiceVersion20100801.{operation}");
        let endpoint = format!("{}/", self.description.endpoint);
        let signer: Signer = self.root_signer("monitoring");
        let response = self.http.call_operation(&signer, &endpoint, &target, input).await;
        assert_eq!(response.status, 200, "{operation}: {:?}", response.body);
        response.body
    }
}

/// CloudFormation names an alarm by the stack, its name in the template, and random characters.
fn is_named(alarm: &str, name: &str) -> bool {
    alarm.split('-').rev().nth(1) == Some(name)
}
