//! One event source: its parts, and what its polling and its invocations know of each other.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    time::Instant,
};

use super::{
    functions::Named,
    lines::{Counts, Line},
    stop::Stop,
    template::Batching,
};

#[derive(Debug)]
pub(crate) struct Service<'a, Q, F> {
    pub(crate) queue: Q,
    pub(crate) functions: &'a F,
    pub(crate) settings: Settings,
    pub(crate) stop: Stop,
    pub(crate) lines: UnboundedSender<Line>,
    pub(crate) state: State,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) function: Named,
    pub(crate) timeout: Duration,
    /// The visibility timeout of the queue.
    pub(crate) visibility: Duration,
    pub(crate) batching: Batching,
    pub(crate) max_concurrency: usize,
    pub(crate) reports_failures: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether the function has responded since the server was last out of reach.
    pub(crate) is_ready: Cell<bool>,
    /// How many batches in a row failed as a whole.
    pub(crate) failed_in_a_row: Cell<u32>,
    /// The start of the latest invocation among those that have a response.
    pub(crate) responded: watch::Sender<Option<Instant>>,
    pub(crate) totals: RefCell<(usize, Counts)>,
}

impl<Q, F> Service<'_, Q, F> {
    pub(crate) fn note(&self, text: impl Into<String>) {
        let about = self.settings.function.name.clone();
        self.print(Line::Note { about, text: text.into() });
    }

    pub(crate) fn print(&self, line: Line) {
        // Nobody reads once the output has failed, which ends the command.
        let _ = self.lines.send(line);
    }

    /// Prints what became of a batch, and adds it to the totals.
    pub(crate) fn report(&self, counts: Counts, took: Duration, why: Option<String>) {
        let mut totals = self.state.totals.borrow_mut();
        totals.0 += 1;
        totals.1 += counts;
        let function = self.settings.function.name.clone();
        self.print(Line::Batch { function, counts, took, why });
    }

    pub(crate) fn totals(&self) -> Line {
        let (batches, counts) = *self.state.totals.borrow();
        Line::Totals { function: self.settings.function.name.clone(), batches, counts }
    }
}
