//! The formats of a log, and what is an error.

mod envelopes;

use pacer::audit::Arrival;

use super::{
    log::{
        EVENT,
        tests::{FLAT, NESTED, START},
    },
    *,
};

fn arrival(start: i64, end: i64) -> Arrival {
    Arrival::between(start, end).unwrap()
}

fn parse(input: &str) -> Records {
    Records::read(input.as_bytes()).unwrap()
}

fn error(input: &str) -> String {
    Records::read(input.as_bytes()).unwrap_err().to_string()
}

#[test]
fn nested_and_flat_log_lines_are_read_and_others_are_skipped() {
    let records = parse(&format!(
        "START RequestId: 1\n{NESTED}\r\n\n{FLAT}\n{{\"message\":\"no send_attempt here\"}}\n"
    ));
    assert_eq!(
        records,
        Records {
            arrivals: vec![
                arrival(1_761_955_200_000_001_000, 1_761_955_200_060_002_000),
                arrival(1000, 2000)
            ],
            unended: 0,
            skipped: 2,
            format: Format::JsonLines
        }
    );
}

#[test]
fn text_around_the_json_is_ignored() {
    let input = format!("2026-11-01T00:00:00.000Z {FLAT}\nEVENTS\t36\ta\t{FLAT}\t17619\n");
    assert_eq!(parse(&input).arrivals, [arrival(1000, 2000); 2]);
}

#[test]
fn pages_of_log_events_are_read() {
    let event = |message: &str| {
        format!(
            "{{\n \"logStreamName\": \"2026/11/01/[$LATEST]a\",\n \"timestamp\": 1,\n \
             \"message\": {}\n}}",
            serde_json::to_string(message).unwrap()
        )
    };
    let page = |events: &str| format!("{{\n \"events\": [{events}],\n \"nextToken\": \"n\"}}");
    let records = parse(&format!(
        "{}\n{}",
        page(&[event("START\n"), event(NESTED)].join(",")),
        page(&event(FLAT))
    ));
    assert_eq!(records.format, Format::LogEvents);
    assert_eq!((records.arrivals.len(), records.skipped), (2, 1));
}

#[test]
fn csv_with_one_or_two_times_per_line_is_read_and_its_header_skipped() {
    let records = parse("start,end\n1761955200,1761955201\n\"1761955202\"\n\n");
    assert_eq!(records.format, Format::Csv);
    let second = 1_000_000_000;
    assert_eq!(
        records.arrivals,
        [
            arrival(1_761_955_200 * second, 1_761_955_201 * second),
            arrival(1_761_955_202 * second, 1_761_955_202 * second)
        ]
    );
}

#[test]
fn error_has_the_line_or_log_event_and_the_problem() {
    for (input, expected) in [
        ("", "no send records"),
        ("level\n", "no send records"),
        (r#"{"level":"INFO"}"#, "no send records"),
        ("1\n{\"level\":1}", "line 2: neither a time nor a log line"),
        ("1761955200\nyesterday1\n", "line 2: \"yesterday1\" is neither RFC 3339 nor"),
        ("1,2,3", "line 1: more than two columns"),
        ("2,1", "line 1: ends before it starts"),
        ("1.2.3", "line 1: \"1.2.3\" is neither"),
        ("9223372036854775807.5.1", "line 1: \"9223372036854775807.5.1\" is neither"),
        ("send_attempt", "line 1: mentions a send, but is not JSON"),
        ("\n{\"event\":\"send_attempt\"", "line 2: mentions a send, but is not a log line: "),
        (r#"{"event":"send_attempt","ended_at_us":2}"#, "line 1: a send without started_at_us"),
        (r#"{"event":"send_attempt","started_at_us":2}"#, "line 1: a send without ended_at_us"),
        (
            r#"{"event":"send_attempt","started_at_us":2,"ended_at_us":1}"#,
            "line 1: ends before it starts",
        ),
        (
            r#"{"event":"send_attempt","started_at_us":9223372036854775807,"ended_at_us":1}"#,
            "line 1: started_at_us is out of range",
        ),
        (r#"{"events":[{"message":1}]}"#, "line 1: neither a time nor a log line"),
        (
            r#"{"events":[{"message":"a"},{"message":"{\"event\":\"send_attempt\"}"}]}"#,
            "log event 2: a send without started_at_us",
        ),
    ] {
        assert!(error(input).starts_with(expected), "{input}: {}", error(input));
    }
}

#[test]
fn array_of_ten_lines_has_ten_sends() {
    let line = |n: i64| {
        let start = 1_761_955_200_000_000 + n * 1000;
        FLAT.replace("_us\":1", &format!("_us\":{start}"))
            .replace("_us\":2", &format!("_us\":{}", start + 1))
    };
    let lines: Vec<_> = (0..10).map(line).collect();
    assert_eq!(parse(&format!("[{}]", lines.join(","))).arrivals.len(), 10);
}

#[test]
fn same_send_twice_in_one_object_is_one_send() {
    let mut object: serde_json::Value = serde_json::from_str(FLAT).unwrap();
    object["@message"] = FLAT.into();
    assert_eq!(parse(&object.to_string()).arrivals.len(), 1);
    assert_eq!(parse(&format!("{FLAT}\n{FLAT}")).arrivals.len(), 2);
}

#[test]
fn start_counts_until_its_timeout_unless_the_log_has_its_end() {
    let start = 1_761_955_200_000_001_000;
    let (timeout, end) =
        (arrival(start, start + 10_000_000_000), arrival(start, start + 60_001_000));
    let records = parse(START);
    assert_eq!((records.arrivals, records.unended), (vec![timeout], 1));
    for log in [format!("{START}\n{NESTED}"), format!("[{NESTED},{START}]")] {
        let records = parse(&log);
        assert_eq!((records.arrivals, records.unended), (vec![end], 0), "{log}");
    }
    // An export with the line and some of its fields.
    for fields in [
        r#""event":"send_attempt","started_at_us":"1761955200000001","timeout_ms":"10000""#,
        r#""fields.job_id":"a","span.job_id":"a","fields.event":"send_attempt","fields.started_at_us":1761955200000001,"fields.timeout_ms":10000,"fields.ended_at_us":null"#,
    ] {
        let line = serde_json::to_string(START).unwrap();
        let records = parse(&format!("{{\"@message\":{line},{fields}}}"));
        assert_eq!((records.arrivals, records.unended), (vec![timeout], 1), "{fields}");
    }
}

#[test]
fn job_may_have_the_name_of_the_event() {
    let records = parse(&FLAT.replace("\\u00e9", EVENT));
    assert_eq!(records.arrivals, [arrival(1000, 2000)]);
}

#[test]
fn flattened_keys_and_numbers_as_text_are_read() {
    for line in [
        r#"{"fields.event":"send_attempt","fields.started_at_us":1,"fields.ended_at_us":2}"#,
        r#"{"event":"send_attempt","started_at_us":"1","ended_at_us":"2"}"#,
        r#"{"event":"send_attempt","started_at_us":1.0,"ended_at_us":2e0}"#,
    ] {
        assert_eq!(parse(line).arrivals, [arrival(1000, 2000)], "{line}");
    }
}

#[test]
fn send_that_cannot_be_read_is_an_error_with_its_place() {
    let cut = &FLAT[..FLAT.len() - 1];
    let envelope = |message: &str| {
        serde_json::json!({"messageType": "DATA_MESSAGE", "logEvents": [
            {"message": FLAT}, {"message": "START"}, {"message": message},
        ]})
    };
    for (input, expected) in [
        (
            format!("{FLAT}\n{cut}"),
            "line 2: mentions a send, but is not a log line: it does not end",
        ),
        (format!("{FLAT}\n{cut}\n{FLAT}"), "line 2: mentions a send"),
        (format!("[{FLAT},{cut}"), "line 1: mentions a send"),
        (format!("[\n{FLAT},\n{cut}\n]"), "line 3: mentions a send"),
        (format!("{FLAT}{cut}"), "line 1: mentions a send"),
        (format!("{FLAT} send_attempt"), "line 1: mentions a send, but is not JSON"),
        (format!("{FLAT}\nevent=send_attempt"), "line 2: mentions a send, but is not JSON"),
        (format!("[{FLAT},{{\"event\":\"send_attempt\"}}]"), "line 1: element 2: a send without"),
        (envelope(cut).to_string(), "log event 3: mentions a send"),
        (envelope("send_attempt").to_string(), "log event 3: "),
        (envelope("{\"event\":\"send_attempt\",}").to_string(), "log event 3: mentions a send"),
        (format!("{}{FLAT}", envelope(cut)), "log event 3: mentions a send"),
        (FLAT.replace("{\"level", "{'event': 'x', \"level"), "line 1: mentions a send"),
        (
            format!("{FLAT}\n{{\"name\":\"send_attempt\",\"started_at_us\":1}}"),
            "line 2: has the value",
        ),
        (format!("{FLAT}\n[\"send_attempt\",\"1\"]"), "line 2: element 1: has the value"),
        (format!("{FLAT}\n{{\"send_attempt\":{{\"started_at_us\":1}}}}"), "line 2: has the key"),
        (FLAT.replace("_us\":1", "_us\":1.5"), "line 1: started_at_us is not a whole number"),
        (FLAT.replace("_us\":1", "_us\":1,\"started_at_us\":3"), "line 1: has started_at_us twice"),
        (FLAT.replace("\"level\"", "\"event\":\"x\",\"level\""), "line 1: has event twice"),
        (START.replacen("job_id", "job_id\":\"b\",\"job_id", 1), "line 1: has job_id twice"),
        (START.replace("10000", "1.5"), "line 1: timeout_ms is not a whole number"),
        (START.replace("timeout_ms", "timeout"), "line 1: a send without ended_at_us"),
        (
            FLAT.replace("\"level\"", "\"event\":\"send_attempt\",\"event\":\"x\",\"a\""),
            "line 1: has event twice",
        ),
        (
            format!("{FLAT}\n{{\"m\":\"{{'event':'send_attempt','started_at_us':1\"}}"),
            "line 2: mentions a send",
        ),
        (
            format!("{FLAT}\n{{\"awslogs\":{{\"data\":\"H4sIAAAA\"}}}}"),
            "line 2: in base64 data: compressed data",
        ),
        (format!("{FLAT}\n{{\"awslogs\":{{\"data\":\"H4sIAAAA"), "line 2: may hold a send"),
        (format!("{FLAT}\n{{\"event\":\"\\u0073end_attempt\","), "line 2: may hold a send"),
        (format!("{FLAT}\n\u{1f}\u{8b}"), "no panic"),
        (format!("1761955200\n{FLAT}"), "line 1: a time in a log"),
        (format!("{FLAT}\n1761955200"), "line 2: a time in a log"),
    ] {
        match Records::read(input.as_bytes()) {
            Ok(_) => assert_eq!(expected, "no panic", "{input}"),
            Err(error) => assert!(error.to_string().starts_with(expected), "{input}: {error}"),
        }
    }
    let mut mixed = format!("{FLAT}\n").into_bytes();
    mixed.extend([0x1f, 0x8b, 8, 0]);
    let error = Records::read(&mixed[..]).unwrap_err().to_string();
    assert_eq!(error, "line 2: has compressed data in the middle of text");
    let utf_16: Vec<u8> =
        format!("\u{feff}{FLAT}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = Records::read(&utf_16[..]).unwrap_err().to_string();
    assert_eq!(error, "line 1: is UTF-16; convert the file to UTF-8");
}

#[test]
fn lines_that_only_look_like_documents_are_read_one_by_one() {
    for before in
        ["{", "[", "function {", "{\"cut\":1,", "[\"cut", "{\"a\":\"cut", "[INFO", "{x", "}", "]"]
    {
        let input = format!("{before}\n{FLAT}\nEND\n{FLAT}\n");
        assert_eq!(parse(&input).arrivals.len(), 2, "{before}");
    }
}
