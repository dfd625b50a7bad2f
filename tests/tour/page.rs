//! The blocks of the page.

use std::fmt;

const FENCE: &str = "```";

/// A block of the page, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// A command, and what it prints. Without the latter it does not matter.
    Typed { command: String, how: Typing, prints: Option<String> },
    /// What a terminal has printed since the block before of that terminal.
    Printed { terminal: String, text: String },
}

/// How a command is typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    /// Into the second terminal.
    Once,
    /// The same, until it prints what it should.
    Repeat,
    /// Into the terminal of that name.
    In(String),
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed { command, .. } => write!(f, "$ {command}"),
            Self::Printed { terminal, text } => write!(f, "{terminal}: {text}"),
        }
    }
}

/// The blocks, or why the page cannot be read.
pub(crate) fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix(FENCE) else { continue };
        let body: Vec<_> = lines.by_ref().take_while(|line| line.trim() != FENCE).collect();
        let body = body.join("\n");
        match info.split_whitespace().collect::<Vec<_>>()[..] {
            ["sh", ref how @ ..] => {
                blocks.push(Block::Typed { command: body, how: typing(how)?, prints: None });
            }
            ["text"] => match blocks.last_mut() {
                Some(Block::Typed { prints: prints @ None, .. }) => *prints = Some(body),
                _ => return Err(format!("no command printed this: {body}")),
            },
            ["text", terminal] => {
                blocks.push(Block::Printed { terminal: terminal.to_owned(), text: body });
            }
            _ => return Err(format!("nothing runs or compares this block: {info}: {body}")),
        }
    }
    match blocks.iter().find(|block| is_endless(block)) {
        Some(block) => Err(format!("it must say what it prints: {block}")),
        None => Ok(blocks),
    }
}

fn typing(how: &[&str]) -> Result<Typing, String> {
    match how {
        [] => Ok(Typing::Once),
        ["repeat"] => Ok(Typing::Repeat),
        [name] if name.ends_with("-terminal") => Ok(Typing::In((*name).to_owned())),
        _ => Err(format!("nobody knows how to type a block of {how:?}")),
    }
}

/// Whether it would be unknown when the page may go on.
fn is_endless(block: &Block) -> bool {
    matches!(block, Block::Typed { how: Typing::Repeat | Typing::In(_), prints: None, .. })
}

#[test]
fn page_is_its_blocks_in_order() {
    let page = "# Tour\n\n```sh first-terminal\nmake run\n```\ntext\n```text\nAPI: …\n```\n\n```sh\na\nb\n```\n\
                ```sh repeat\nc\n```\n\n```text\nd\n```\n\n```text first-terminal\ne\n```\n";
    let typed = |command: &str, how, prints: Option<&str>| Block::Typed {
        command: command.to_owned(),
        how,
        prints: prints.map(str::to_owned),
    };
    let expected = vec![
        typed("make run", Typing::In("first-terminal".to_owned()), Some("API: …")),
        typed("a\nb", Typing::Once, None),
        typed("c", Typing::Repeat, Some("d")),
        Block::Printed { terminal: "first-terminal".to_owned(), text: "e".to_owned() },
    ];
    assert_eq!(blocks(page).unwrap(), expected);
}

#[test]
fn block_that_would_not_be_run_or_compared_is_refused() {
    for page in [
        "```bash\na\n```",
        "```\na\n```",
        "```text\na\n```",
        "```sh\na\n```\n```text\nb\n```\n```text\nc\n```",
        "```sh repeat\na\n```",
        "```sh first-terminal\na\n```",
        "```sh backwards\na\n```",
    ] {
        assert!(blocks(page).is_err(), "{page}");
    }
}
