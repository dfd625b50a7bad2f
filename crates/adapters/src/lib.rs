//! Adapters of the AWS SDK that more than one program uses: clients, DynamoDB tables, the email queue,
//! the worker's event source, secrets. An adapter that only one function uses is in that function's
//! package.

pub mod clients;
pub mod connections;
pub mod event_source;
pub mod opening;
pub mod queue;
pub mod ses_tags;
#[cfg(feature = "stripe")]
pub mod stripe_secret;
pub mod tables;
mod timing;
