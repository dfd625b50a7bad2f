//! The tables of docs/benchmarks.md.

use std::{fmt::Write, fs, io, path::Path};

use bench::Spread;

use crate::{
    measure::{Figures, Starts},
    options::Options,
    systems,
};

const BEGIN: &str = "<!-- functions: written by `make bench` -->";
const END: &str = "<!-- functions: end -->";

/// The tables: the ratios to Registrar first, then the figures.
pub(crate) fn tables(figures: &[Figures], options: &Options) -> String {
    let mut text = String::new();
    ratios(&mut text, figures);
    starts(&mut text, figures);
    later(&mut text, figures);
    sizes(&mut text, figures);
    let _ = writeln!(
        text,
        "{} starts per cell and {} later requests; a round trip takes {} ms longer than on loopback; the period of the quota \
         is {} ms. {}; {}, Node {}, {}.",
        options.runs,
        options.warm,
        options.round_trip.as_millis(),
        options.period.as_millis(),
        systems::machine(),
        systems::version("rustc"),
        systems::version("node"),
        systems::version("python3"),
    );
    text
}

fn ratios(text: &mut String, figures: &[Figures]) {
    let Some(ours) = figures.first() else { return };
    row(
        text,
        &[
            "times of Registrar's",
            "init and first answer",
            "with 1/7",
            "with 1/14",
            "first answer, with 1/14",
            "processor per later request",
            "memory",
            "package",
        ],
    );
    row(text, &["---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"]);
    for peer in figures.iter().filter(|peer| peer.work == ours.work) {
        let started = |divisor| {
            let with = |starts: &Starts| starts.init.median + starts.first.median;
            compare(with_share(peer, divisor).map(with), with_share(ours, divisor).map(with))
        };
        let first = |figures| with_share(figures, 14).map(|starts| starts.first.median);
        let ratio = |of: fn(&Figures) -> f64| compare(Some(of(peer)), Some(of(ours)));
        row(
            text,
            &[
                peer.name,
                &started(1),
                &started(7),
                &started(14),
                &compare(first(peer), first(ours)),
                &ratio(|figures| figures.later.processor),
                &ratio(|figures| figures.peak_memory as f64),
                &ratio(|figures| figures.package as f64),
            ],
        );
    }
    text.push('\n');
}

/// What was measured with one share of the core.
fn with_share(figures: &Figures, divisor: u32) -> Option<&Starts> {
    figures.starts.iter().find(|starts| starts.share.divisor == divisor)
}

/// How many times ours a figure is.
fn compare(peer: Option<f64>, ours: Option<f64>) -> String {
    match peer.zip(ours).map(|(peer, ours)| peer / ours) {
        Some(ratio) if ratio < 1.0 => format!("{ratio:.2}"),
        Some(ratio) => format!("{ratio:.1}"),
        None => "–".to_owned(),
    }
}

fn starts(text: &mut String, figures: &[Figures]) {
    row(
        text,
        &[
            "system",
            "share",
            "init, whole core",
            "first answer, with the share",
            "both, with the share throughout",
        ],
    );
    row(text, &["---", "---:", "---:", "---:", "---:"]);
    for system in figures {
        for starts in &system.starts {
            row(
                text,
                &[
                    system.name,
                    &starts.share.to_string(),
                    &spread(starts.init),
                    &spread(starts.first),
                    &spread(starts.throughout),
                ],
            );
        }
    }
    text.push('\n');
}

fn later(text: &mut String, figures: &[Figures]) {
    row(
        text,
        &[
            "later requests, whole core",
            "p50",
            "p99",
            "p50 beyond the calls",
            "processor",
            "bytes out and in",
            "round trips",
        ],
    );
    row(text, &["---", "---:", "---:", "---:", "---:", "---:", "---:"]);
    for system in figures {
        let later = &system.later;
        row(
            text,
            &[
                system.name,
                &format!("{:.2} ms", later.duration.median),
                &format!("{:.2} ms", later.duration.p99),
                &format!("{:.2} ms", later.overhead.median),
                &format!("{:.2} ms", later.processor),
                &format!("{} and {}", later.traffic.received, later.traffic.sent),
                &later.traffic.round_trips().to_string(),
            ],
        );
    }
    text.push('\n');
}

fn sizes(text: &mut String, figures: &[Figures]) {
    row(
        text,
        &[
            "system",
            "package",
            "memory",
            "processor until the first answer",
            "round trips in init",
            "of the first request",
            "instructions until the first answer",
            "per later request",
        ],
    );
    row(text, &["---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"]);
    for system in figures {
        row(
            text,
            &[
                system.name,
                &format!("{:.2} MB", system.package as f64 / 1e6),
                &format!("{:.1} MB", system.peak_memory as f64 / 1e6),
                &spread(system.start_processor),
                &system.init_traffic.round_trips().to_string(),
                &system.first_traffic.round_trips().to_string(),
                &instructions(system.instructions.map(|counted| counted.first)),
                &instructions(system.instructions.map(|counted| counted.later)),
            ],
        );
    }
    text.push('\n');
}

fn row(text: &mut String, cells: &[&str]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn instructions(count: Option<u64>) -> String {
    count.map_or_else(|| "–".to_owned(), |count| format!("{:.2} million", count as f64 / 1e6))
}

/// Minimum, median and maximum.
fn spread(spread: Spread) -> String {
    format!("{:.1} / **{:.1}** / {:.1} ms", spread.min, spread.median, spread.max)
}

/// Replaces the tables in a document.
pub(crate) fn write(document: &Path, tables: &str) -> io::Result<()> {
    let text = fs::read_to_string(document)?;
    let missing = || io::Error::other(format!("{} has no {BEGIN} and {END}", document.display()));
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(document, format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))
}
