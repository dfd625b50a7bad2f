//! The logs of the functions.

use serde_json::{Value, json};

use crate::{DeployedStack, eventually};

impl DeployedStack {
    /// Waits until a function, such as `email-worker`, has logged a line with this term. The local AWS has the lines of an
    /// invocation when it is over.
    pub async fn wait_until_logged(&self, function: &str, term: &str) {
        let groups = self.call_logs("DescribeLogGroups", &json!({})).await;
        let groups = groups["logGroups"].as_array().expect("a list of log groups").iter();
        let mut names = groups.filter_map(|group| group["logGroupName"].as_str());
        let group = names.find(|name| name.ends_with(&format!("-{function}")));
        let input = json!({"logGroupName": group.expect("it has a group"), "filterPattern": term});
        eventually(&format!("a line of {function} with {term}"), async || {
            let found = self.call_logs("FilterLogEvents", &input).await;
            (!found["events"].as_array()?.is_empty()).then_some(())
        })
        .await;
    }

    async fn call_logs(&self, operation: &str, input: &Value) -> Value {
        let endpoint = format!("{}/", self.description.endpoint);
        let target = format!("Logs_20140328.{operation}");
        let signer = self.root_signer("logs");
        let response = self.http.call_operation(&signer, &endpoint, &target, input).await;
        assert_eq!(response.status, 200, "{operation}: {:?}", response.body);
        response.body
    }
}
