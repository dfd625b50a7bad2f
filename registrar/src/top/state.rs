//! What is shown: the readings, the view, and what the keys change.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{dead_letters::FoundLetter, enrollments::Unfinished, live::History};

use super::message::{Action, Detail, Input, Tab, Wanted};

/// What one view shows besides the history.
#[derive(Debug)]
pub(super) struct Read<T> {
    /// The last that could be read.
    pub(super) latest: Option<(OffsetDateTime, T)>,
    /// Why a later one could not be read.
    pub(super) failure: Option<String>,
}

impl<T> Default for Read<T> {
    fn default() -> Self {
        Self { latest: None, failure: None }
    }
}

impl<T> Read<T> {
    fn take(&mut self, at: OffsetDateTime, result: Result<T, String>) {
        match result {
            Ok(value) => *self = Self { latest: Some((at, value)), failure: None },
            Err(failure) => self.failure = Some(failure),
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) stack: String,
    pub(super) region: String,
    pub(super) interval: Duration,
    /// The maximum number of workers that run at the same time.
    pub(super) slots: u32,
    pub(super) tab: Tab,
    pub(super) paused: bool,
    pub(super) help: bool,
    /// The first line of a list that is shown.
    pub(super) scroll: usize,
    pub(super) history: History,
    pub(super) letters: Read<Vec<FoundLetter>>,
    pub(super) payments: Read<Unfinished>,
}

/// Whether the command goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Draw,
    End,
}

impl State {
    pub(super) fn new(stack: &str, region: &str, interval: Duration, slots: u32) -> Self {
        Self {
            stack: stack.to_owned(),
            region: region.to_owned(),
            interval,
            slots,
            tab: Tab::Overview,
            paused: false,
            help: false,
            scroll: 0,
            history: History::default(),
            letters: Read::default(),
            payments: Read::default(),
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted { paused: self.paused, tab: self.tab }
    }

    pub(super) fn apply(&mut self, input: Input) -> Next {
        match input {
            Input::Action(action) => return self.act(action),
            Input::Resized => {}
            Input::Reading(reading) => self.history.push(*reading),
            Input::Detail(Detail::Letters(at, letters)) => self.letters.take(at, letters),
            Input::Detail(Detail::Payments(at, payments)) => self.payments.take(at, payments),
        }
        Next::Draw
    }

    fn act(&mut self, action: Action) -> Next {
        match action {
            Action::Close if self.help => self.help = false,
            Action::Close | Action::Quit => return Next::End,
            Action::Help => self.help = !self.help,
            Action::Pause => self.paused = !self.paused,
            Action::Select(tab) => self.select(tab),
            Action::NextTab => self.select(self.tab.after(1)),
            Action::PreviousTab => self.select(self.tab.after(Tab::ALL.len() - 1)),
            Action::Scroll(lines) => self.scroll = self.scroll.saturating_add_signed(lines),
        }
        Next::Draw
    }

    fn select(&mut self, tab: Tab) {
        if self.tab != tab {
            (self.tab, self.scroll) = (tab, 0);
        }
    }

    /// A list has this many lines, and this many fit: scrolling ends at its end.
    pub(super) fn limit_scroll(&mut self, lines: usize, height: usize) {
        self.scroll = self.scroll.min(lines.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{at, reading};

    fn state() -> State {
        State::new("registrar", "eu-central-1", Duration::from_secs(5), 2)
    }

    fn act(state: &mut State, action: Action) -> Next {
        state.apply(Input::Action(action))
    }

    #[test]
    fn tabs_go_round_and_scrolling_begins_anew_in_each() {
        let mut state = state();
        act(&mut state, Action::Scroll(3));
        act(&mut state, Action::PreviousTab);
        assert_eq!((state.tab, state.scroll), (Tab::Payments, 0));
        act(&mut state, Action::NextTab);
        assert_eq!(state.tab, Tab::Overview);
        act(&mut state, Action::Select(Tab::DeadLetters));
        assert_eq!(state.wanted(), Wanted { paused: false, tab: Tab::DeadLetters });
    }

    #[test]
    fn scrolling_ends_at_both_ends() {
        let mut state = state();
        act(&mut state, Action::Scroll(-1));
        assert_eq!(state.scroll, 0);
        act(&mut state, Action::Scroll(50));
        state.limit_scroll(12, 10);
        assert_eq!(state.scroll, 2);
        act(&mut state, Action::Scroll(isize::MIN));
        assert_eq!(state.scroll, 0);
    }

    #[test]
    fn escape_closes_the_help_first_and_pausing_is_wanted() {
        let mut state = state();
        act(&mut state, Action::Help);
        assert_eq!((act(&mut state, Action::Close), state.help), (Next::Draw, false));
        act(&mut state, Action::Pause);
        assert!(state.wanted().paused);
        assert_eq!(act(&mut state, Action::Close), Next::End);
        assert_eq!(act(&mut state, Action::Quit), Next::End);
    }

    #[test]
    fn failed_detail_keeps_the_last_one_and_says_why() {
        let mut state = state();
        state.apply(Input::Reading(Box::new(reading(0, 0.0, 0))));
        state.apply(Input::Detail(Detail::Letters(at(1), Ok(Vec::new()))));
        state.apply(Input::Detail(Detail::Letters(at(2), Err("access denied".to_owned()))));
        assert_eq!(state.letters.latest, Some((at(1), Vec::new())));
        assert_eq!(state.letters.failure.as_deref(), Some("access denied"));
        state.apply(Input::Detail(Detail::Letters(at(3), Ok(Vec::new()))));
        assert_eq!(state.letters.failure, None);
    }
}
