//! Instructions and size of the functions, against the figures in `baseline.json`. Both are of the test build, which
//! is not optimised: they find what a change adds, and cost no release build. docs/benchmarks.md has the figures of
//! the release build.
//!
//! `RECORD_BASELINE=1 cargo test --workspace --test baseline` writes the file after a change that is meant.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bench::{Authority, Dependencies, Program, callgrind, events};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/baseline.json");

/// How far instructions may be from their baseline, in percent. Hash maps are seeded at random, and what a socket
/// has ready differs from run to run.
const INSTRUCTIONS_TOLERANCE: u64 = 10;
/// The same of sizes, which differ only by the release of the compiler.
const SIZE_TOLERANCE: u64 = 3;
/// The later requests, over which the noise of the start is spread.
const LATER: usize = 20;

/// By architecture, then by the name of the figure.
type Figures = BTreeMap<String, BTreeMap<String, u64>>;

static FILE: Mutex<()> = Mutex::new(());

/// Compares the figures with those of the file, or writes them into it.
fn compare(tolerance: u64, figures: &[(&str, u64)]) {
    let _file = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all: Figures = serde_json::from_str(&fs::read_to_string(BASELINE).unwrap()).unwrap();
    let of_machine = all.entry(std::env::consts::ARCH.to_owned()).or_default();
    if std::env::var_os("RECORD_BASELINE").is_some() {
        of_machine.extend(figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)));
        fs::write(BASELINE, serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
        return;
    }
    for &(name, figure) in figures {
        let Some(&baseline) = of_machine.get(name) else {
            eprintln!("no baseline of {name} for this architecture; RECORD_BASELINE=1 writes it");
            continue;
        };
        let distance = (figure.abs_diff(baseline) * 100).div_ceil(baseline);
        assert!(
            distance <= tolerance,
            "{name}: {figure} instead of {baseline}; RECORD_BASELINE=1 records a change that is meant"
        );
    }
}

/// Whether instructions can be counted here.
fn counts() -> bool {
    let installed = callgrind::is_installed();
    if !installed {
        let required = std::env::var("REGISTRAR_VALGRIND").is_ok_and(|value| value == "required");
        assert!(!required, "Valgrind is required, and not installed");
        eprintln!("skipped: instructions are counted by Valgrind (Debian: valgrind)");
    }
    installed
}

#[tokio::test]
async fn enrollment_takes_as_many_instructions_as_recorded() {
    if !counts() {
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    fs::create_dir_all(&directory).unwrap();
    let authority = Authority::create(&directory, true).unwrap();
    let dependencies = Dependencies::start(authority, Duration::ZERO).await.unwrap();
    let program =
        Program::new([env!("CARGO_BIN_EXE_measured-enroll")]).with(dependencies.enroll_variables());
    // Both processes call the same stand-ins, so their students differ.
    let events = |numbers: std::ops::RangeInclusive<usize>| -> Vec<_> {
        numbers.map(|n| events::enroll(n).unwrap()).collect()
    };
    let (alone, all) = (events(1_000..=1_000), events(0..=LATER));
    let counted =
        callgrind::count(&program, &dependencies, &alone, &all, &directory).await.unwrap();
    compare(
        INSTRUCTIONS_TOLERANCE,
        &[
            ("enroll: instructions of the start and the first request", counted.first),
            ("enroll: instructions per later request", counted.later),
        ],
    );
}

#[test]
fn functions_are_as_large_as_recorded() {
    compare(
        SIZE_TOLERANCE,
        &[
            ("enroll: bytes of code and data", size(env!("CARGO_BIN_EXE_measured-enroll"))),
            ("email-worker: bytes of code and data", size(env!("CARGO_BIN_EXE_measured-worker"))),
        ],
    );
}

/// What is loaded of a binary: not the symbols, nor the lines of backtraces (`size` of the binutils, which the linker
/// comes with).
fn size(binary: &str) -> u64 {
    let output = Command::new("size").arg(binary).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers = text.lines().nth(1).unwrap().split_whitespace().take(2);
    numbers.map(|number| number.parse::<u64>().unwrap()).sum()
}
