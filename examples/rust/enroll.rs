//! Enrolls a student: `example-enroll STUDENT COURSE EMAIL NAME [PAYMENT_METHOD]`. Needs the address of the API in `API`, and
//! AWS credentials. `tests/Cargo.toml` has the dependencies.

use std::{env, error::Error, process::ExitCode, time::Duration};

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use serde_json::{Map, Value};

const FIELDS: [&str; 5] = ["student_id", "course_id", "email", "name", "payment_method"];
const MAX_TRIES: u32 = 5;
/// API Gateway responds within 30 s.
const TIMEOUT: Duration = Duration::from_secs(35);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Failure> {
    let given = FIELDS.map(str::to_owned).into_iter().zip(env::args().skip(1));
    let request: Map<_, _> = given.map(|(name, value)| (name, Value::String(value))).collect();
    let (status, body) = enroll(&Value::Object(request).to_string()).await?;
    println!("{}", describe(status, &body));
    Ok(if status < 300 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends the request, and repeats it as long as the API says when: it never charges or enrolls twice.
async fn enroll(body: &str) -> Result<(u16, Value), Failure> {
    let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build();
    for attempt in 1.. {
        let request = signed(body).await?.try_into()?;
        let response = tokio::time::timeout(TIMEOUT, connector.call(request)).await??;
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").map(str::parse).transpose()?;
        match wait {
            Some(seconds) if status == 503 && attempt < MAX_TRIES => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            _ => {
                let read =
                    tokio::time::timeout(TIMEOUT, ByteStream::new(response.into_body()).collect());
                return Ok((status, serde_json::from_slice(&read.await??.into_bytes())?));
            }
        }
    }
    unreachable!("the last attempt returns")
}

/// The request with a signature of now.
async fn signed(body: &str) -> Result<http::Request<SdkBody>, Failure> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let credentials = config.credentials_provider().ok_or("there are no credentials")?;
    let identity = credentials.provide_credentials().await?.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(config.region().map_or("us-east-1", AsRef::as_ref))
        .name("execute-api")
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let url = format!("{}/enrollments", env::var("API")?);
    let headers = [("content-type", "application/json")];
    let signable = SignableRequest::new(
        "POST",
        &url,
        headers.into_iter(),
        SignableBody::Bytes(body.as_bytes()),
    )?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut request =
        http::Request::post(&url).header(headers[0].0, headers[0].1).body(SdkBody::from(body))?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

fn describe(status: u16, body: &Value) -> String {
    let data = &body["data"];
    match status {
        201 => format!("enrolled: {}", text(&data["enrollment"]["id"])),
        200 => format!("enrolled already: {}", text(&data["enrollment"]["id"])),
        402 if data["payment"] == "requires_action" => {
            "the bank asks the student: continue with client_secret in Stripe.js".to_owned()
        }
        402 => format!("not paid: {}", text(&data["message"])),
        // The wrong fields, or a message.
        _ => format!("refused with {status}: {}", body.get("data").unwrap_or(&body["message"])),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
