//! The functions on the server of `cargo lambda watch`, or another with Lambda's API `Invoke`.
//!
//! What the server does (Cargo Lambda 1.9.2, `crates/cargo-lambda-watch/src`): it responds with 200 and the function's
//! response, with 500 and the function's error, and with 404 if the project has no such binary (`trigger_router.rs`). It
//! starts a function at its first invocation, and holds the request until the function is built (`scheduler.rs`). Requests
//! for one function wait in order of arrival (`state.rs`). If an edit restarts the function during an invocation, that
//! request gets no response (`watcher.rs`).

use serde_json::Value;

use crate::http::{HttpClient, HttpFailed};

use super::{
    functions::{Functions, InvokeError, Named},
    response::Response,
};

#[derive(Debug)]
pub(crate) struct WatchServer {
    http: HttpClient,
    /// Without a slash at its end.
    url: String,
}

impl WatchServer {
    pub(crate) fn new(url: &str) -> Self {
        Self { http: HttpClient::new(), url: url.trim_end_matches('/').to_owned() }
    }
}

impl Functions for WatchServer {
    async fn invoke(&self, function: &Named, event: Vec<u8>) -> Result<Response, InvokeError> {
        let path = format!("{}/2015-03-31/functions/{}/invocations", self.url, function.name);
        let unreachable =
            |HttpFailed(cause)| InvokeError::Unreachable { url: self.url.clone(), cause };
        let (status, body) = self.http.post_json(&path, event).await.map_err(unreachable)?;
        if status == 404 {
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            return Err(InvokeError::NoSuchFunction {
                url: self.url.clone(),
                function: function.name.clone(),
                id: function.id.clone(),
                detail: problem["detail"].as_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(Response { status, body })
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Bytes, extract::Path, http::StatusCode, routing::post};
    use tokio::net::TcpListener;

    use super::*;

    fn named(name: &str) -> Named {
        Named { id: "Worker".to_owned(), name: name.to_owned() }
    }

    /// A server that responds as Cargo Lambda does, at this address while the block runs.
    async fn with_server<T>(meanwhile: impl AsyncFnOnce(WatchServer) -> T) -> T {
        let invoke = async |Path(name): Path<String>, event: Bytes| match name.as_str() {
            "echo" => (StatusCode::OK, event),
            "fails" => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Bytes::from(r#"{"errorType":"T","errorMessage":"m"}"#),
            ),
            _ => (
                StatusCode::NOT_FOUND,
                Bytes::from(
                    r#"{"title":"Missing function","detail":"Available functions: {\"echo\"}"}"#,
                ),
            ),
        };
        let router = Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = WatchServer::new(&format!("http://{}/", listener.local_addr().unwrap()));
        tokio::select! {
            ended = axum::serve(listener, router).into_future() => panic!("{ended:?}"),
            result = meanwhile(server) => result,
        }
    }

    #[tokio::test]
    async fn responses_and_errors_of_a_function_are_passed_on() {
        with_server(async |server| {
            let event = br#"{"Records":[]}"#.to_vec();
            let echoed = server.invoke(&named("echo"), event.clone()).await;
            assert_eq!(echoed, Ok(Response { status: 200, body: event.clone() }));
            let failed = server.invoke(&named("fails"), event).await.unwrap();
            assert_eq!(failed.status, 500);
            assert!(failed.body.starts_with(br#"{"errorType":"#));
        })
        .await;
    }

    #[tokio::test]
    async fn unknown_function_and_missing_server_are_named() {
        let gone = with_server(async |server| {
            let error = server.invoke(&named("other"), Vec::new()).await.unwrap_err().to_string();
            assert!(error.ends_with(
                r#"has no function other: --function Worker=NAME gives its name there. Available functions: {"echo"}"#
            ), "{error}");
            server
        })
        .await;
        let error = gone.invoke(&named("echo"), Vec::new()).await.unwrap_err();
        assert!(
            matches!(&error, InvokeError::Unreachable { url, .. } if *url == gone.url),
            "{error}"
        );
    }
}
