//! The figures of now and of the last hour, as lines with a name.

use std::time::Duration;

use ratatui::{
    style::{Style, Stylize},
    text::{Line, Span},
};

use crate::{
    live::{Figure, History, Sends},
    sending::{Depth, Sending},
    status,
    text::{about, to_the_second},
};

use super::warning;

const NAME_WIDTH: usize = 10;

/// On a very narrow terminal, the texts are cut off.
const MIN_TEXT_WIDTH: usize = 12;

/// Facts, each with its name in a column before it, and broken into lines of a width.
pub(super) struct Facts {
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Facts {
    pub(super) fn new(width: u16) -> Self {
        Self { width: usize::from(width).saturating_sub(NAME_WIDTH), lines: Vec::new() }
    }

    pub(super) fn into_lines(self) -> Vec<Line<'static>> {
        self.lines
    }

    fn add(&mut self, name: &str, text: impl AsRef<str>, style: Style) {
        for (number, text) in broken(text.as_ref(), self.width).into_iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            let name = Span::from(format!("{name:<NAME_WIDTH$}")).dim();
            self.lines.push(Line::from_iter([name, Span::styled(text, style)]));
        }
    }

    fn plain(&mut self, name: &str, text: impl AsRef<str>) {
        self.add(name, text, Style::new());
    }

    /// The state now. What could not be read lately is the last known, with its time.
    pub(super) fn now(&mut self, history: &History, slots: u32) {
        self.sends(history);
        match history.sending() {
            None => self.plain("queue", "not read yet"),
            Some((at, sending)) => {
                if history.latest().is_some_and(|latest| latest.at != at) {
                    self.add("as of", to_the_second(at), warning());
                }
                self.limit(sending);
                self.queue(sending);
                self.holds(sending);
            }
        }
        self.workers(history, slots);
        self.dead_letters(history);
        self.quota(history);
    }

    /// The sends per minute, and how much of the limit they are.
    pub(super) fn sends(&mut self, history: &History) {
        let Some(sends) = history.sends_now() else { return self.plain("sends", "unknown") };
        let per_minute = sends.per_minute();
        let used = history.sending().map(|(_, sending)| {
            let used = per_minute / (sending.pace.per_second * 60.0) * 100.0;
            format!(" ({used:.0}%)")
        });
        let estimated = if matches!(sends, Sends::Estimated(_)) { "about " } else { "" };
        self.plain("sends", format!("{estimated}{per_minute:.0}/min{}", used.unwrap_or_default()));
    }

    /// How many emails the account has sent since the last reading.
    pub(super) fn step(&mut self, history: &History, interval: Duration) {
        if let Some(sent) = history.sent_since_previous() {
            let seconds = interval.as_secs();
            self.plain("", format!("{sent:.0} emails in the last {seconds} s, of the account"));
        }
    }

    fn limit(&mut self, sending: &Sending) {
        let pace = sending.pace;
        let seconds = pace.window.get().as_secs();
        let (limit, per_minute) = (pace.limit, pace.per_minute());
        self.plain("limit", format!("{per_minute}/min, {limit} in {seconds} s"));
        if let Some(rate) = pace.account_rate {
            self.add("", format!("lowered: account's {rate}/s"), warning());
        }
    }

    pub(super) fn queue(&mut self, sending: &Sending) {
        let depth = sending.depth;
        let drain = about(sending.pace.duration_of(depth.total()));
        let drain = match depth.total() {
            0 => "it is empty".to_owned(),
            _ if sending.is_stopped() => format!("{drain} after sending resumes"),
            _ => format!("about {drain}"),
        };
        let hidden = depth.hidden + depth.delayed;
        self.plain("queue", format!("{} jobs", depth.total()));
        self.plain("", format!("{} ready, {hidden} hidden", depth.visible));
        self.plain("empty in", drain);
    }

    /// A line per hold.
    pub(super) fn holds(&mut self, sending: &Sending) {
        let style = if sending.is_stopped() { warning() } else { Style::new() };
        for hold in status::holds(sending) {
            self.add("held", hold, style);
        }
    }

    /// CloudWatch reports them per minute.
    fn workers(&mut self, history: &History, slots: u32) {
        let running = history.series(Figure::Workers).last().and_then(|point| point.value);
        let running = running.map_or("-".to_owned(), |running| format!("{running:.0}"));
        self.plain("workers", format!("{running} of {slots}"));
    }

    fn dead_letters(&mut self, history: &History) {
        let (emails, events) = (history.dead_letters(), history.feedback_dead_letters());
        let number =
            |depth: Option<Depth>| depth.map_or("?".to_owned(), |depth| depth.total().to_string());
        let any = [emails, events].into_iter().flatten().any(|depth| depth.total() > 0);
        let style = if any { warning() } else { Style::new() };
        self.add("dead", format!("{} emails, {} events", number(emails), number(events)), style);
    }

    fn quota(&mut self, history: &History) {
        let Some(account) = history.latest().and_then(|latest| latest.account) else { return };
        let sent = account.sent_last_24_hours;
        match account.daily_quota {
            Some(quota) => self.plain("account", format!("{sent:.0} of {quota:.0} in 24 h")),
            None => self.plain("account", format!("{sent:.0} in 24 h, no quota")),
        }
    }
}

/// At spaces. A longer word is cut off by the terminal's edge.
fn broken(text: &str, width: usize) -> Vec<String> {
    let width = width.max(MIN_TEXT_WIDTH);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a first line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The counts of the settled minutes that are known.
pub(super) fn last_hour(history: &History) -> Vec<Line<'static>> {
    let total = |figure| history.total(figure);
    let failed = || Some((total(Figure::Attempts)? - total(Figure::Accepted)?).max(0.0));
    let rows = [
        ("enrolled", total(Figure::Enrolled)),
        ("accepted", total(Figure::Accepted)),
        ("delivered", total(Figure::Delivered)),
        ("bounced", total(Figure::Bounced)),
        ("complaints", total(Figure::Complained)),
        ("rejected", total(Figure::Rejected)),
        ("suppressed", total(Figure::Suppressed)),
        ("failed attempts", failed()),
    ];
    if rows.iter().all(|(_, total)| total.is_none()) {
        return vec![Line::from("no metrics yet").dim()];
    }
    let rows = rows.map(|(name, total)| {
        let total = total.map_or("-".to_owned(), |total| format!("{total:.0}"));
        Line::from_iter([Span::from(format!("{name:<17}")).dim(), format!("{total:>9}").into()])
    });
    rows.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_keeps_every_word() {
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("", 7), [""]);
        let long = "a word-that-is-longer-than-the-line b";
        assert_eq!(broken(long, 12), ["a", "word-that-is-longer-than-the-line", "b"]);
    }
}
