//! The same sends in every envelope give the same count.

use std::io::Write;

use aws_smithy_types::base64;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A record of the worker's log: a send, or another line.
#[derive(Debug, Clone)]
enum Record {
    Nested(i64, i64),
    Flat(i64, i64),
    Other(&'static str),
}

impl Record {
    fn json(&self) -> Value {
        match self {
            Self::Nested(start, took) => json!({
                "level": "INFO", "target": "email_worker", "spans": [{"name": "batch"}],
                "fields": {
                    "event": EVENT, "job_id": "a{\"[b", "started_at_us": start,
                    "ended_at_us": start + took, "outcome": "accepted",
                },
            }),
            Self::Flat(start, took) => json!({
                "event": EVENT, "started_at_us": start, "ended_at_us": start + took,
            }),
            Self::Other(message) => json!({"level": "INFO", "fields": {"message": message}}),
        }
    }

    fn send(&self) -> Option<Arrival> {
        match self {
            Self::Nested(start, took) | Self::Flat(start, took) => {
                Some(arrival(start * 1000, (start + took) * 1000))
            }
            Self::Other(_) => None,
        }
    }
}

fn record() -> impl Strategy<Value = Record> {
    let start = 1_761_955_200_000_000..1_761_955_300_000_000i64;
    prop_oneof![
        (start.clone(), 0..10_000_000i64).prop_map(|(start, took)| Record::Nested(start, took)),
        (start, 0..10_000_000i64).prop_map(|(start, took)| Record::Flat(start, took)),
        prop::sample::select(vec![
            "no send_attempt here",
            "quotes \" and } brackets [{",
            "metadata\": \u{1b}[31m and \u{2028}",
            "two\nlines",
        ])
        .prop_map(Record::Other),
    ]
}

fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.json().to_string()).collect()
}

fn log_events(records: &[Record]) -> Value {
    let events = lines(records).into_iter().enumerate();
    events
        .map(|(id, message)| json!({"id": id.to_string(), "timestamp": 1, "message": message}))
        .collect()
}

fn subscription(records: &[Record]) -> Value {
    json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/aws/lambda/send_attempt",
        "logStream": "s", "subscriptionFilters": ["send_attempt"], "logEvents": log_events(records),
    })
}

fn firehose(data: impl Iterator<Item = Vec<u8>>) -> Value {
    let records: Value =
        data.map(|data| json!({"recordId": "1", "data": base64::encode(data)})).collect();
    json!({"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose", "records": records})
}

fn each<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().concat()
}

/// The records in each envelope, with its name.
fn envelopes(records: &[Record]) -> Vec<(&'static str, Vec<u8>)> {
    let lines = lines(records);
    let array: Value = records.iter().map(Record::json).collect();
    let (first, second) = records.split_at(records.len() / 2);
    let halves = [subscription(first).to_string(), subscription(second).to_string()];
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let awslogs = |half: &String| {
        json!({"awslogs": {"data": base64::encode(gzip(half.as_bytes()))}}).to_string()
    };
    let escaped = lines.join("\n").replace("\"send_attempt\"", "\"\\u0073end\\u005fattempt\"");
    let quoted = |line: &String| format!("2026-11-01,\"{}\"", line.replace('"', "\"\""));
    let insights = json!({"status": "Complete", "results": lines.iter().map(|line| {
        json!([{"field": "@timestamp", "value": "2026"}, {"field": "@message", "value": line}])
    }).collect::<Value>()});
    let text: Vec<(&str, String)> = vec![
        ("lines", lines.join("\n")),
        ("lines with CRLF and a byte order mark", format!("\u{feff}{}\r\n", lines.join("\r\n"))),
        ("lines with text around", each(&lines, |line| format!("2026 [INFO] {{x}} {line}\t1\n"))),
        ("escaped", escaped),
        ("joined", lines.concat()),
        ("joined by commas", lines.join(",")),
        ("array", array.to_string()),
        ("array, one element per line", format!("[\n{}\n]\n", lines.join(",\n"))),
        ("pretty array", pretty(&array)),
        ("pretty objects", records.iter().map(|record| pretty(&record.json()) + "\n").collect()),
        ("pretty objects joined", records.iter().map(|record| pretty(&record.json())).collect()),
        (
            "pretty objects after text",
            each(records, |record| format!("2026 s {}\n", pretty(&record.json()))),
        ),
        ("page of log events", pretty(&json!({"events": log_events(records), "nextToken": "n"}))),
        (
            "page of log events in one line",
            json!({"searchedLogStreams": [], "events": log_events(records)}).to_string(),
        ),
        ("subscription", halves.concat()),
        ("subscription, one per line", halves.join("\n")),
        ("subscription, pretty", pretty(&subscription(records))),
        ("awslogs", halves.iter().map(awslogs).collect()),
        ("awslogs, one per line", halves.iter().map(|half| awslogs(half) + "\n").collect()),
        (
            "base64 of awslogs alone",
            halves.iter().map(|h| base64::encode(gzip(h.as_bytes())) + "\n").collect(),
        ),
        ("Firehose", pretty(&firehose(lines.iter().map(|line| line.clone().into_bytes())))),
        (
            "Firehose of subscriptions",
            firehose(halves.iter().map(|h| gzip(h.as_bytes()))).to_string(),
        ),
        (
            "Kinesis",
            json!({"Records": halves.iter().map(|h| {
            json!({"kinesis": {"data": base64::encode(gzip(h.as_bytes()))}})
        }).collect::<Value>()})
            .to_string(),
        ),
        (
            "a string in a queue's message",
            json!({"Records": [{"body": halves.concat()}]}).to_string(),
        ),
        ("Insights, JSON", pretty(&insights)),
        (
            "Insights, CSV",
            format!(
                "@timestamp,@message\n{}\n",
                lines.iter().map(quoted).collect::<Vec<_>>().join("\n")
            ),
        ),
    ];
    let mut all = Vec::new();
    for (name, text) in &text {
        let bytes = text.as_bytes();
        let (one, two) = bytes.split_at(bytes.len() / 2);
        all.push((*name, bytes.to_vec()));
        all.push((*name, gzip(bytes)));
        all.push((*name, [gzip(one), gzip(two)].concat()));
        all.push((*name, gzip(&gzip(bytes))));
    }
    let members: Vec<u8> = halves.iter().flat_map(|half| gzip(half.as_bytes())).collect();
    all.push(("compressed subscriptions in a compressed file", gzip(&members)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_envelope_gives_the_same_sends(records in prop::collection::vec(record(), 0..8)) {
        let mut expected: Vec<_> = records.iter().filter_map(Record::send).collect();
        expected.sort_by_key(|send| format!("{send:?}"));
        for (name, input) in envelopes(&records) {
            match Records::read(&input[..]) {
                Ok(found) => {
                    let mut sends = found.arrivals;
                    sends.sort_by_key(|send| format!("{send:?}"));
                    prop_assert_eq!(&sends, &expected, "{}", name);
                }
                Err(ReadError::NoRecords | ReadError::Line { .. }) if expected.is_empty() => {}
                Err(error) => return Err(TestCaseError::fail(format!("{name}: {error}"))),
            }
        }
    }

    #[test]
    fn input_that_is_cut_short_gives_all_whole_lines_or_an_error(
        records in prop::collection::vec(record(), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for (name, input) in envelopes(&records) {
            let length = cut.index(input.len());
            let Ok(found) = Records::read(&input[..length]) else { continue };
            let text = String::from_utf8_lossy(&input[..length]).into_owned();
            // A count may only come of text whose every mention of a send's time was read.
            let times = text.matches("started_at_us").count();
            if times > 0 {
                prop_assert!(found.arrivals.len() >= times, "{}: {}", name, text);
            }
        }
    }
}
