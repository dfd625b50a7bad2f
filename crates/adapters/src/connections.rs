//! An HTTP client whose idle connections can be left behind.
//!
//! Lambda freezes an environment between two invocations, and the clock that a connection pool uses may stand
//! still meanwhile. So a pool cannot know that its connections are old: the server, or a gateway in between, may
//! have closed or forgotten them. A request on such a connection fails after it was written, and nobody knows
//! whether it arrived.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
        runtime_components::{RuntimeComponents, RuntimeComponentsBuilder},
    },
};
use aws_smithy_types::config_bag::ConfigBag;

use crate::clients;

/// How long a connection may be idle while the environment runs: less than servers and gateways allow.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Connections that clients share. Clones share them too.
#[derive(Debug, Clone)]
pub struct Connections(Arc<RwLock<SharedHttpClient>>);

impl Default for Connections {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(clients::http_client(Some(IDLE_TIMEOUT)))))
    }
}

impl Connections {
    /// From now on every request uses a new connection, or one that was opened after this call. Requests in
    /// progress keep theirs.
    pub fn renew(&self) {
        let fresh = clients::http_client(Some(IDLE_TIMEOUT));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn current(&self) -> SharedHttpClient {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl HttpClient for Connections {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.current().http_connector(settings, components)
    }

    /// Reads the root certificates, once per process.
    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.current().validate_base_client_config(components, config)
    }
}
