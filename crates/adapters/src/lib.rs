//! Adapters of the AWS SDK that more than one program uses: clients, DynamoDB tables, the email queue,
//! the worker's event source, secrets. An adapter that one function alone uses lives in that function.

pub mod clients;
pub mod event_source;
pub mod queue;
pub mod ses_tags;
#[cfg(feature = "stripe")]
pub mod stripe_secret;
pub mod tables;
