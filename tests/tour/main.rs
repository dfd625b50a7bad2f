//! Runs docs/tour.md as a reader would, and compares what it prints with what the page says.
//!
//! - A block ` ```sh ` is typed into the second terminal, one after the other. It must end with status 0.
//! - A block ` ```text ` after it is everything that it prints, on standard output and standard error. `…` stands for any
//!   text within a line, and a line that is only `…` for any number of lines.
//! - ` ```sh repeat ` is repeated until it prints that: the page says what it waits for.
//! - ` ```sh first-terminal ` is typed into a terminal of that name. The page goes on once it has printed that, whether or
//!   not it has ended. ` ```text first-terminal ` is what it has printed since.
//!
//! The page has no other blocks. `make run` uses the port in the variable `PORT`, like every command of the page.

mod output;
mod page;
mod terminal;

use std::{
    collections::HashMap,
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use output::matches;
use page::{Block, Typing};
use terminal::Terminal;

const PAGE: &str = include_str!("../../docs/tour.md");
/// The longest step: `make run` compiles everything first, and a thousand emails take more than three minutes.
const MAX_STEP: Duration = Duration::from_mins(20);
const MAX_REPETITION: Duration = Duration::from_mins(3);
const SECOND: &str = "second-terminal";

#[derive(Default)]
struct Tour {
    terminals: HashMap<String, Terminal>,
}

impl Tour {
    fn terminal(&mut self, name: &str) -> &mut Terminal {
        self.terminals.entry(name.to_owned()).or_insert_with(Terminal::open)
    }

    fn walk(&mut self, block: &Block) {
        let begun = Instant::now();
        match block {
            Block::Typed { command, how: Typing::Once, prints } => {
                let (printed, status) = self.terminal(SECOND).run(command, MAX_STEP);
                assert_eq!(status, 0, "{command}\nprinted:\n{printed}");
                if let Some(expected) = prints {
                    assert!(matches(expected, &printed), "{}", difference(expected, &printed));
                }
            }
            Block::Typed { command, how: Typing::Repeat, prints } => {
                let expected = prints.as_deref().unwrap_or_default();
                self.repeat(command, expected);
            }
            Block::Typed { command, how: Typing::In(name), prints } => {
                let terminal = self.terminal(name);
                terminal.begin(command);
                terminal.expect(prints.as_deref().unwrap_or_default(), MAX_STEP);
            }
            Block::Printed { terminal, text } => self.terminal(terminal).expect(text, MAX_STEP),
        }
        let _ = writeln!(io::stdout(), "{block}  # {} s", begun.elapsed().as_secs());
    }

    fn repeat(&mut self, command: &str, expected: &str) {
        let deadline = Instant::now() + MAX_REPETITION;
        loop {
            let (printed, _) = self.terminal(SECOND).run(command, MAX_STEP);
            if matches(expected, &printed) {
                return;
            }
            assert!(Instant::now() < deadline, "{command}\n{}", difference(expected, &printed));
            thread::sleep(Duration::from_millis(500));
        }
    }
}

fn difference(expected: &str, printed: &str) -> String {
    format!("docs/tour.md says:\n{expected}\n\nbut it printed:\n{printed}\n")
}

#[test]
#[ignore = "starts a stack of its own: make journeys"]
fn every_command_of_the_tour_prints_what_the_page_says() {
    let mut tour = Tour::default();
    for block in page::blocks(PAGE).expect("the page can be read") {
        tour.walk(&block);
    }
    for (name, terminal) in tour.terminals {
        assert!(terminal.close(MAX_STEP), "{name} did not end");
    }
}

#[test]
fn page_has_only_blocks_that_are_run_or_compared() {
    let blocks = page::blocks(PAGE).unwrap();
    let typed = |block: &&Block| matches!(block, Block::Typed { .. });
    assert!(blocks.iter().filter(typed).count() > 10, "{blocks:?}");
}
