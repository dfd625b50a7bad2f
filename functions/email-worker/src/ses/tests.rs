//! The adapter against recorded responses of SES.

use aws_sdk_sesv2::operation::send_email::SendEmailOutput;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use email::{
    dead_letter::Reason,
    hold::HoldCause,
    testing::{ses_address_refusal, ses_tag_refusal},
};

use super::*;

/// SES's error as it comes over the wire.
fn refused(status: u16, code: &'static str, message: &'static str) -> Rule {
    mock!(Client::send_email).then_http_response(move || {
        let mut response = HttpResponse::new(
            status.try_into().unwrap(),
            format!(r#"{{"message":"{message}"}}"#).into(),
        );
        response.headers_mut().insert("x-amzn-errortype", code);
        response
    })
}

fn sender(address: &str) -> Sender {
    Sender::new(address.parse().unwrap(), None).unwrap()
}

fn envelope() -> Envelope {
    Envelope {
        sender: sender("courses@example.com"),
        reply_to: None,
        configuration_set: "events".to_owned(),
        tenant: None,
    }
}

async fn send(rule: &Rule) -> Outcome {
    send_as("a-1", "ada@example.com", rule).await
}

async fn send_as(id: &str, to: &str, rule: &Rule) -> Outcome {
    let client = mock_client!(aws_sdk_sesv2, RuleMode::Sequential, [rule], |config| config
        .retry_config(RetryConfig::disabled()));
    let mail = Mail { client, connections: Connections::default() };
    let ses = Ses::new(mail, envelope());
    let message = Message {
        subject: "Hi".parse().unwrap(),
        text: "Hello".to_owned(),
        html: Some("<p>Hello".to_owned()),
    };
    let outcome =
        ses.send(&id.parse().unwrap(), &to.parse().unwrap(), &Headers::default(), &message).await;
    assert_eq!(rule.num_calls(), 1, "one permit is one HTTP attempt");
    outcome
}

#[tokio::test]
async fn the_request_has_sender_recipient_set_and_tag() {
    let rule = mock!(Client::send_email)
        .match_requests(|request| {
            let simple = request.content().unwrap().simple().unwrap();
            request.from_email_address() == Some("courses@example.com")
                && request.destination().unwrap().to_addresses() == ["ada@example.com"]
                && request.configuration_set_name() == Some("events")
                && request.tenant_name().is_none()
                && request.email_tags()[0].name() == ses_tags::JOB_ID
                && request.email_tags()[0].value() == "a-1"
                && simple.subject().unwrap().data() == "Hi"
                && simple.body().unwrap().html().unwrap().data() == "<p>Hello"
        })
        .then_output(|| SendEmailOutput::builder().message_id("m-1").build());
    assert_eq!(send(&rule).await, Outcome::Accepted { ses_message_id: "m-1".to_owned() });
}

/// The headers of a job with this `reply_to`, with one click to unsubscribe.
fn chosen_headers(reply_to: &str) -> Headers {
    let body = serde_json::json!({
        "v": 1, "id": "a", "to": "ada@example.com", "subject": "Hi", "text": "",
        "reply_to": reply_to,
        "headers": {
            "List-Unsubscribe": "<https://example.com/u>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    });
    email::Job::parse(&body.to_string()).unwrap().headers
}

#[tokio::test]
async fn the_request_has_the_name_the_tenant_the_address_for_replies_and_the_headers() {
    for (headers, reply_to, lines) in [
        (Headers::default(), "help@example.com", vec![]),
        (
            chosen_headers("a..b@docomo.ne.jp"),
            "\"a..b\"@docomo.ne.jp",
            vec![
                ("List-Unsubscribe", "<https://example.com/u>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ],
        ),
    ] {
        let rule = mock!(Client::send_email)
            .match_requests(move |request| {
                let simple = request.content().unwrap().simple().unwrap();
                let sent: Vec<_> =
                    simple.headers().iter().map(|line| (line.name(), line.value())).collect();
                request.from_email_address()
                    == Some("=?UTF-8?Q?Akademie_M=C3=BCller?= <courses@example.com>")
                    && request.reply_to_addresses() == [reply_to]
                    && request.tenant_name() == Some("courses")
                    && sent == lines
            })
            .then_output(|| SendEmailOutput::builder().message_id("m-1").build());
        let client = mock_client!(aws_sdk_sesv2, [&rule]);
        let mail = Mail { client, connections: Connections::default() };
        let name = "Akademie M\u{fc}ller".parse().unwrap();
        let sender = Sender::new("courses@example.com".parse().unwrap(), Some(&name)).unwrap();
        let reply_to = Some("help@example.com".parse().unwrap());
        let tenant = Some("courses".parse().unwrap());
        let ses = Ses::new(mail, Envelope { sender, reply_to, tenant, ..envelope() });
        let message =
            Message { subject: "Hi".parse().unwrap(), text: "Hello".to_owned(), html: None };
        let (id, to) = ("a-1".parse().unwrap(), "ada@example.com".parse().unwrap());
        let outcome = ses.send(&id, &to, &headers, &message).await;
        assert_eq!(outcome, Outcome::Accepted { ses_message_id: "m-1".to_owned() });
    }
}

#[tokio::test]
async fn tag_and_recipient_are_written_as_ses_takes_them() {
    for (id, to) in [
        ("receipt.42", "ada@example.com"),
        ("b64-x", "a..b@docomo.ne.jp"),
        ("...", "ab.@ezweb.ne.jp"),
        ("a-1", "ada@b\u{fc}cher.example"),
    ] {
        let rule = mock!(Client::send_email)
            .match_requests(move |request| {
                let tag = &request.email_tags()[0];
                let to = &request.destination().unwrap().to_addresses()[0];
                ses_tag_refusal(tag.name(), tag.value()).is_none()
                    && ses_address_refusal(to).is_none()
                    && ses_tags::job_id(tag.value()).unwrap().as_str() == id
            })
            .then_output(|| SendEmailOutput::builder().message_id("m-1").build());
        let accepted = Outcome::Accepted { ses_message_id: "m-1".to_owned() };
        assert_eq!(send_as(id, to, &rule).await, accepted, "{id} {to}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_outcome() {
    for (status, code, message, expected) in [
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", Outcome::Throttled),
        (
            429,
            "TooManyRequestsException",
            "Daily message quota exceeded.",
            Outcome::Held(HoldCause::DailyQuota),
        ),
        (
            429,
            "LimitExceededException",
            "Daily message quota exceeded.",
            Outcome::Held(HoldCause::DailyQuota),
        ),
        (400, "ThrottlingException", "Rate exceeded", Outcome::Throttled),
        (
            400,
            "ThrottlingException",
            "Daily message quota exceeded",
            Outcome::Held(HoldCause::DailyQuota),
        ),
        (400, "SendingPausedException", "paused", Outcome::Held(HoldCause::SendingPaused)),
        (
            400,
            "MessageRejected",
            "Sending suspended for this account. For more information, please check the inbox of \
             the email address associated with your AWS account.",
            Outcome::Held(HoldCause::AccountSuspended),
        ),
        (
            400,
            "MessageRejected",
            "Email address is not verified. The following identities failed the check in region \
             US-EAST-1: courses@example.com",
            Outcome::Held(HoldCause::SenderNotVerified),
        ),
        (400, "AccountSuspendedException", "no", Outcome::Held(HoldCause::AccountSuspended)),
        (
            400,
            "MailFromDomainNotVerifiedException",
            "no",
            Outcome::Held(HoldCause::SenderNotVerified),
        ),
        (
            400,
            "MessageRejected",
            "Address blacklisted.",
            Outcome::Rejected(Reason::new("MessageRejected", "Address blacklisted.")),
        ),
        (
            400,
            "BadRequestException",
            "Missing final '@domain'",
            Outcome::Rejected(Reason::new("BadRequestException", "Missing final '@domain'")),
        ),
        (500, "InternalServiceErrorException", "", Outcome::Ambiguous),
        (
            503,
            "ServiceUnavailable",
            "",
            Outcome::Transient { code: "ServiceUnavailable".to_owned() },
        ),
        (
            404,
            "NotFoundException",
            "Configuration set <registrar-emails> does not exist.",
            Outcome::Held(HoldCause::ConfigurationSetMissing),
        ),
        (403, "AccessDeniedException", "", Outcome::Held(HoldCause::NotPermitted)),
        (400, "NovelException", "?", Outcome::Unknown { code: "NovelException".to_owned() }),
    ] {
        assert_eq!(send(&refused(status, code, message)).await, expected, "{code}: {message}");
    }
}

#[tokio::test]
async fn an_unreadable_success_is_ambiguous() {
    let rule = mock!(Client::send_email).then_http_response(|| {
        HttpResponse::new(200.try_into().unwrap(), "<html>captive portal".into())
    });
    assert_eq!(send(&rule).await, Outcome::Ambiguous);
}

fn over_http(port: u16) -> Ses {
    let sdk = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(aws_sdk_sesv2::config::SharedCredentialsProvider::new(
            aws_sdk_sesv2::config::Credentials::for_tests(),
        ))
        .build();
    Ses::new(client(&sdk), envelope())
}

async fn send_over_http(port: u16) -> Outcome {
    let message = Message { subject: "Hi".parse().unwrap(), text: "Hello".to_owned(), html: None };
    let (id, to) = ("a-1".parse().unwrap(), "ada@example.com".parse().unwrap());
    over_http(port).send(&id, &to, &Headers::default(), &message).await
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    // Bound and dropped: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(send_over_http(port).await, Outcome::Transient { code: "not_sent".to_owned() });
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_ambiguous() {
    use std::io::Read;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let read = connection.read(&mut [0; 1024]).unwrap();
        drop(connection);
        // A second connection would be a second attempt for one permit.
        listener.set_nonblocking(true).unwrap();
        (read, listener)
    });
    assert_eq!(send_over_http(port).await, Outcome::Ambiguous);
    let (read, listener) = server.join().unwrap();
    assert!(read > 0);
    assert!(listener.accept().is_err(), "the request was sent again");
}
