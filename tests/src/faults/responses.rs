//! Responses: the real one, half of it, a falsified one, and garbage.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::time::sleep;

use super::rules::Falsified;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The real response. Its headers about length are replaced, because it is in one piece now.
pub(super) fn whole(mut real: Response<Bytes>) -> Response<Body> {
    real.headers_mut().remove(header::TRANSFER_ENCODING);
    real.headers_mut().remove(header::CONNECTION);
    real.map(full)
}

/// The head of the real response, half of its body, and then the end of the connection.
pub(super) fn half(real: Response<Bytes>) -> Response<Body> {
    let mut response = whole(real.clone());
    let all = real.into_body();
    response.headers_mut().insert(header::CONTENT_LENGTH, all.len().into());
    let first = stream::iter([Ok(Frame::data(all.slice(..all.len() / 2)))]);
    let cut = stream::once(async {
        // Without a short wait, the first half would not be sent before the end.
        sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("cut"))
    });
    response.map(|_| BodyExt::boxed_unsync(StreamBody::new(first.chain(cut))))
}

/// A response that the service did not give.
pub(super) fn falsified(falsified: Falsified) -> Response<Body> {
    let mut response = Response::new(full(falsified.body.to_string().into()));
    *response.status_mut() =
        StatusCode::from_u16(falsified.status).expect("rules give valid HTTP statuses");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(code) = falsified.code {
        let code = code.parse().expect("an error code is a valid header value");
        headers.insert("x-amzn-errortype", code);
    }
    response
}

/// Status 200 and a body that is not JSON, although the content type is.
pub(super) fn garbage() -> Response<Body> {
    let mut response = Response::new(full(Bytes::from_static(b"\x00<html>\xff{\"MessageId\":")));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn full(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}
