//! The states of alarms.

use crate::{DeployedStack, Signer};

impl DeployedStack {
    /// Sets the state of an alarm.
    pub async fn set_alarm_state(&self, alarm: &str, state: &str) {
        let query = [
            ("Action", "SetAlarmState"),
            ("Version", "2010-08-01"),
            ("AlarmName", alarm),
            ("StateValue", state),
            ("StateReason", "a rehearsal"),
        ];
        let query = serde_urlencoded::to_string(query).expect("texts can be encoded");
        let url = format!("{}/?{query}", self.description.endpoint);
        let signer = Signer { service: "monitoring", ..self.lambda_signer() };
        let response = self.http.send(Some(&signer), "POST", &url, "").await;
        assert_eq!(response.status, 200, "{:?}", response.body);
    }
}
