//! The binary, run as an operator runs it: its output and exit codes.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

struct CommandOutput {
    code: i32,
    stdout: String,
    stderr: String,
}

fn registrar(args: &[&str], stdin: &[u8]) -> CommandOutput {
    registrar_in(&[], args, stdin)
}

fn registrar_in(environment: &[(&str, &str)], args: &[&str], stdin: &[u8]) -> CommandOutput {
    let mut child = Command::new(env!("CARGO_BIN_EXE_registrar"))
        .args(args)
        // No test may use an AWS account.
        .env_clear()
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    CommandOutput {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// `name` must be unique among the tests.
fn file(name: &str, contents: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, contents).unwrap();
    path
}

/// One send every `interval_us` microseconds. Each takes 60 ms.
fn worker_log(sends: i64, interval_us: i64) -> String {
    (0..sends)
        .map(|n| 1_761_955_200_000_000 + n * interval_us)
        .map(|start| {
            let end = start + 60_000;
            format!(
                r#"{{"level":"INFO","fields":{{"event":"send_attempt","job_id":"j","started_at_us":{start},"ended_at_us":{end},"outcome":"accepted"}}}}"#
            ) + "\n"
        })
        .collect()
}

#[test]
fn plan_for_300_per_minute_prints_the_parameters() {
    let ran = registrar(&["plan", "--limit", "300", "--format", "parameters"], b"");
    assert_eq!(
        ran.stdout,
        "SendLimit=300 SendWindowSeconds=60 SendSlackMilliseconds=250 WorkerConcurrency=2 \
         WorkerBatchSize=100 WorkerTimeout=60\n"
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn plan_as_a_table_has_the_reasons_and_the_command_to_deploy() {
    let ran = registrar(&["plan", "--limit", "50", "--window", "10", "--latency-ms", "80"], b"");
    assert_eq!(ran.code, 0);
    for expected in ["SendLimit", "50 in any 10 s", "visibility timeout", "usable", "expected"] {
        assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    }
    assert!(ran.stdout.contains("sam deploy --parameter-overrides SendLimit=50 "));
    assert!(
        ran.stdout.lines().all(|line| line.len() <= 100 || line.starts_with("sam deploy")),
        "{}",
        ran.stdout
    );
}

#[test]
fn plan_that_a_new_table_would_throttle_warms_it() {
    let ran = registrar(&["plan", "--limit", "100000"], b"");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("needs up to 8334 write units per second"), "{}", ran.stdout);
    assert!(ran.stdout.trim_end().ends_with(" EmailsTableWriteUnits=8334"), "{}", ran.stdout);
}

#[test]
fn plan_as_json_has_each_value_with_its_reason() {
    let plan = ["plan", "--limit", "300"];
    let ran = registrar(&[&plan[..], &["--json"]].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let overrides = registrar(&[&plan[..], &["--format", "parameters"]].concat(), b"").stdout;
    assert_eq!(json["parameter_overrides"], overrides.trim_end());
    for parameter in overrides.split_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap();
        assert_eq!(json["parameters"][name], value, "{name}");
    }
    let choices = json["choices"].as_array().unwrap();
    assert!(choices.iter().all(|choice| choice["reason"].as_str().unwrap().len() > 10), "{json}");
    let table = registrar(&plan, b"").stdout;
    for choice in choices {
        assert!(table.contains(choice["name"].as_str().unwrap()), "{choice}");
        assert!(table.contains(choice["value"].as_str().unwrap()), "{choice}");
    }
    let ran = registrar(&["plan", "--json", "--limit", "1"], b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
}

#[test]
fn check_as_json_has_what_the_parameters_do_and_the_notes() {
    let check = ["plan", "--json", "--check"];
    let ran = registrar(&[&check[..], &["SendLimit=60"]].concat(), b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["max_sends"], &json["window_seconds"]), (&60.into(), &60.into()));
    assert_eq!((&json["workers"], &json["interval_ms"]), (&2.into(), &2008.into()));
    assert!(json["notes"][0].as_str().unwrap().starts_with("WorkerBatchSize: of 100"), "{json}");
    let ran = registrar(&[&check[..], &["SendLimit=2", "WorkerConcurrency=3"]].concat(), b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
}

#[test]
fn impossible_plan_fails_and_names_the_parameter() {
    let ran = registrar(&["plan", "--limit", "1"], b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("error: SendLimit: must be at least 2"), "{}", ran.stderr);

    let ran = registrar(&["plan", "--limit", "0"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("limit: must be at least 1"), "{}", ran.stderr);
}

#[test]
fn check_of_given_parameters_says_what_they_do_and_what_they_waste() {
    let ran = registrar(&["plan", "--check", "SendLimit=301"], b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("at most 300 emails in any 60 s: 2 workers"), "{}", ran.stdout);

    let ran = registrar(&["plan", "--check", "SendLimit=60"], b"");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("note: WorkerBatchSize: of 100 messages"), "{}", ran.stdout);
}

#[test]
fn check_refuses_parameters_with_which_nothing_can_be_sent_and_names_one() {
    for (given, expected) in [
        (&["SendLimit=2", "WorkerConcurrency=3"][..], "SendLimit: 2 cannot be shared by 3 slots"),
        (&["SendLimit=2", "SendWindowSeconds=3600"], "WorkerTimeout: 60 s is shorter than one"),
        (&["SendLimit=1"], "SendLimit: must be a whole number from 2 to"),
        (&["SendLimit=299.5"], "SendLimit: must be a whole number from 2 to"),
        (&["WorkerTimeout=45"], "WorkerTimeout: must be one of 30, 60,"),
    ] {
        let ran = registrar(&[&["plan", "--check"], given].concat(), b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.starts_with(&format!("error: {expected}")), "{}", ran.stderr);
    }
    let ran = registrar(&["plan", "--check", "Speed=3"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("the name must be SendLimit, "), "{}", ran.stderr);
}

#[test]
fn audit_of_a_log_that_kept_the_limit_succeeds() {
    let path = file("kept.json", &worker_log(1000, 210_000));
    let ran = registrar(&["audit", path.to_str().unwrap(), "--limit", "300"], b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for expected in [
        "sends             1000 (JSON log lines)",
        "first             2025-11-01T00:00:00Z",
        "worst window      286 in the 60 s from 2025-11-01T00:00:00.06Z",
        "the limit was     kept",
    ] {
        assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    }
    assert!(ran.stdout.contains("use of the limit  95.2"), "{}", ran.stdout);
}

#[test]
fn audit_of_a_log_that_broke_the_limit_exits_with_1() {
    let log = worker_log(1000, 199_000);
    let ran = registrar(&["audit", "-", "--limit", "300", "--window", "60"], log.as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    assert!(ran.stdout.contains("the limit was     BROKEN"), "{}", ran.stdout);
}

#[test]
fn audit_as_json_has_the_verdict_and_the_same_exit_code() {
    let log = worker_log(1000, 199_000);
    for (limit, code) in [("301", 1), ("302", 0)] {
        let ran = registrar(&["audit", "-", "--json", "--limit", limit], log.as_bytes());
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""));
        let audit: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(audit["kept"], code == 0);
        assert_eq!(audit["worst_window"]["count"], 302);
        assert_eq!(audit["worst_window"]["from"], "2025-11-01T00:00:00.06Z");
        assert_eq!((&audit["sends"], &audit["window_seconds"]), (&1000.into(), &60.into()));
        assert_eq!(audit["first"], "2025-11-01T00:00:00Z");
    }
    let ran = registrar(&["audit", "-", "--json", "--limit", "300"], b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
}

#[test]
fn audit_of_a_json_array_counts_every_element() {
    let log = worker_log(10, 1_000);
    let array = format!("[{}]", log.trim_end().replace('\n', ","));
    let ran = registrar(&["audit", "-", "--limit", "3"], array.as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    assert!(ran.stdout.contains("sends             10 "), "{}", ran.stdout);
    assert!(ran.stdout.contains("the limit was     BROKEN"), "{}", ran.stdout);
}

#[test]
fn audit_of_a_log_with_a_send_that_cannot_be_read_exits_with_2() {
    let log = worker_log(10, 1_000_000);
    let ran = registrar(&["audit", "-", "--limit", "300"], &log.as_bytes()[..log.len() - 5]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with("error: -: line 10: mentions a send, "), "{}", ran.stderr);
}

#[test]
fn audit_reads_csv_from_standard_input() {
    let ran = registrar(&["audit", "-", "--limit", "2", "--window", "10"], b"0\n1\n9.999\n10\n");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("worst window      3 in the 10 s from 1970-01-01T00:00:00Z"));
    let ran = registrar(&["audit", "-", "--limit", "3", "--window", "10"], b"0\n1\n9.999\n10\n");
    assert_eq!(ran.code, 0);
}

#[test]
fn invalid_input_is_reported_with_its_file_and_line() {
    let path = file("broken.csv", "1\n2\nthree3\n");
    let path = path.to_str().unwrap();
    let ran = registrar(&["audit", path, "--limit", "300"], b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.starts_with(&format!("error: {path}: line 3: ")), "{}", ran.stderr);

    let ran = registrar(&["audit", "no-such-file", "--limit", "300"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("error: no-such-file: "), "{}", ran.stderr);

    let ran = registrar(&["audit", "-", "--limit", "300"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("error: -: no send records"), "{}", ran.stderr);
}

#[test]
fn redrive_and_purge_require_exactly_one_selection() {
    for command in ["redrive", "purge"] {
        let ran = registrar(&["dead-letters", command, "--apply"], b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("<--id <ID>...|--reason <CODE>|--all>"), "{}", ran.stderr);

        let ran = registrar(&["dead-letters", command, "--all", "--id", "a"], b"");
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    }
    let ran = registrar(&["dead-letters", "show"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("<ID>"), "{}", ran.stderr);
}

#[test]
fn period_and_number_of_letters_are_checked() {
    let list = ["dead-letters", "list"];
    for (more, problem) in [
        (
            &["--since", "yesterday"][..],
            "is neither a time in RFC 3339, such as 2026-11-25T04:22:30Z",
        ),
        (&["--until", "2026-11-25"], "nor a duration ago, such as 90m, 2h or 3d"),
        (&["--limit", "0"], "'--limit <N>'"),
        (&["--since", "1h", "--until", "2h"], "error: --since must be before --until"),
    ] {
        let ran = registrar(&[&list[..], more].concat(), b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains(problem), "{more:?}: {}", ran.stderr);
    }
    for (option, value) in [("--since", "2h"), ("--until", "2h"), ("--limit", "2")] {
        let ran = registrar(&["dead-letters", "redrive", "--id", "a", option, value], b"");
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    }
    for command in ["redrive", "purge"] {
        let ran =
            registrar(&["dead-letters", command, "--all", "--since", "2h", "--limit", "5"], b"");
        assert!(ran.stderr.starts_with("error: no AWS region is set"), "{}", ran.stderr);
    }
}

#[test]
fn hold_without_a_valid_reason_is_rejected() {
    let ran = registrar(&["hold"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--reason <TEXT>"), "{}", ran.stderr);
    for reason in ["", " ", "two\nlines"] {
        let ran = registrar(&["hold", "--reason", reason], b"");
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains("is not one line of 1 to 500 characters"), "{}", ran.stderr);
    }
}

#[test]
fn class_with_wrong_lines_names_each_and_is_not_begun() {
    let class = file(
        "class.csv",
        "name,email,student_id,course_id\nAda,ada@example.com,s-1,rust-101\nBob,bob,s 2,rust-101\n\nEve,eve@example.com,s-1,rust-101\n",
    );
    let class = class.to_str().unwrap();
    let ran = registrar(&["enroll", class, "--apply"], b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    for part in [
        ": line 3, column email: ",
        ": line 3, column student_id: is not 1 to 255 visible ASCII characters",
        ": line 5: is about the same as line 2",
        "nothing was changed",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("example.com"), "{}", ran.stderr);
    assert!(!std::path::Path::new(&format!("{class}.results.csv")).exists());

    let ran = registrar(&["unenroll", class], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("line 1, column name: is unknown"), "{}", ran.stderr);
    let ids = file("ids.csv", "student_id,course_id,refund\ns-1,c,half\n");
    let ran = registrar(&["unenroll", ids.to_str().unwrap()], b"");
    assert!(ran.stderr.contains("line 2, column reason: is missing"), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 2, column refund: is not one of: none, full"));
    let ran = registrar(&["enroll", "no-such-file.csv"], b"");
    assert!(ran.stderr.starts_with("error: no-such-file.csv: "), "{}", ran.stderr);

    let right = file("right.csv", "student_id,course_id\ns-1,c\n");
    let ran = registrar(&["unenroll", right.to_str().unwrap(), "--reason", "the end"], b"");
    assert!(ran.stderr.starts_with("error: no AWS region is set"), "{}", ran.stderr);
}

#[test]
fn courses_with_wrong_lines_are_not_imported() {
    let courses = file(
        "courses.csv",
        "course_id,title,price,currency,state,seats\nrust-101,Rust,4900,USD,open,\na/b,,49.5,USD,ajar,many\n",
    );
    let ran = registrar(&["course", "import", courses.to_str().unwrap()], b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    for column in ["course_id", "title", "price", "state", "seats"] {
        let part = format!(": line 3, column {column}: ");
        assert!(ran.stderr.contains(&part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("line 2"), "{}", ran.stderr);
}

#[test]
fn missing_region_or_credentials_are_reported() {
    for command in [
        &["holds"][..],
        &["release"],
        &["dead-letters", "list"],
        &["status"],
        &["why", "job-1"],
        &["timeline", "s-1", "rust-101"],
        &["doctor"],
        &["console"],
    ] {
        let ran = registrar(command, b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.starts_with("error: no AWS region is set"), "{}", ran.stderr);

        let ran = registrar_in(&[("AWS_REGION", "eu-west-1")], command, b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.starts_with("error: finding the stack failed: "), "{}", ran.stderr);
        assert!(ran.stderr.contains("credential"), "{}", ran.stderr);
    }
}

#[test]
fn console_on_a_port_that_is_taken_says_how_to_take_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = registrar_in(&[("AWS_REGION", "eu-west-1")], &["console", "--port", &port], b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    let expected = format!("error: port {port} of 127.0.0.1 cannot be used (");
    assert!(ran.stderr.starts_with(&expected) && ran.stderr.contains("--port"), "{}", ran.stderr);
}

#[test]
fn completion_for_each_shell_names_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = registrar(&["completion", shell], b"");
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        for command in ["status", "dead-letters", "redrive"] {
            assert!(ran.stdout.contains(command), "{shell}: no {command}");
        }
    }
}

#[test]
fn manual_in_the_docs_is_the_help_of_every_command() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let environment = [("REGISTRAR_STACK_NAME", "mine"), ("COLUMNS", "40")];
    let ran = registrar_in(&environment, &["manual"], b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let docs = fs::read_to_string(docs).unwrap_or_default();
    assert!(
        docs == ran.stdout,
        "docs/cli.md is not the help of the commands: cargo run -p registrar -- manual > docs/cli.md"
    );
}

#[test]
fn subject_that_cannot_be_looked_up_is_rejected() {
    for command in ["why", "timeline"] {
        let ran = registrar(&[command, "not a job"], b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("the job's id is not valid"), "{}", ran.stderr);
    }
}

#[test]
fn pump_names_what_is_wrong_with_its_template_and_arguments() {
    let pump = |template: &str, args: &[&str]| {
        let args = [&["pump", "--no-stack", "--template", template], args].concat();
        let region = [("AWS_REGION", "eu-west-1")];
        let output = registrar_in(&region, &args, b"");
        assert_eq!(output.code, 2, "{}", output.stderr);
        output.stderr
    };
    assert!(pump("none.yaml", &[]).starts_with("error: cannot read none.yaml: "));
    let bad = file("bad.yaml", "Resources: [");
    let bad = pump(bad.to_str().unwrap(), &[]);
    assert!(bad.contains("bad.yaml: is not YAML: "), "{bad}");

    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let unknown = pump(template, &["--only", "Nothing"]);
    assert!(
        unknown.contains("there is no event source Nothing that is an SQS queue; there are: "),
        "{unknown}"
    );
    let queue = pump(template, &["--only", "EmailEventSource"]);
    assert!(queue.contains("EmailEventSource: no queue EmailQueue is known: "), "{queue}");
    let pair = pump(template, &["--queue-url", "EmailQueue"]);
    assert!(pair.contains("must be NAME=VALUE"), "{pair}");
}

#[test]
fn doctor_takes_parameters_only_before_a_deployment() {
    let ran = registrar(&["doctor", "SendLimit=300"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--before-deploy"), "{}", ran.stderr);
    let ran = registrar(&["doctor", "--before-deploy", "SendLimit"], b"");
    assert!(ran.stderr.contains("is not NAME=VALUE"), "{}", ran.stderr);
}
