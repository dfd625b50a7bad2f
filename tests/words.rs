//! The phrases that docs/style.md rejects, as far as a search can find them, in every file that people
//! read.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A phrase, in lower case, and what to write instead. A phrase that begins or ends with a letter
/// matches whole words only.
const PHRASES: [(&str, &str); 16] = [
    ("what is told", "the event, the report"),
    ("is told of", "learns of"),
    ("tells of", "reports"),
    ("told of", "reported"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("in hand", "in progress"),
    ("by hand", "by an operator, manually"),
    ("is no", "is not a"),
    ("for ever", "forever"),
    ("the original", "the name of what is meant"),
    ("server a", "the critical path"),
    ("server b", "the email path"),
    ("most_", "MAX_"),
    ("longest_", "MAX_"),
];

/// Plain English that contains a phrase.
const PLAIN: [&str; 2] = ["there is no ", "is no longer"];

/// Files that quote rejected phrases.
const QUOTING: [&str; 3] = ["docs/style.md", "CHANGELOG.md", "tests/words.rs"];

const READ: [&str; 9] = ["rs", "md", "py", "yaml", "toml", "json", "txt", "html", "mjs"];

#[test]
fn no_file_has_a_phrase_that_the_style_rejects() {
    let root = fs::canonicalize(ROOT).unwrap();
    let mut found = Vec::new();
    for file in files(&root) {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        if QUOTING.contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let line = PLAIN.iter().fold(line, |line, plain| line.replace(plain, ""));
            let phrases = PHRASES.iter().filter(|(phrase, _)| has(&line, phrase));
            for (phrase, instead) in phrases {
                found.push(format!("{name}:{}: `{phrase}`: write {instead}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "docs/style.md rejects:\n{}", found.join("\n"));
}

/// Whether the line has the phrase as whole words.
fn has(line: &str, phrase: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric();
    line.match_indices(phrase).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + phrase.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || c == '_')
            && (phrase.ends_with('_') || !after.is_some_and(is_word))
    })
}

fn files(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if READ.iter().any(|extension| name.ends_with(&format!(".{extension}"))) {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn phrase_matches_whole_words_only() {
    assert!(has("pub const most_sends: u32", "most_"));
    assert!(!has("a recommendation", "mend"));
    assert!(has("this is no job", "is no"));
    assert!(!has("this is not a job", "is no"));
    assert!(!has("this is now a job", "is no"));
}
