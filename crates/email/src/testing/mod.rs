//! What tests of several crates share. Behind the feature `testing`.

mod excuse;

pub use excuse::{FirstEmail, second_email_is_excused};
