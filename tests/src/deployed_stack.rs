//! A journey's access to a deployed stack: clients, keys, and the stack for itself if it needs it alone.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as AwsCredentials;
use bytes::Bytes;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use uuid::Uuid;

use crate::{
    HttpResponse, Signer,
    description::{Credentials, StackDescription},
    emulator::Emulator,
    http::Http,
    turns,
};

/// Journeys share a stack, except those that change what others rely on.
enum Access {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Exclusive { _guard: OwnedRwLockWriteGuard<()> },
}

/// The deployed stack under test. The modules of this crate add what a journey can do with it, each for one subject.
pub struct DeployedStack {
    /// What the deployment wrote about itself.
    pub description: &'static StackDescription,
    /// Signs as a trusted backend.
    pub caller: Signer,
    /// Signs as an operator.
    pub operator: Signer,
    pub(crate) http: Http,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) emulator: Emulator,
    access: Access,
}

impl DeployedStack {
    /// A stack, shared with concurrent journeys.
    pub async fn shared() -> Self {
        let (stack, guard) = turns::shared().await;
        Self::with(stack, Access::Shared { _guard: guard }).await
    }

    /// A stack, for a journey that changes what others rely on. Waits until no other journey uses it, and deletes the
    /// email jobs that they left: the worker would attempt them among this journey's.
    pub async fn exclusive() -> Self {
        let (stack, guard) = turns::exclusive().await;
        let stack = Self::with(stack, Access::Exclusive { _guard: guard }).await;
        stack.purge(stack.output("EmailQueueUrl")).await;
        stack
    }

    async fn with(description: &'static StackDescription, access: Access) -> Self {
        let http = Http::default();
        let config = sdk_config(description, &description.root).await;
        Self {
            caller: api_signer(description, &description.caller),
            operator: api_signer(description, &description.operator),
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            emulator: Emulator { http: http.clone(), endpoint: description.endpoint.clone() },
            http,
            description,
            access,
        }
    }

    /// An output of the template.
    pub fn output(&self, name: &str) -> &str {
        self.description.output(name)
    }

    /// Calls the API. Without a signer the request is not signed.
    pub async fn call(
        &self,
        signer: impl Into<Option<&Signer>>,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> HttpResponse {
        let url = format!("{}{path}", self.description.api_url);
        self.http.send(signer.into(), method, &url, body).await
    }

    /// Calls the API with these headers, and without a signature of AWS.
    pub async fn call_with_headers(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> HttpResponse {
        let url = format!("{}{path}", self.description.api_url);
        self.http.send_with_headers(method, &url, headers, body).await
    }

    /// Fails unless the stack is exclusive. For changes that other journeys would notice.
    pub(crate) fn assert_exclusive(&self) {
        assert!(matches!(self.access, Access::Exclusive { .. }), "use `DeployedStack::exclusive`");
    }

    /// Signs requests to an AWS service with the key that has all permissions.
    pub(crate) fn root_signer(&self, service: &'static str) -> Signer {
        Signer { service, ..api_signer(self.description, &self.description.root) }
    }
}

/// The SDK's configuration with these credentials.
pub(crate) async fn sdk_config(stack: &StackDescription, credentials: &Credentials) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(stack.region.clone()))
        .endpoint_url(&stack.endpoint)
        .credentials_provider(AwsCredentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            None,
            None,
            "journeys",
        ))
        .load()
        .await
}

fn api_signer(stack: &StackDescription, credentials: &Credentials) -> Signer {
    Signer {
        credentials: credentials.clone(),
        service: "execute-api",
        region: stack.region.clone(),
    }
}

/// An id that begins with `kind` and that no other journey uses.
pub fn unique_id(kind: &str) -> String {
    format!("{kind}-{}", Uuid::now_v7().simple())
}
