//! The start and the requests of the functions, from outside, `enroll` beside peers that do the same work. Prints the tables
//! of docs/benchmarks.md.
//!
//! ```text
//! cargo bench -p registrar-bench --bench functions -- [--runs 11] [--warm 300] [--round-trip-ms 0] [--period-ms 100]
//!     [--no-resumption] [--no-peers] [--binaries DIRECTORY] [--write docs/benchmarks.md]
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]
#![expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]

mod measure;
mod options;
mod report;
mod systems;

use std::{error::Error, path::Path};

use bench::{Authority, Dependencies};

use crate::{
    measure::{Events, measure},
    options::Options,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let authority = Authority::create(Path::new(env!("CARGO_TARGET_TMPDIR")), options.resumes)?;
    let mut dependencies = Dependencies::start(authority, options.round_trip).await?;
    let mut events = Events::default();
    let mut figures = Vec::new();
    for system in systems::every(&options, &mut dependencies).await? {
        eprintln!("measuring {}", system.name);
        match measure(&system, &dependencies, &options, &mut events).await {
            Ok(measured) => figures.push(measured),
            Err(why) if figures.is_empty() => return Err(why),
            Err(why) => eprintln!("skipped: {}: {why}", system.name),
        }
    }
    let tables = report::tables(&figures, &options);
    println!("{tables}");
    if let Some(document) = &options.write {
        report::write(document, &tables)?;
    }
    dependencies.stop().await;
    Ok(())
}
