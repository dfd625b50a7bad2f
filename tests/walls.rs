//! The walls of the workspace: which packages may depend on which, the list of third-party crates, and
//! no circular imports between two files.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every third-party crate that production code depends on directly, and its purpose. Add a line for a
/// new one only if it is maintained, has a permissive licence, and is worth its size in every function.
const PRODUCTION_DEPENDENCIES: [(&str, &str); 47] = [
    ("askama", "email templates and pages of the console, checked at compile time"),
    ("aws-config", "region, credentials and endpoints, as in every AWS tool"),
    ("aws-sdk-cloudformation", "the command line finds the stack's outputs"),
    ("aws-sdk-cloudwatch", "hold-watch reads the alarms of the account's rates"),
    ("aws-sdk-dynamodb", "tables"),
    ("aws-sdk-eventbridge", "announcer puts events on the bus"),
    ("aws-sdk-lambda", "turns event source mappings off, for a hold and for `registrar pump`"),
    ("aws-sdk-secretsmanager", "Stripe's keys"),
    ("aws-sdk-sesv2", "sends emails"),
    ("aws-sdk-sqs", "queues"),
    ("aws-sdk-sts", "the command line finds who acts, for the history; aws-config brings it"),
    ("aws-smithy-async", "timers of the HTTP client in crates/stripe"),
    ("aws-smithy-http-client", "one HTTP client, with one TLS stack, for AWS and Stripe"),
    ("aws-smithy-runtime-api", "the HTTP client's types"),
    ("aws-smithy-types", "the HTTP client's bodies in crates/stripe; base64"),
    ("aws_lambda_events", "the shape of SQS events"),
    ("axum", "routes of the API and of the console"),
    ("clap", "the command line's arguments and help"),
    ("clap_complete", "completion of the command line in a shell"),
    ("csv", "the command line reads and writes tables of students and courses"),
    ("flate2", "`registrar audit` reads compressed logs"),
    ("futures-util", "several futures at once, without tasks"),
    ("hex", "digests as text"),
    ("hmac", "signatures of Stripe's webhooks"),
    ("http", "requests to Stripe"),
    ("hyper-util", "distinguishes a refused connection from a broken one"),
    ("icu_locale_core", "language tags; the normalizer brings it"),
    ("icu_normalizer", "names and titles in NFC; the tables are those that idna brings"),
    ("idna", "Unicode domains of addresses as Punycode"),
    ("indicatif", "progress bars of the command line"),
    ("lambda_http", "events of API Gateway as HTTP requests, and the responses"),
    ("lambda_runtime", "the functions on Lambda"),
    ("memchr", "`registrar audit` searches gigabytes of logs"),
    ("ratatui", "`registrar top` draws in the terminal"),
    ("saphyr", "`registrar pump` reads templates in YAML, with the tags of CloudFormation"),
    ("serde", "JSON and table items"),
    ("serde_dynamo", "table items"),
    ("serde_json", "JSON"),
    ("serde_urlencoded", "Stripe's request bodies"),
    ("sha2", "digests of addresses and of jobs; signatures of webhooks"),
    ("terminal_size", "the width of the command line's tables"),
    ("thiserror", "error types"),
    ("time", "times, and RFC 3339"),
    ("tokio", "the runtime"),
    ("tracing", "log events and spans"),
    ("tracing-subscriber", "writes them as Lambda's logging controls say; the runtime brings it"),
    ("uuid", "ids of enrollments (version 7); the console's token (version 4)"),
];

/// Packages without production code.
const TEST_PACKAGES: [&str; 5] = ["crashes", "hello", "journeys", "registrar-bench", "storm"];

/// A package, and the prefixes of the packages that must not be in its tree (`cargo tree -p PACKAGE`).
const WALLS: [(&str, &[&str]); 14] = [
    ("send-pacer", &["registrar", "aws-", "lambda_"]),
    ("registrar-unavailable", &["registrar-e", "registrar-s", "aws-", "lambda_", "tokio"]),
    ("registrar-invocation", &["registrar", "aws-", "lambda_"]),
    ("registrar-capacity", &["registrar-e", "registrar-stripe", "aws-", "lambda_", "tokio"]),
    ("registrar-sizing", &["registrar-e", "registrar-stripe", "aws-", "lambda_", "tokio"]),
    ("registrar-email", &["registrar-enrollment", "registrar-stripe", "aws-", "lambda_"]),
    ("registrar-email-templates", &["registrar-enrollment", "registrar-stripe", "aws-", "lambda_"]),
    ("registrar-enrollment", &["registrar-stripe", "aws-", "lambda_"]),
    ("registrar-stripe", &["registrar-adapters", "aws-sdk", "lambda_"]),
    ("email-worker", &["registrar-enrollment", "registrar-stripe", "lambda_http"]),
    ("email-feedback", &["registrar-enrollment", "registrar-stripe", "send-pacer", "lambda_http"]),
    ("announcer", &["registrar-stripe", "send-pacer", "lambda_http"]),
    ("hold-watch", &["registrar-enrollment", "registrar-stripe", "send-pacer", "lambda_http"]),
    ("registrar", &["lambda_"]),
];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).current_dir(ROOT).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn production_depends_only_on_listed_crates() {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let mut used = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        if TEST_PACKAGES.contains(&package["name"].as_str().unwrap()) {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_ours = !dependency["path"].is_null();
            if !is_ours && dependency["kind"] != "dev" {
                used.insert(dependency["name"].as_str().unwrap().to_owned());
            }
        }
    }
    let listed: BTreeSet<_> =
        PRODUCTION_DEPENDENCIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let new: Vec<_> = used.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&used).collect();
    assert!(new.is_empty(), "add these to PRODUCTION_DEPENDENCIES, with the reason: {new:?}");
    assert!(gone.is_empty(), "remove these from PRODUCTION_DEPENDENCIES: {gone:?}");
}

#[test]
fn no_package_depends_on_a_package_behind_a_wall() {
    for (package, forbidden) in WALLS {
        let tree = cargo(&["tree", "-p", package, "--prefix", "none", "--offline"]);
        for line in tree.lines().skip(1) {
            let name = line.split(' ').next().unwrap();
            let through = forbidden.iter().find(|prefix| name.starts_with(**prefix));
            assert_eq!(
                through, None,
                "{package} depends on {name}: cargo tree -p {package} -i {name}"
            );
        }
    }
}

/// docs/openapi.json is made and compared by tests alone.
#[test]
fn nothing_of_the_contracts_tools_is_linked() {
    let tree =
        cargo(&["tree", "--workspace", "--edges", "normal,build", "--prefix", "none", "--offline"]);
    for tool in ["utoipa", "jsonschema"] {
        let linked = tree.lines().find(|line| line.starts_with(tool));
        assert_eq!(linked, None, "cargo tree --workspace --edges normal,build --invert {tool}");
    }
}

#[test]
fn no_two_files_import_each_other() {
    let mut circles = Vec::new();
    for manifest in manifests() {
        let library = Library::read(&manifest.join("src"));
        let imports: BTreeMap<_, _> =
            library.files.keys().map(|module| (module, library.imports(module))).collect();
        for (one, others) in &imports {
            for other in others.iter().filter(|other| *one < *other) {
                if imports[other].contains(*one) {
                    let [one, other] =
                        [*one, other].map(|module| show(&library.files[module].path));
                    circles.push(format!("{one} and {other}"));
                }
            }
        }
    }
    assert!(circles.is_empty(), "these import each other:\n{}", circles.join("\n"));
}

/// A module's path within its crate; the crate's root is empty.
type ModulePath = Vec<String>;

/// The modules of one crate.
struct Library {
    files: BTreeMap<ModulePath, File>,
}

struct File {
    path: PathBuf,
    /// The paths that it imports for its own use, expanded.
    imports: Vec<Vec<String>>,
    /// The names that it only re-exports (`pub use`), by the last name of the path.
    passed_on: BTreeMap<String, Vec<String>>,
}

/// The directories of the workspace's packages.
fn manifests() -> Vec<PathBuf> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().into()
        })
        .collect()
}

impl Library {
    fn read(source: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![(source.to_owned(), ModulePath::new())];
        while let Some((folder, module)) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                let child = module.iter().cloned().chain([stem.clone()]).collect();
                if path.is_dir() {
                    folders.push((path, child));
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    match stem.as_str() {
                        "main" => {}
                        "lib" | "mod" => drop(files.insert(module.clone(), File::read(path))),
                        _ => drop(files.insert(child, File::read(path))),
                    }
                }
            }
        }
        Self { files }
    }

    /// The other modules that a module imports from.
    fn imports(&self, module: &ModulePath) -> BTreeSet<ModulePath> {
        let imports = self.files[module].imports.iter();
        let targets = imports.filter_map(|path| self.target(module, path));
        targets.filter(|target| target != module).collect()
    }

    /// The module that a path in `module` refers to.
    fn target(&self, module: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let mut absolute = match path.first()?.as_str() {
            "crate" => ModulePath::new(),
            "self" => module.clone(),
            "super" => module.split_last()?.1.to_vec(),
            // A child module without `self`, or another crate.
            child => {
                let child: ModulePath = module.iter().cloned().chain([child.to_owned()]).collect();
                self.files.contains_key(&child).then_some(())?;
                child
            }
        };
        for part in &path[1..] {
            if part == "super" {
                absolute.pop();
                continue;
            }
            let child: ModulePath = absolute.iter().cloned().chain([part.clone()]).collect();
            if self.files.contains_key(&child) {
                absolute = child;
                continue;
            }
            // A name of this module: its own, or one that it re-exports.
            return match self.files.get(&absolute)?.passed_on.get(part) {
                Some(origin) => self.target(&absolute, origin),
                None => Some(absolute),
            };
        }
        self.files.contains_key(&absolute).then_some(absolute)
    }
}

impl File {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let code: String = text
            .lines()
            // The code after this is a test module, which may import what it tests.
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .map(|line| line.split("//").next().unwrap().to_owned() + "\n")
            .collect();
        let (mut imports, mut passed_on) = (Vec::new(), BTreeMap::new());
        for (is_public, tree) in uses(&code) {
            for path in expanded(&tree) {
                if is_public {
                    passed_on.insert(path.last().unwrap().clone(), path);
                } else {
                    imports.push(path);
                }
            }
        }
        Self { path, imports, passed_on }
    }
}

/// The trees of all `use` statements, and whether each is a re-export.
fn uses(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].rsplit('\n').next().unwrap().trim();
        if before.is_empty() || before.starts_with("pub") {
            let tree = code[at + 4..].split(';').next().unwrap();
            let tree = tree.split_whitespace().collect::<Vec<_>>().join(" ");
            // Otherwise it is prose in a string or comment.
            if tree.chars().all(|c| c.is_alphanumeric() || " _:{},*#".contains(c)) {
                found.push((!before.is_empty(), tree));
            }
        }
    }
    found
}

/// `a::{b, c::{d}}` as `a::b` and `a::c::d`; `a::b as c` as `a::b`.
fn expanded(tree: &str) -> Vec<Vec<String>> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap();
        return vec![name.split("::").map(|part| part.trim().to_owned()).collect()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&inner[start..]);
    let items = items.into_iter().map(str::trim).filter(|item| !item.is_empty());
    items.flat_map(|item| expanded(&format!("{}{item}", prefix.trim()))).collect()
}

fn show(file: &Path) -> String {
    let root = fs::canonicalize(ROOT).unwrap();
    file.strip_prefix(&root).unwrap_or(file).display().to_string()
}

#[test]
fn nested_imports_are_expanded() {
    let paths = expanded("crate::{a, b::{self, C as D}, e::*}");
    let paths: Vec<_> = paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["crate::a", "crate::b::self", "crate::b::C", "crate::e::*"]);
    let found = uses("pub(crate) use a::b;\nlet because = 1;\n    use c;\n");
    assert_eq!(found, [(true, "a::b".to_owned()), (false, "c".to_owned())]);
}
