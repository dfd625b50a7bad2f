//! The routes, against calls in memory.

mod desk;
mod forms;
mod pages;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
    response::Response,
};
use tower::ServiceExt;

use self::desk::{Desk, console};
use super::server;

const PORT: u16 = 8080;

/// A response, read to its end.
struct Page {
    status: StatusCode,
    html: String,
    response: Response,
}

impl Page {
    #[track_caller]
    fn expect(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.html.contains(part), "no {part:?} in {} {}", self.status, self.html);
        }
        self
    }

    #[track_caller]
    fn expect_without(&self, part: &str) -> &Self {
        assert!(!self.html.contains(part), "{part:?} in {}", self.html);
        self
    }
}

struct Client {
    router: Router,
    base: String,
}

impl Client {
    fn of(desk: Desk) -> Self {
        Self::of_console(console(desk, PORT))
    }

    fn of_console(console: server::Console) -> Self {
        let base = console.access.base();
        Self { router: server::router(console), base }
    }

    async fn send(&self, request: Request<Body>) -> Page {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let html = String::from_utf8(bytes.to_vec()).unwrap();
        let status = parts.status;
        Page { status, html, response: Response::from_parts(parts, Body::empty()) }
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let uri = format!("{}{path}", self.base);
        Request::builder().method(method).uri(uri).header("host", format!("127.0.0.1:{PORT}"))
    }

    async fn get(&self, path: &str) -> Page {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// As a browser sends a form of the console.
    async fn post(&self, path: &str, form: &str) -> Page {
        let request = self
            .request(Method::POST, path)
            .header("origin", "null")
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }
}
