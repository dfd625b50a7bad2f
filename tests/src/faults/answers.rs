//! Answers: the real one, half of it, a false one, and none at all.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::time::sleep;

use super::rules::Falsified;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The real answer. Its length is written anew, as it is in one piece now.
pub(super) fn whole(mut real: Response<Bytes>) -> Response<Body> {
    real.headers_mut().remove(header::TRANSFER_ENCODING);
    real.headers_mut().remove(header::CONNECTION);
    real.map(full)
}

/// The real answer's head, half of its body, and then the end of the connection.
pub(super) fn half(real: Response<Bytes>) -> Response<Body> {
    let mut answer = whole(real.clone());
    let all = real.into_body();
    answer.headers_mut().insert(header::CONTENT_LENGTH, all.len().into());
    let first = stream::iter([Ok(Frame::data(all.slice(..all.len() / 2)))]);
    let cut = stream::once(async {
        // Without a moment's wait, what was written would not be sent before the end.
        sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("cut"))
    });
    answer.map(|_| BodyExt::boxed_unsync(StreamBody::new(first.chain(cut))))
}

/// An answer that the service did not give.
pub(super) fn falsified(answer: Falsified) -> Response<Body> {
    let mut response = Response::new(full(answer.body.to_string().into()));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).expect("rules answer with a status of HTTP's");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(code) = answer.code {
        let code = code.parse().expect("an error's code is a word");
        headers.insert("x-amzn-errortype", code);
    }
    response
}

/// Status 200, and no JSON, though it says so.
pub(super) fn garbage() -> Response<Body> {
    let mut response = Response::new(full(Bytes::from_static(b"\x00<html>\xff{\"MessageId\":")));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn full(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}
