//! The description of the stack under test, which its deployment wrote.

use std::{collections::HashMap, env, fs, path::Path};

use serde::Deserialize;

/// The environment variable with the paths of the descriptions, separated as in `PATH`.
pub const VARIABLE: &str = "REGISTRAR_STACKS";

/// The description of a deployed stack.
#[derive(Debug, Deserialize)]
pub struct StackDescription {
    /// The base URL of AWS's own APIs.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// The base URL of the stack's API.
    pub api_url: String,
    /// Who signs the students' tokens.
    pub issuer: String,
    /// The audience of these tokens.
    pub audience: String,
    /// The example page. No other origin may call the API from a browser.
    pub page: String,
    /// The template's outputs.
    pub outputs: HashMap<String, String>,
    /// The environment variables of the functions.
    pub function_environment: HashMap<String, String>,
    /// May do everything.
    pub root: Credentials,
    /// Has the policy `CallerPolicyArn` and no other.
    pub caller: Credentials,
    /// Has the policy `OperatorPolicyArn` and no other.
    pub operator: Credentials,
    /// Has the policy `EmailOperatorPolicyArn` and no other.
    pub email_operator: Credentials,
    /// Has the policy `PaymentsOperatorPolicyArn` and no other.
    pub payments_operator: Credentials,
    /// Has the policy `PrivacyOperatorPolicyArn` and no other.
    pub privacy_operator: Credentials,
    /// Has the policy `OperatorReadPolicyArn` and no other.
    pub reader: Credentials,
}

/// A key that requests are signed with.
#[derive(Debug, Clone, Deserialize)]
pub struct Credentials {
    /// The key's id, which is public.
    pub access_key_id: String,
    /// The key's secret.
    pub secret_access_key: String,
}

impl StackDescription {
    /// Reads the descriptions at the paths in [`VARIABLE`].
    pub fn load_all() -> Vec<Self> {
        let paths = env::var_os(VARIABLE)
            .unwrap_or_else(|| panic!("journeys need a deployed stack: run `make journeys`"));
        env::split_paths(&paths).map(|path| Self::load(&path)).collect()
    }

    fn load(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// An output of the template. Fails if the template does not have it.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("template.yaml has no output {name}"))
    }
}
