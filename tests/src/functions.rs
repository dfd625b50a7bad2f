//! The configuration of functions, changed for the length of a journey.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::{DeployedStack, Signer};

impl DeployedStack {
    /// Runs `meanwhile` while a function has these environment variables in addition to its own. Needs an exclusive
    /// stack, because other journeys use the same function.
    pub async fn with_environment<T>(
        &self,
        function: &str,
        variables: &[(&str, &str)],
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> T {
        let change = |configuration: &mut Value| {
            for &(name, value) in variables {
                configuration["Environment"]["Variables"][name] = json!(value);
            }
        };
        self.with_configuration(function, change, meanwhile).await
    }

    /// Runs `meanwhile` while a function has another timeout or environment. Needs an exclusive stack, because other
    /// journeys use the same function.
    pub async fn with_configuration<T>(
        &self,
        function: &str,
        change: impl FnOnce(&mut Value),
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> T {
        self.assert_exclusive();
        let url = self.configuration_url(function);
        let response = self.http.send(Some(&self.lambda_signer()), "GET", &url, "").await;
        let before = json!({
            "Environment": response.body["Environment"],
            "Timeout": response.body["Timeout"],
        });
        assert!(before["Environment"]["Variables"].is_object(), "{:?}", response.body);
        let mut changed = before.clone();
        change(&mut changed);

        self.configure(&url, &changed).await;
        let outcome = AssertUnwindSafe(meanwhile()).catch_unwind().await;
        // Also if it failed, or the journeys after this one would fail for the same reason.
        self.configure(&url, &before).await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    async fn configure(&self, url: &str, configuration: &Value) {
        let body = configuration.to_string();
        let response = self.http.send(Some(&self.lambda_signer()), "PUT", url, body).await;
        assert_eq!(response.status, 200, "{:?}", response.body);
    }

    fn configuration_url(&self, function: &str) -> String {
        format!("{}/2015-03-31/functions/{function}/configuration", self.description.endpoint)
    }

    pub(crate) fn lambda_signer(&self) -> Signer {
        self.root_signer("lambda")
    }
}
