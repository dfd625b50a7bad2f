//! The function `announcer`: from the streams of the tables of enrollments and of emails to events on EventBridge.
//!
//! What happened is announced from what is written, and never by a second write, which could be lost. A record of a stream
//! has an item before and after a write; the rules in `enrollment::announcement` and `email::announcement` say which events
//! follow. So a repeated record gives the same events under the same ids.

pub mod announcer;
pub mod bus;
pub mod config;
pub mod deployed;
pub mod event;
pub mod event_bus;
pub mod handler;
pub mod record;

pub use announcer::Announcer;
pub use config::Config;
