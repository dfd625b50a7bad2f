//! What the doors and a journey share: the rules in force, and the record.

use std::sync::{Arc, Mutex, MutexGuard};

use super::{
    record::Exchange,
    request::Request,
    rules::{Fate, Rules},
};

#[derive(Debug, Clone, Default)]
pub(super) struct Shared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rules: Rules,
    pub(super) record: Vec<Exchange>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the proxy does not panic")
    }

    /// Records a request. Returns its index in the record, and what must happen to it.
    pub(super) fn arrives(&self, request: Request) -> (usize, Fate) {
        let mut state = self.state();
        let fate = state.rules.fate(&request);
        state.record.push(Exchange::new(request, fate.rules.clone()));
        (state.record.len() - 1, fate)
    }

    pub(super) fn note(&self, number: usize, change: impl FnOnce(&mut Exchange)) {
        change(&mut self.state().record[number]);
    }
}
