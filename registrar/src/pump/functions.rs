//! The functions, as the pump invokes them.

use super::response::Response;

/// Why a function did not respond.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvokeError {
    /// The server is not there, or the connection ended before the response.
    #[error("the server at {url} does not respond: {cause}")]
    Unreachable { url: String, cause: String },
    #[error(
        "the server at {url} has no function {function}: --function {id}=NAME gives its name there. {detail}"
    )]
    NoSuchFunction { url: String, function: String, id: String, detail: String },
}

/// A function by its name at the server, and its logical id in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: String,
}

pub(crate) trait Functions {
    /// Invokes a function, however long it takes.
    async fn invoke(&self, function: &Named, event: Vec<u8>) -> Result<Response, InvokeError>;
}
