//! Bodies that are read and written, and the digest.

use proptest::prelude::*;

use super::*;

#[test]
fn both_kinds_of_content_parse() {
    let job = Job::parse(
        r#"{"v":1,"id":"a-1","to":"ada@example.com","template":"hello","data":{"name":"Ada"}}"#,
    )
    .unwrap();
    assert_eq!(job.id.as_str(), "a-1");
    assert_eq!(job.content.template(), Some("hello"));

    let job = Job::parse(
        r#"{"v":1,"id":"a-1","to":"ada@example.com","subject":"Hi","text":"Hello","html":null}"#,
    )
    .unwrap();
    assert!(matches!(job.content, Content::Message(Message { html: None, .. })));
    assert_eq!(job.content.template(), None);
}

#[test]
fn each_error_names_the_field() {
    for (body, why) in [
        ("nonsense", "the body is not JSON (line 1, column 2)"),
        ("[]", "the body is not a JSON object"),
        ("{}", "`v` is missing"),
        (r#"{"v":2}"#, "`v` is not 1, the only known version of the contract"),
        (r#"{"v":1}"#, "`id` is missing"),
        (r#"{"v":1,"id":7}"#, "`id` is not a string"),
        (r#"{"v":1,"id":"a b"}"#, "`id` is not 1 to 128 of the characters A-Z a-z 0-9 - _ ."),
        (r#"{"v":1,"id":"a","to":"ada"}"#, "`to` is not an email address: it has no @"),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com"}"#,
            "neither `template` nor `subject` is present",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","subject":"s"}"#,
            "both `template` and `subject` are present",
        ),
        (r#"{"v":1,"id":"a","to":"ada@example.com","template":"t"}"#, "`data` is missing"),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":[]}"#,
            "`data` is not an object",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"a\nb","text":""}"#,
            "`subject` has a line break or another control character (U+000A)",
        ),
        (r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s"}"#, "`text` is missing"),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"\u0001"}"#,
            "`text` has a line break or another control character (U+0001)",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","html":"\uffff"}"#,
            "`html` has a character that the email queue cannot carry (U+FFFF)",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":{"x":["\ufffe"]}}"#,
            "`data` has a character that the email queue cannot carry (U+FFFE)",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":{},"locale":"in German"}"#,
            "`locale` is not a language tag (BCP 47) of at most 35 characters, such as de or pt-BR",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","deadline":1}"#,
            "`deadline` is not a string",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","deadline":"tomorrow"}"#,
            "`deadline` is not a time in RFC 3339, such as 2026-11-25T04:22:30Z",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","deadline":"9999-12-31T23:59:59-01:00"}"#,
            "`deadline` is not a time in RFC 3339, such as 2026-11-25T04:22:30Z",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","reply_to":"help"}"#,
            "`reply_to` is not an email address: it has no @",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","reply_to":["a@example.com"]}"#,
            "`reply_to` is not a string",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","headers":[]}"#,
            "`headers` is not an object",
        ),
        (
            r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"","headers":{"Bcc":"eve@example.com"}}"#,
            "`headers` has another name than `List-Unsubscribe` and `List-Unsubscribe-Post`",
        ),
        (r#"{"v":"1"}"#, "`v` is not 1, the only known version of the contract"),
        (r#"{"v":1.5}"#, "`v` is not 1, the only known version of the contract"),
        (&" ".repeat(MAX_JOB_BYTES + 1), "the body is larger than 1040384 bytes"),
    ] {
        assert_eq!(Job::parse(body).unwrap_err().to_string(), why, "{body}");
    }
}

#[test]
fn version_as_any_number_and_a_byte_order_mark_are_read() {
    let job = |v: &str| {
        let rest = r#""id":"a","to":"ada@example.com","subject":"s","text":"t""#;
        format!(r#"{{"v":{v},{rest}}}"#)
    };
    let expected = Job::parse(&job("1")).unwrap();
    for body in [job("1.0"), job("1e0"), job("10e-1"), format!("\u{feff}{}", job("1"))] {
        assert_eq!(Job::parse(&body).as_ref(), Ok(&expected), "{body}");
    }
}

#[test]
fn body_of_the_maximum_size_is_read_and_no_larger_one() {
    let job = r#"{"v":1,"id":"a","to":"ada@example.com","subject":"s","text":"t"}"#;
    let padded = |size: usize| format!("{job}{}", " ".repeat(size - job.len()));
    assert!(Job::parse(&padded(MAX_JOB_BYTES)).is_ok());
    assert_eq!(Job::parse(&padded(MAX_JOB_BYTES + 1)), Err(MalformedJob::TooLarge));
}

#[test]
fn deadline_is_read_in_any_offset_and_is_not_part_of_the_email() {
    let job = |deadline: &str| {
        let rest = r#""id":"a","to":"ada@example.com","subject":"s","text":"t""#;
        Job::parse(&format!(r#"{{"v":1,{rest},"deadline":{deadline}}}"#)).unwrap()
    };
    let one = job(r#""2026-11-25T04:22:30Z""#);
    assert_eq!(one, job(r#""2026-11-25T05:22:30.000+01:00""#));
    assert_eq!(one.deadline.unwrap().unix_timestamp(), 1_795_580_550);
    assert_eq!(job("null").deadline, None);
    assert_eq!(one.digest(), job("null").digest());
}

#[test]
fn digest_is_of_the_email_and_not_of_its_writing() {
    let digest = |body: &str| Job::parse(body).unwrap().digest();
    let one = digest(
        r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":{"x":"1","y":{"b":1,"a":2}}}"#,
    );
    let same = digest(
        r#"{"data":{"y":{"a":2,"b":1},"x":"1"},"template":"t","to":"ada@EXAMPLE.com","id":"b","v":1.0}"#,
    );
    assert_eq!(one, same);
    // Entries of the ledger have it: it must stay the same.
    assert_eq!(one.to_string(), "ab7f9448d04a95252ea570c5dd154b06607851ea3f0faccbea9a2ff5d22a83fe");
    for other in [
        r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":{"x":"2","y":{"b":1,"a":2}}}"#,
        r#"{"v":1,"id":"a","to":"ada@example.com","template":"t","data":{"x":"1","y":{"b":2,"a":1}}}"#,
        r#"{"v":1,"id":"a","to":"ada@example.com","template":"u","data":{"x":"1","y":{"b":1,"a":2}}}"#,
    ] {
        assert_ne!(one, digest(other), "{other}");
    }
    let plain = |to: &str, subject: &str, text: &str, html: &str| {
        digest(&format!(
            r#"{{"v":1,"id":"a","to":"{to}@example.com","subject":"{subject}","text":"{text}","html":{html}}}"#
        ))
    };
    let first = plain("ada", "s", "t", "null");
    assert_eq!(first, plain("ada", "s", "t", "null"));
    assert_eq!(plain("ada", "s", "e\u{301}", "null"), plain("ada", "s", "\u{e9}", "null"));
    for other in [
        plain("bob", "s", "t", "null"),
        plain("ada", "s2", "t", "null"),
        plain("ada", "s", "t2", "null"),
        plain("ada", "s", "t", r#""""#),
        plain("ada", "st", "", "null"),
        one,
    ] {
        assert_ne!(first, other);
    }
    // Entries of the ledger have it: it must stay the same.
    assert_eq!(
        first.to_string(),
        "1d980c918b0ac957f20b90beb09502735d0c2591fb3ead005c6d56a6124f58dd"
    );
}

#[test]
fn written_job_has_only_characters_that_the_queue_carries() {
    let text = "\0\u{1f}\u{7f}\u{fffe}\u{ffff}\\\u{ffff}".to_owned();
    let subject = "s".parse().unwrap();
    let content = Content::Message(Message { subject, text: text.clone(), html: None });
    let job = Job {
        id: "a".parse().unwrap(),
        to: "ada@example.com".parse().unwrap(),
        content,
        headers: Headers::default(),
        deadline: None,
    };
    let body = job.to_body();
    assert_eq!(check_carried(&body), Ok(()));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["text"], text);
}

fn unsubscribe_at(path: &str, one_click: bool) -> Unsubscribe {
    let mut headers = json!({"List-Unsubscribe": format!("<https://example.com/{path}>")});
    if one_click {
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click".into();
    }
    let Value::Object(headers) = headers else { panic!() };
    Unsubscribe::read(headers).unwrap().unwrap()
}

#[test]
fn headers_are_part_of_the_email_and_a_job_without_them_has_the_digest_of_earlier_releases() {
    let digest = |headers: &str| {
        let rest = r#""id":"a","to":"ada@example.com","subject":"s","text":"t""#;
        Job::parse(&format!(r#"{{"v":1,{rest}{headers}}}"#)).unwrap().digest().to_string()
    };
    // Entries of the ledger have it: it must stay the same.
    let none = "1d980c918b0ac957f20b90beb09502735d0c2591fb3ead005c6d56a6124f58dd";
    for headers in ["", r#","reply_to":null,"headers":null"#, r#","headers":{}"#] {
        assert_eq!(digest(headers), none, "{headers}");
    }
    let list = r#""List-Unsubscribe":"<https://example.com/u>""#;
    let post = r#""List-Unsubscribe-Post":"List-Unsubscribe=One-Click""#;
    let all = [
        digest(""),
        digest(r#","html":"""#),
        digest(r#","html":"Reply-To""#),
        digest(r#","reply_to":"help@example.com""#),
        digest(r#","reply_to":"desk@example.com""#),
        digest(&format!(r#","headers":{{{list}}}"#)),
        digest(&format!(r#","headers":{{{list},{post}}}"#)),
        digest(&format!(r#","reply_to":"help@example.com","headers":{{{list}}}"#)),
        digest(&format!(r#","html":"","headers":{{{list}}}"#)),
    ];
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    let spaced = r#""List-Unsubscribe":" <https://example.com/u> ""#;
    assert_eq!(digest(&format!(r#","headers":{{{spaced}}}"#)), all[5], "another writing");
}

proptest! {
    #[test]
    fn any_body_parses_without_a_panic_and_errors_repeat_no_value(body in ".{0,200}") {
        if let Err(error) = Job::parse(&body) {
            prop_assert!(error.to_string().len() < 140);
        }
    }

    #[test]
    fn a_written_job_parses_back(
        id in "[A-Za-z0-9._-]{1,128}",
        local in "[a-z0-9]{1,20}",
        subject in "[ -~]{0,80}x",
        text in "[\\t\\r\\n -~é\u{fffd}😀]*",
        html in proptest::option::of("[\\n -~é]*"),
        templated: bool,
        deadline in proptest::option::of(0_i64..250_000_000_000),
        reply_to in proptest::option::of("[a-z0-9]{1,20}@example\\.com"),
        locale in proptest::option::of("[a-z]{2}(-[A-Z]{2})?"),
        unsubscribe in proptest::option::of(("[a-zA-Z0-9/?=&,]{0,80}", any::<bool>())),
    ) {
        let deadline = deadline.map(|at| OffsetDateTime::from_unix_timestamp(at).unwrap());
        let content = if templated {
            let data = Map::from_iter([("text".to_owned(), Value::from(text))]);
            Content::Template { name: subject, data, locale: locale.map(|tag| tag.parse().unwrap()) }
        } else {
            Content::Message(Message { subject: subject.parse().unwrap(), text, html })
        };
        let to = format!("{local}@example.com").parse().unwrap();
        let headers = Headers {
            reply_to: reply_to.map(|address| address.parse().unwrap()),
            unsubscribe: unsubscribe.map(|(path, one_click)| unsubscribe_at(&path, one_click)),
        };
        let job = Job { id: id.parse().unwrap(), to, content, headers, deadline };
        let parsed = Job::parse(&job.to_body()).unwrap();
        prop_assert_eq!(parsed.digest(), job.digest());
        prop_assert_eq!(&parsed, &job);
        let without = Job { headers: Headers::default(), ..parsed };
        let is_same = without.digest() == job.digest();
        prop_assert_eq!(is_same, job.headers == Headers::default());
    }
}
