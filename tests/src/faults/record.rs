//! The proxy's record: each request, and what became of it.

use std::ops::Deref;

use super::request::Request;

/// The response that the client received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// None: the request is in progress, or met a silence or a cut.
    None,
    /// Half of the real response.
    Half,
    /// Status 200 and a meaningless body.
    Garbage,
    /// A response that is not the service's, with this status.
    Falsified(u16),
    /// The service's own response, with this status.
    Real(u16),
}

impl Response {
    /// The status that the client received.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::None | Self::Half => None,
            Self::Garbage => Some(200),
            Self::Falsified(status) | Self::Real(status) => Some(status),
        }
    }
}

/// A request that arrived, and its responses so far.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// Whether the proxy forwarded it to the service.
    pub forwarded: bool,
    /// The status of the service's response, if there is one.
    pub real_status: Option<u16>,
    /// The response that the client received.
    pub response: Response,
    /// The rules that applied to it.
    pub(crate) rules: Vec<u64>,
}

impl Exchange {
    pub(crate) fn new(request: Request, rules: Vec<u64>) -> Self {
        Self { request, forwarded: false, real_status: None, response: Response::None, rules }
    }

    /// Whether the service carried out the request.
    pub fn was_done(&self) -> bool {
        self.real_status == Some(200)
    }

    /// Whether the client received the whole of the service's own response.
    pub fn response_was_received(&self) -> bool {
        matches!(self.response, Response::Real(_))
    }
}

impl Deref for Exchange {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}
