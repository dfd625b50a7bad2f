//! The event sources of a template.
//!
//! ```text
//! event_sources ── resolve ── document
//! ```

mod document;
mod event_sources;
mod resolve;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::event_sources::{Function, Sources};
pub(crate) use self::{
    document::{DocumentError, read},
    event_sources::{Batching, EventSource, QueueReference, SourceError, event_sources},
    resolve::Scope,
};
