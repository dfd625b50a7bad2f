//! A stand-in for Stripe that is as unkind as the real one: [`Account`] without sockets, [`Server`] over
//! HTTP.
//!
//! It follows Stripe's documentation; each rule names its page. What no page says is decided against
//! the caller, and the comment says so.

mod account;
mod cards;
mod control;
mod currencies;
mod delivery;
mod disputes;
mod errors;
mod exchange;
mod faults;
mod in_process;
mod intents;
mod keys;
mod lists;
mod methods;
mod objects;
mod refunds;
mod server;
mod store;

pub use account::{Account, Call, Counts};
pub use cards::{Card, Decline};
pub use delivery::Webhook;
pub use exchange::{Request, Response};
pub use faults::{Fault, NotAFault, Rule};
pub use in_process::InProcess;
pub use keys::KEPT_FOR;
pub use server::Server;
pub use store::Event;
