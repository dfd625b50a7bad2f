//! The terminal: found, taken over, and given back as it was, whatever ends the command.

use std::{
    fs::File,
    io, panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

/// The process's terminal, wherever its streams go.
const TERMINAL: &str = "/dev/tty";

#[derive(Debug, thiserror::Error)]
#[error("there is no terminal to draw on{why}: `registrar status` prints the state once")]
pub(crate) struct TerminalError {
    why: String,
}

impl TerminalError {
    pub(super) fn none() -> Self {
        Self { why: String::new() }
    }
}

/// Returns the terminal, without a change to it.
pub(super) fn find() -> Result<File, TerminalError> {
    let found = File::options().read(true).write(true).open(TERMINAL);
    found.map_err(|error| TerminalError { why: format!(" ({TERMINAL}: {error})") })
}

/// The terminal in raw mode, with the alternate screen. It is restored on drop, and before the message of a
/// panic.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<File>>,
    _restored: Restored,
}

impl Screen {
    pub(super) fn enter(terminal: File) -> io::Result<Self> {
        let mut drawn_on = terminal.try_clone()?;
        let restored = Restored::after(move || {
            // There is nobody left to report an error to.
            let _ = execute!(&terminal, LeaveAlternateScreen, Show);
            let _ = disable_raw_mode();
        });
        enable_raw_mode()?;
        execute!(drawn_on, EnterAlternateScreen)?;
        let terminal = Terminal::new(CrosstermBackend::new(drawn_on))?;
        Ok(Self { terminal, _restored: restored })
    }

    pub(super) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<File>> {
        &mut self.terminal
    }
}

/// Calls a function once: on drop, or before a panic is reported, whichever comes first. A panic's message is
/// lost on the alternate screen.
struct Restored {
    restore: Arc<Restore>,
}

struct Restore {
    done: AtomicBool,
    restore: Box<dyn Fn() + Send + Sync>,
}

impl Restored {
    fn after(restore: impl Fn() + Send + Sync + 'static) -> Self {
        let restore =
            Arc::new(Restore { done: AtomicBool::new(false), restore: Box::new(restore) });
        let (on_panic, report) = (Arc::clone(&restore), panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            on_panic.once();
            report(info);
        }));
        Self { restore }
    }
}

impl Restore {
    fn once(&self) {
        if !self.done.swap(true, Ordering::SeqCst) {
            (self.restore)();
        }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        self.restore.once();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn terminal_is_restored_once_by_a_panic_and_before_its_message() {
        static RESTORED: AtomicU32 = AtomicU32::new(0);
        static AT_THE_MESSAGE: AtomicU32 = AtomicU32::new(9);
        panic::set_hook(Box::new(|_| {
            AT_THE_MESSAGE.store(RESTORED.load(Ordering::SeqCst), Ordering::SeqCst);
        }));
        let caught = panic::catch_unwind(|| {
            let _restored = Restored::after(|| {
                RESTORED.fetch_add(1, Ordering::SeqCst);
            });
            panic!("a defect");
        });
        drop(panic::take_hook());
        assert!(caught.is_err());
        assert_eq!(AT_THE_MESSAGE.load(Ordering::SeqCst), 1);
        assert_eq!(RESTORED.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn error_names_the_command_that_needs_no_terminal() {
        let error = TerminalError::none().to_string();
        assert_eq!(
            error,
            "there is no terminal to draw on: `registrar status` prints the state once"
        );
    }
}
