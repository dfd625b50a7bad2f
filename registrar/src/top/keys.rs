//! The terminal's keys.

use std::{io, thread, time::Duration};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc::UnboundedSender;

use super::message::{Action, Input, Tab};

/// How long the thread waits for a key before it checks whether the command has ended.
const PATIENCE: Duration = Duration::from_millis(200);

/// Sends the terminal's events, from a thread of their own: reading a terminal blocks. The thread ends with the
/// receiver, or if the terminal cannot be read.
pub(super) fn read_keys(inputs: UnboundedSender<Input>) -> io::Result<()> {
    let read = move || -> io::Result<()> {
        while !inputs.is_closed() {
            if event::poll(PATIENCE)?
                && let Some(input) = input(&event::read()?)
                && inputs.send(input).is_err()
            {
                break;
            }
        }
        Ok(())
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read)?;
    Ok(())
}

fn input(event: &Event) -> Option<Input> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => action(*key).map(Input::Action),
        Event::Resize(..) => Some(Input::Resized),
        _ => None,
    }
}

fn action(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Action::Quit);
    }
    Some(match key.code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Esc => Action::Close,
        KeyCode::Char('?') => Action::Help,
        KeyCode::Char('p') => Action::Pause,
        KeyCode::Char(digit @ '1'..='4') => {
            Action::Select(Tab::ALL[usize::from(digit as u8 - b'1')])
        }
        KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => Action::NextTab,
        KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => Action::PreviousTab,
        KeyCode::Down | KeyCode::Char('j') => Action::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Scroll(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => Action::Scroll(10),
        KeyCode::PageUp => Action::Scroll(-10),
        KeyCode::Home => Action::Scroll(isize::MIN),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_actions_and_unknown_ones_are_none() {
        let key = |code| action(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(key(KeyCode::Char('q')), Some(Action::Quit));
        assert_eq!(key(KeyCode::Char('1')), Some(Action::Select(Tab::Overview)));
        assert_eq!(key(KeyCode::Char('4')), Some(Action::Select(Tab::Payments)));
        assert_eq!(key(KeyCode::Char('5')), None);
        assert_eq!(key(KeyCode::BackTab), Some(Action::PreviousTab));
        let control = |code| action(KeyEvent::new(code, KeyModifiers::CONTROL));
        assert_eq!(control(KeyCode::Char('c')), Some(Action::Quit));
        assert_eq!(control(KeyCode::Char('q')), None);
    }

    #[test]
    fn released_key_is_no_second_action() {
        let key = |kind| {
            let key = KeyEvent::new_with_kind(KeyCode::Tab, KeyModifiers::NONE, kind);
            input(&Event::Key(key))
        };
        assert!(key(KeyEventKind::Press).is_some() && key(KeyEventKind::Release).is_none());
        assert!(matches!(input(&Event::Resize(80, 24)), Some(Input::Resized)));
    }
}
