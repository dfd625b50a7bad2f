//! The record of what passed the proxy.

use std::ops::Deref;

use super::request::Request;

/// What the client was given for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Nothing: it is still under way, or was kept silent about, or was cut off.
    Nothing,
    /// Half of the real answer.
    Half,
    /// Status 200 and what means nothing.
    Garbage,
    /// An answer that is not the service's, with that status.
    Falsified(u16),
    /// The service's own answer, with that status.
    Real(u16),
}

impl Given {
    /// The status that the client was given.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Nothing | Self::Half => None,
            Self::Garbage => Some(200),
            Self::Falsified(status) | Self::Real(status) => Some(status),
        }
    }
}

/// A request that arrived, and what became of it so far.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The request.
    pub request: Request,
    /// Whether it went on to the service.
    pub forwarded: bool,
    /// The status of the service's answer, once there is one.
    pub real: Option<u16>,
    /// What the client was given.
    pub given: Given,
    /// The rules that were applied to it.
    pub(crate) rules: Vec<u64>,
}

impl Passed {
    pub(crate) fn new(request: Request, rules: Vec<u64>) -> Self {
        Self { request, forwarded: false, real: None, given: Given::Nothing, rules }
    }

    /// Whether the service did what was asked for.
    pub fn was_done(&self) -> bool {
        self.real == Some(200)
    }

    /// Whether the client was given the service's own answer, and all of it.
    pub fn was_answered(&self) -> bool {
        matches!(self.given, Given::Real(_))
    }
}

impl Deref for Passed {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}
