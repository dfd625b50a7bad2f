//! What an enrollment and an email use of AWS, at which rate each part of a deployment is full, and what a million of them
//! cost. `registrar plan --load` and `--cost` print it; docs/scale.md has the output.
//!
//! [`usage`] has what is used, counted by tests; [`quotas`] and [`prices`] have public numbers, each with its page. The rest
//! follows from these three.

pub mod bill;
pub mod parts;
pub mod prices;
pub mod quotas;
pub mod usage;
