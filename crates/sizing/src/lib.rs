//! From a send limit and the provider's expected latency to the deployment parameters of the email
//! worker, each with its reason.
//!
//! [`Plan::new`] chooses the parameters. [`WorkerSettings::check`] rejects parameters with which nothing can be sent,
//! and [`WorkerSettings::advice`] names those that waste something. `registrar plan --check` prints both before a
//! deployment; the worker checks its deployed settings and, if nothing can be sent, says so and keeps the emails.
//!
//! ```
//! # use pacer::{SendLimit, Window};
//! # use sizing::{DEFAULT_LATENCY, Plan};
//! let plan = Plan::new(SendLimit::new(300)?, Window::from_secs(60)?, DEFAULT_LATENCY)?;
//! assert_eq!(plan.settings().batch_size, 100);
//! assert!(plan.usable().fraction() > 0.99);
//! println!("{}", plan.parameter_overrides());
//! # Ok::<(), sizing::Invalid>(())
//! ```

mod account;
mod division;
mod given;
mod human;
mod invalid;
mod plan;
mod reasons;
mod table;
mod worker_settings;

pub use division::{DivisionError, StackPlan, Weight, divide};
pub use invalid::{Invalid, Parameter, UnknownParameter};
pub use plan::{DEFAULT_LATENCY, HANDOVER, Plan, Usable};
pub use reasons::Choice;
pub use worker_settings::{
    CALL_TIMEOUT, CLOSING_ROOM, ENDING_ROOM, MAX_IN_PROGRESS, NOISY_IN_FLIGHT, RETURNING_ROOM,
    SES_ATTEMPT_TIMEOUT, SETTLING_ROOM, WorkerSettings, sends_within,
};
