//! The configuration of functions, changed for the duration of a journey.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::{DeployedStack, HttpResponse, Signer};

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
        // Even if it failed. Otherwise the journeys after it would fail for the same reason.
        self.configure(&url, &before).await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Invokes the function that this output of the template names, whether or not it fails.
    pub async fn try_to_invoke(&self, output: &str) -> HttpResponse {
        let function = self.output(output);
        let path = format!("2015-03-31/functions/{function}/invocations");
        self.call_lambda("POST", &path, "{}").await
    }

    /// Invokes the function that this output of the template names while Lambda throttles it. Needs an exclusive stack,
    /// because other journeys use the same function.
    pub async fn invoke_throttled(&self, output: &str) {
        self.assert_exclusive();
        let function = self.output(output);
        // Lambda API Reference, GetFunctionConcurrency and PutFunctionConcurrency.
        let read = format!("2019-09-30/functions/{function}/concurrency");
        let write = format!("2017-10-31/functions/{function}/concurrency");
        let before = self.call_lambda("GET", &read, "").await.body;
        let none = json!({"ReservedConcurrentExecutions": 0}).to_string();
        assert_eq!(self.call_lambda("PUT", &write, &none).await.status, 200);
        let throttled = self.try_to_invoke(output).await;
        let restored = if before["ReservedConcurrentExecutions"].is_null() {
            self.call_lambda("DELETE", &write, "").await
        } else {
            self.call_lambda("PUT", &write, &before.to_string()).await
        };
        assert!(matches!(restored.status, 200 | 204), "{:?}", restored.body);
        assert_eq!(throttled.status, 429, "{:?}", throttled.body);
    }

    async fn call_lambda(&self, method: &str, path: &str, body: &str) -> HttpResponse {
        let url = format!("{}/{path}", self.description.endpoint);
        self.http.send(Some(&self.lambda_signer()), method, &url, body.to_owned()).await
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
