//! The systems that are measured: the functions, the least that a Rust function costs, and peers that do the work of
//! `enroll`.

use std::{
    error::Error,
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use bench::{Dependencies, Program, Redis, child::run, events};
use flate2::{Compression, write::DeflateEncoder};
use serde_json::Value;

use crate::options::Options;

/// What a system does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Enrolls a student in a free course.
    Enroll,
    /// Sends an email.
    Email,
}

impl Work {
    /// The nth event. Each is about another student, or another email.
    pub(crate) fn event(self, n: usize) -> io::Result<Value> {
        match self {
            Self::Enroll => events::enroll(n),
            Self::Email => events::email(n),
        }
    }

    /// Whether this is the response to work that was done.
    pub(crate) fn is_done(self, response: &Value) -> bool {
        match self {
            Self::Enroll => response["statusCode"] == 201,
            Self::Email => response["batchItemFailures"].as_array().is_some_and(Vec::is_empty),
        }
    }
}

/// One system.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) work: Work,
    /// Without an interpreter, whose instructions callgrind cannot follow in a useful time.
    pub(crate) is_native: bool,
    /// What is uploaded.
    package: PathBuf,
    /// What else runs while it is measured.
    _service: Option<Redis>,
}

impl System {
    /// The name of the file that is uploaded.
    pub(crate) fn file_name(&self) -> &OsStr {
        self.package.file_name().unwrap_or_default()
    }

    /// The size of the package, compressed as in a zip.
    pub(crate) fn package_bytes(&self) -> io::Result<usize> {
        let mut compressed = DeflateEncoder::new(Vec::new(), Compression::default());
        io::copy(&mut File::open(&self.package)?, &mut compressed)?;
        Ok(compressed.finish()?.len())
    }
}

/// Every system that can run here, beginning with `enroll`. Says why another cannot.
pub(crate) async fn every(
    options: &Options,
    dependencies: &mut Dependencies,
) -> Result<Vec<System>, Box<dyn Error>> {
    let enroll = dependencies.enroll_variables();
    let ours = rust(options, "**Registrar**, `enroll`", "enroll", Work::Enroll, &enroll);
    let mut systems = vec![ours.ok_or("no release binary of enroll; `make bench` builds it")?];
    let hello = "Rust that calls nothing (`hello`)";
    systems.extend(rust(options, hello, "hello", Work::Enroll, &enroll));
    if options.peers {
        for peers in [node(&enroll), express(dependencies, &enroll).await, python(&enroll)] {
            match peers {
                Ok(peers) => systems.extend(peers),
                Err(why) => eprintln!("skipped: {why}"),
            }
        }
    }
    let email = dependencies.worker_variables();
    let worker = "**Registrar**, `email-worker`";
    systems.extend(rust(options, worker, "email-worker", Work::Email, &email));
    Ok(systems)
}

type Variables = [(&'static str, String)];

/// `None` without its release binary.
fn rust(
    options: &Options,
    name: &'static str,
    binary: &str,
    work: Work,
    variables: &Variables,
) -> Option<System> {
    let package = options.binaries.join(binary);
    let program = Program::new([&package]).with(variables.to_vec());
    let system = System { name, program, work, is_native: true, package, _service: None };
    system.package.exists().then_some(system)
}

/// A peer in a language with an interpreter, which does the work of `enroll`.
fn peer(name: &'static str, interpreter: &Path, package: PathBuf, variables: &Variables) -> System {
    let program = Program::new([interpreter, &package]).with(variables.to_vec());
    System { name, program, work: Work::Enroll, is_native: false, package, _service: None }
}

fn node(variables: &Variables) -> Result<Vec<System>, Box<dyn Error>> {
    let directory = peers("node");
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&directory))?;
    run(Command::new("npm").args(["run", "build"]).current_dir(&directory))?;
    let bundles = [("Node, AWS SDK v3", "plain"), ("Node, AWS SDK v3, Powertools", "powertools")];
    let bundles = bundles.map(|(name, file)| peer(name, Path::new(NODE), bundle(file), variables));
    Ok(bundles.into())
}

/// Needs what [`node`] has built.
async fn express(
    dependencies: &mut Dependencies,
    variables: &Variables,
) -> Result<Vec<System>, Box<dyn Error>> {
    let redis = Redis::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    let (host, port) = dependencies.open(redis.address()).await?;
    let mut variables = variables.to_vec();
    variables.extend([("REDIS_HOST", host.to_owned()), ("REDIS_PORT", port.to_string())]);
    let name = "Express, BullMQ, Redis";
    let system = peer(name, Path::new(NODE), bundle("express"), &variables);
    Ok(vec![System { _service: Some(redis), ..system }])
}

const NODE: &str = "node";

fn bundle(name: &str) -> PathBuf {
    peers("node").join("dist").join(name).with_extension("cjs")
}

fn python(variables: &Variables) -> Result<Vec<System>, Box<dyn Error>> {
    let directory = peers("python");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let interpreter = environment.join("bin/python");
    if !interpreter.exists() {
        run(Command::new("python3").arg("-m").arg("venv").arg(&environment))?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "-r", "requirements.txt"];
    run(Command::new(&interpreter).args(pip).current_dir(&directory))?;
    // Lambda's Python runtime brings boto3.
    let script = directory.join("enroll.py");
    Ok(vec![peer("Python, boto3", &interpreter, script, variables)])
}

fn peers(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// `rustc --version` and so on.
pub(crate) fn version(command: &str) -> String {
    let output = Command::new(command).arg("--version").output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// The processor's name, and how many there are.
pub(crate) fn machine() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = information.lines().filter_map(|line| line.strip_prefix("model name"));
    let models: Vec<_> = models.map(|model| model.trim_start_matches([' ', '\t', ':'])).collect();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{} of {}, load {load}",
        models.len(),
        models.first().unwrap_or(&std::env::consts::ARCH)
    )
}
