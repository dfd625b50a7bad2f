//! `registrar export` and `forget`: everything that a deployment keeps about one student.

mod document;
mod export;
mod forget;
mod known;
mod queues;
mod whom;

pub(crate) use self::{
    export::{ExportArgs, export},
    forget::{ForgetArgs, forget},
};
