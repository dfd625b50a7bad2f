//! A function that `cargo lambda watch` builds in a second, because it needs no crate. It reports every message as failed, until
//! the journey edits it.

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
};

const FAILS: bool = true;

fn main() {
    // http://ADDRESS/PATH
    let api = env::var("AWS_LAMBDA_RUNTIME_API").expect("the server sets it");
    let (address, path) = api.trim_start_matches("http://").split_once('/').expect("it has a path");
    let invocation = format!("/{path}/2018-06-01/runtime/invocation");
    loop {
        let next = request(address, &format!("GET {invocation}/next HTTP/1.0\r\n\r\n"));
        let (head, event) = next.split_once("\r\n\r\n").expect("a response has a head");
        let header = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("lambda-runtime-aws-request-id").then_some(value)
        });
        let failed: Vec<_> = if FAILS { ids(event) } else { Vec::new() };
        let items: Vec<_> = failed.iter().map(|id| format!(r#"{{"itemIdentifier":"{id}"}}"#)).collect();
        let body = format!(r#"{{"batchItemFailures":[{}]}}"#, items.join(","));
        let (id, length) = (header.expect("an invocation has an id"), body.len());
        let response = format!("{invocation}/{id}/response HTTP/1.0\r\nContent-Length: {length}");
        request(address, &format!("POST {response}\r\n\r\n{body}"));
    }
}

fn request(address: &str, text: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("the server is there");
    connection.write_all(text.as_bytes()).expect("the server reads");
    let mut response = String::new();
    connection.read_to_string(&mut response).expect("the server responds");
    response
}

fn ids(event: &str) -> Vec<&str> {
    let parts = event.split(r#""messageId":""#).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}
