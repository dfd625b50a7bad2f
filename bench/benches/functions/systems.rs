//! The systems that are compared: the function, the least that a Rust function costs, and peers that do the same work.

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use bench::{Dependencies, Program};
use flate2::{Compression, write::DeflateEncoder};

use crate::options::Options;

/// One system.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    /// Without an interpreter, whose instructions callgrind cannot follow in a useful time.
    pub(crate) is_native: bool,
    /// What is uploaded.
    package: Vec<PathBuf>,
}

impl System {
    /// The size of the package, compressed as in a zip.
    pub(crate) fn package_bytes(&self) -> io::Result<usize> {
        let mut compressed = DeflateEncoder::new(Vec::new(), Compression::default());
        for file in &self.package {
            io::copy(&mut File::open(file)?, &mut compressed)?;
            compressed.flush()?;
        }
        Ok(compressed.finish()?.len())
    }
}

/// Every system that can run here. Says why another cannot.
pub(crate) fn every(
    options: &Options,
    dependencies: &Dependencies,
) -> Result<Vec<System>, Box<dyn Error>> {
    let variables = dependencies.enroll_variables();
    let rust = |name, binary: &str| {
        let binary = options.binaries.join(binary);
        let program = Program::new([&binary]).with(variables.clone());
        binary.exists().then_some(System { name, program, is_native: true, package: vec![binary] })
    };
    let ours = rust("**Registrar**, `enroll`", "enroll");
    let mut systems = vec![ours.ok_or("no release binary of enroll; `make bench` builds it")?];
    systems.extend(rust("Rust that calls nothing (`hello`)", "hello"));
    if options.peers {
        for peers in [node(&variables), python(&variables)] {
            match peers {
                Ok(peers) => systems.extend(peers),
                Err(why) => eprintln!("skipped: {why}"),
            }
        }
    }
    Ok(systems)
}

type Variables = [(&'static str, String)];

fn node(variables: &Variables) -> Result<Vec<System>, Box<dyn Error>> {
    let directory = peers("node");
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&directory))?;
    run(Command::new("npm").args(["run", "build"]).current_dir(&directory))?;
    let bundle = |name, file: &str| {
        let bundle = directory.join("dist").join(file);
        let program = Program::new([Path::new("node"), &bundle]).with(variables.to_vec());
        System { name, program, is_native: false, package: vec![bundle] }
    };
    Ok(vec![
        bundle("Node, AWS SDK v3", "plain.cjs"),
        bundle("Node, AWS SDK v3, Powertools", "powertools.cjs"),
    ])
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
    let script = directory.join("enroll.py");
    let program = Program::new([&interpreter, &script]).with(variables.to_vec());
    // Lambda's Python runtime brings boto3.
    Ok(vec![System { name: "Python, boto3", program, is_native: false, package: vec![script] }])
}

fn peers(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output = command.output().map_err(|why| format!("{command:?}: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
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
