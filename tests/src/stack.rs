//! The stack under test, as whoever deployed it described it.

use std::{collections::HashMap, env, fs};

use serde::Deserialize;

/// The environment variable that holds the description's path.
pub const VARIABLE: &str = "REGISTRAR_STACK";

/// A deployed stack.
#[derive(Debug, Deserialize)]
pub struct Stack {
    /// Where AWS's own APIs are.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Where the stack's API is.
    pub api_url: String,
    /// The template's outputs.
    pub outputs: HashMap<String, String>,
    /// What the functions are configured with.
    pub function_environment: HashMap<String, String>,
    /// Who may do everything.
    pub root: Credentials,
    /// Who has the policy `CallerPolicyArn` and nothing else.
    pub caller: Credentials,
    /// Who has the policy `OperatorPolicyArn` and nothing else.
    pub operator: Credentials,
    /// Who has the policy `EmailOperatorPolicyArn` and nothing else.
    pub email_operator: Credentials,
}

/// A key that requests are signed with.
#[derive(Debug, Clone, Deserialize)]
pub struct Credentials {
    /// Its public half.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
}

impl Stack {
    /// Reads the description that [`VARIABLE`] points to.
    pub fn load() -> Self {
        let path = env::var(VARIABLE)
            .unwrap_or_else(|_| panic!("journeys need a deployed stack: run `make journeys`"));
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// One of the template's outputs.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("template.yaml has no output {name}"))
    }
}
