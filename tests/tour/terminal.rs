//! A shell that commands are typed into.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read, Write},
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{difference, output::matches};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// A line that the shell prints after a command, followed by its status.
const ENDED: &str = "--- the command ended with status ";

/// What the shell and its commands have printed, and a signal that there is more.
type Screen = Arc<(Mutex<String>, Condvar)>;

pub(crate) struct Terminal {
    shell: Child,
    keyboard: io::PipeWriter,
    screen: Screen,
    /// How much of the screen was compared.
    read: usize,
    /// The ids of the commands that were ended.
    terminated: HashSet<String>,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let (screen_end, screen_of_shell) = io::pipe().expect("a pipe");
        let (keyboard_of_shell, keyboard) = io::pipe().expect("a pipe");
        let errors = screen_of_shell.try_clone().expect("a pipe can be cloned");
        let shell = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(ROOT)
            // Those of a `make` around the test change what a `make` of the page prints.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env_remove("MFLAGS")
            .stdin(keyboard_of_shell)
            .stdout(screen_of_shell)
            .stderr(errors)
            .spawn()
            .expect("bash starts");
        let screen = Screen::default();
        let shared = Arc::clone(&screen);
        thread::spawn(move || copy(screen_end, &shared));
        Self { shell, keyboard, screen, read: 0, terminated: HashSet::new() }
    }

    /// Types a command, and does not wait for its end.
    pub(crate) fn begin(&mut self, command: &str) {
        // A command must not read what is typed after it.
        self.press(&format!("{{\n{command}\n}} </dev/null\n"));
    }

    /// Types a command, and returns what it printed and its status.
    pub(crate) fn run(&mut self, command: &str, max_wait: Duration) -> (String, i32) {
        self.begin(command);
        self.press(&format!("printf '\\n{ENDED}%s\\n' $?\n"));
        let ended = self.wait(max_wait, |printed| {
            let (output, status) = printed.split_once(ENDED)?;
            let (status, _) = status.split_once('\n')?;
            let length = output.len() + ENDED.len() + status.len() + 1;
            Some((output.to_owned(), status.parse().expect("a status"), length))
        });
        let (output, status, length) =
            ended.unwrap_or_else(|printed| panic!("{command} did not end:\n{printed}"));
        self.read += length;
        (output, status)
    }

    /// Waits until this, and nothing else, was printed since the text before.
    pub(crate) fn expect(&mut self, expected: &str, max_wait: Duration) {
        let length =
            self.wait(max_wait, |printed| matches(expected, printed).then_some(printed.len()));
        self.read += length.unwrap_or_else(|printed| panic!("{}", difference(expected, &printed)));
    }

    /// Ends the command in progress and the shell. Returns whether both have ended.
    pub(crate) fn close(mut self, max_wait: Duration) -> bool {
        self.begin("exit");
        let deadline = Instant::now() + max_wait;
        while Instant::now() < deadline {
            if self.shell.try_wait().is_ok_and(|status| status.is_some()) {
                return true;
            }
            // The shell may just be about to start a command.
            self.terminate();
            thread::sleep(Duration::from_millis(100));
        }
        false
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the shell reads");
    }

    /// Looks at what was printed and not compared yet, whenever there is more, until `find` returns something. `Err` is all
    /// that was printed by the end of the time.
    fn wait<T>(&self, max_wait: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + max_wait;
        let (screen, more) = &*self.screen;
        let mut printed = screen.lock().expect("no thread panics with it");
        loop {
            let new = &printed[self.read..];
            if let Some(found) = find(new) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(new.to_owned());
            }
            (printed, _) = more.wait_timeout(printed, left).expect("no thread panics with it");
        }
    }

    /// Ends each command once, so that it can end what it has started. `make` passes the signal on.
    fn terminate(&mut self) {
        let shell = self.shell.id();
        let path = format!("/proc/{shell}/task/{shell}/children");
        for child in fs::read_to_string(path).unwrap_or_default().split_whitespace() {
            if self.terminated.insert(child.to_owned()) {
                let _ = Command::new("kill").args(["-TERM", child]).status();
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.terminate();
    }
}

fn copy(mut from: impl Read, screen: &Screen) {
    let mut bytes = [0; 4096];
    let mut incomplete = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        incomplete.extend_from_slice(&bytes[..count]);
        // A character may end in the next part.
        let complete = match str::from_utf8(&incomplete) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text: Vec<u8> = incomplete.drain(..complete).collect();
        screen
            .0
            .lock()
            .expect("no thread panics with it")
            .push_str(&String::from_utf8_lossy(&text));
        screen.1.notify_all();
    }
}

#[test]
fn command_prints_and_has_a_status_and_the_next_one_is_in_the_same_shell() {
    let (mut terminal, wait) = (Terminal::open(), Duration::from_mins(1));
    assert_eq!(terminal.run("name=Ada; echo 'to ü' >&2; false", wait), ("to ü\n\n".to_owned(), 1));
    assert_eq!(terminal.run("cat; echo \"$name\"", wait), ("Ada\n\n".to_owned(), 0));
    terminal.begin("echo started; sleep 600");
    terminal.expect("started", wait);
    assert!(terminal.close(wait), "a command that does not end by itself");
}
