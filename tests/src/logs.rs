//! The logs of the functions.

use serde_json::json;

use crate::{DeployedStack, eventually};

impl DeployedStack {
    /// Waits until a function has logged a line with this term. The local AWS has the lines of an invocation when it is
    /// over.
    pub async fn wait_until_logged(&self, function: &str, term: &str) {
        let endpoint = format!("{}/", self.description.endpoint);
        let input =
            json!({"logGroupName": format!("/aws/lambda/{function}"), "filterPattern": term});
        eventually(&format!("a line of {function} with {term}"), async || {
            let signer = self.root_signer("logs");
            let target = "Logs_20140328.FilterLogEvents";
            let response = self.http.call_operation(&signer, &endpoint, target, &input).await;
            assert_eq!(response.status, 200, "{:?}", response.body);
            let events = response.body["events"].as_array().map_or(0, Vec::len);
            (events > 0).then_some(())
        })
        .await;
    }
}
