//! A request as the proxy sees it: the process that sent it, the operation, and the job.

use std::time::SystemTime;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// A service of AWS that functions call. Each has a door of its own in the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// SES, API v2.
    Ses,
    /// DynamoDB.
    DynamoDb,
    /// SQS.
    Sqs,
    /// Lambda's own API.
    Lambda,
    /// EventBridge.
    EventBridge,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Ses, Self::DynamoDb, Self::Sqs, Self::Lambda, Self::EventBridge];

    /// The environment variable with the service's URL for the SDK.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Ses => "AWS_ENDPOINT_URL_SESV2",
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::Lambda => "AWS_ENDPOINT_URL_LAMBDA",
            Self::EventBridge => "AWS_ENDPOINT_URL_EVENTBRIDGE",
        }
    }

    /// The operation, by `X-Amz-Target` in the AWS JSON protocols, otherwise by method and path. Empty if it is not
    /// known here.
    fn operation(self, method: &Method, path: &str, target: Option<&str>) -> String {
        let path = path.split('?').next().unwrap_or_default();
        let by_path = match (self, method.as_str()) {
            (Self::DynamoDb | Self::Sqs | Self::EventBridge, _) => {
                target.and_then(|t| t.rsplit('.').next())
            }
            (Self::Ses, "POST") if path == "/v2/email/outbound-emails" => Some("SendEmail"),
            (Self::Ses, "GET") if path == "/v2/email/account" => Some("GetAccount"),
            (Self::Ses, "GET") if path.starts_with("/v2/email/suppression/addresses/") => {
                Some("GetSuppressedDestination")
            }
            (Self::Lambda, "GET") if path.ends_with("/event-source-mappings/") => {
                Some("ListEventSourceMappings")
            }
            (Self::Lambda, "PUT") if path.contains("/event-source-mappings/") => {
                Some("UpdateEventSourceMapping")
            }
            _ => None,
        };
        by_path.unwrap_or_default().to_owned()
    }
}

/// A request that arrived completely.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it had arrived completely, by the wall clock.
    pub at: SystemTime,
    /// The service whose door it arrived at.
    pub service: Service,
    /// The operation. Empty if it is not known here.
    pub operation: String,
    /// The method.
    pub method: Method,
    /// The path, with the query.
    pub path: String,
    /// The body.
    pub body: Bytes,
    /// The process that sent it. `None` if it had exited.
    pub process: Option<u32>,
    /// The email job: the tag `job_id` of a `SendEmail`, or the key in the ledger.
    pub job_id: Option<String>,
}

impl Request {
    pub(super) fn new(
        service: Service,
        head: &http::request::Parts,
        body: Bytes,
        at: SystemTime,
        process: Option<u32>,
    ) -> Self {
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let operation = service.operation(&head.method, &path, target);
        let job_id = job_id(&serde_json::from_slice(&body).unwrap_or_default());
        Self { at, service, operation, method: head.method.clone(), path, body, process, job_id }
    }

    /// Whether the path or the body contains this text.
    pub fn mentions(&self, text: &str) -> bool {
        let in_body = || self.body.windows(text.len()).any(|part| part == text.as_bytes());
        text.is_empty() || self.path.contains(text) || in_body()
    }

    /// Whether it is an attempt to send an email.
    pub fn is_send(&self) -> bool {
        self.service == Service::Ses && self.operation == "SendEmail"
    }

    /// Whether it records in the ledger that the email was sent.
    pub fn marks_sent(&self) -> bool {
        self.service == Service::DynamoDb
            && self.operation == "UpdateItem"
            && self.mentions(r#"{"S":"sent"}"#)
    }
}

fn job_id(body: &Value) -> Option<String> {
    let tags = body["EmailTags"].as_array();
    let tag = tags.and_then(|tags| tags.iter().find(|tag| tag["Name"] == "job_id"));
    let id = tag.map_or(&body["Key"]["job_id"]["S"], |tag| &tag["Value"]);
    id.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(service: Service, method: &str, path: &str, target: &str, body: &str) -> Request {
        let head = http::Request::builder().method(method).uri(path).header("x-amz-target", target);
        let (head, ()) = head.body(()).unwrap().into_parts();
        Request::new(service, &head, body.to_owned().into(), SystemTime::now(), None)
    }

    #[test]
    fn operation_is_read_from_the_header_or_from_the_path() {
        for (service, method, path, target, operation) in [
            (Service::DynamoDb, "POST", "/", "DynamoDB_20120810.UpdateItem", "UpdateItem"),
            (Service::Sqs, "POST", "/", "AmazonSQS.SendMessage", "SendMessage"),
            (Service::EventBridge, "POST", "/", "AWSEvents.PutEvents", "PutEvents"),
            (Service::Ses, "POST", "/v2/email/outbound-emails", "", "SendEmail"),
            (Service::Ses, "GET", "/v2/email/account", "", "GetAccount"),
            (Service::Ses, "GET", "/v2/email/identities/x", "", ""),
            (
                Service::Lambda,
                "GET",
                "/2015-03-31/event-source-mappings/?FunctionName=f",
                "",
                "ListEventSourceMappings",
            ),
        ] {
            let request = request(service, method, path, target, "");
            assert_eq!(request.operation, operation, "{method} {path}");
        }
    }

    #[test]
    fn job_is_read_from_the_tag_of_an_email_or_from_the_key_of_the_ledger() {
        let email = r#"{"EmailTags":[{"Name":"a","Value":"b"},{"Name":"job_id","Value":"j-1"}]}"#;
        let send = request(Service::Ses, "POST", "/v2/email/outbound-emails", "", email);
        assert_eq!(send.job_id.as_deref(), Some("j-1"));
        assert!(send.is_send() && !send.marks_sent());

        let item =
            r#"{"Key":{"job_id":{"S":"j-2"}},"ExpressionAttributeValues":{":sent":{"S":"sent"}}}"#;
        let write = request(Service::DynamoDb, "POST", "/", "DynamoDB_20120810.UpdateItem", item);
        assert_eq!(write.job_id.as_deref(), Some("j-2"));
        assert!(write.marks_sent() && write.mentions("j-2") && !write.mentions("j-3"));

        assert_eq!(request(Service::Sqs, "POST", "/", "AmazonSQS.A", "not JSON").job_id, None);
    }
}
