//! The programs of examples/, against the deployed stack, and against one that is busy.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::Command,
    sync::Once,
    thread,
};

use journeys::{
    DeployedStack, Student,
    payments::{self, Stripe},
};
use serde_json::json;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// If it is `required`, the TypeScript example fails without Node. Otherwise it is skipped.
const VARIABLE: &str = "REGISTRAR_NODE";

static SKIPPED: Once = Once::new();

#[derive(Debug, Clone, Copy)]
enum Language {
    Rust,
    Python,
    TypeScript,
}

impl Language {
    /// Those that this machine has. It prints which one it leaves out.
    fn installed() -> Vec<Self> {
        let has_node = ["node", "npm"].iter().all(|program| {
            Command::new(program)
                .arg("--version")
                .output()
                .is_ok_and(|output| output.status.success())
        });
        if has_node {
            build_typescript();
            return vec![Self::Rust, Self::Python, Self::TypeScript];
        }
        let is_required = env::var(VARIABLE).is_ok_and(|value| value == "required");
        assert!(!is_required, "Node is not installed");
        SKIPPED.call_once(|| {
            // Past the test's captured output.
            let _ =
                writeln!(io::stderr(), "the TypeScript example is skipped: Node is not installed");
        });
        vec![Self::Rust, Self::Python]
    }

    fn command(self) -> Command {
        let (program, file) = match self {
            Self::Rust => return Command::new(env!("CARGO_BIN_EXE_example-enroll")),
            Self::Python => {
                (format!("{EXAMPLES}/../.venv/contract/bin/python"), "python/enroll.py")
            }
            Self::TypeScript => ("node".to_owned(), "typescript/build/enroll.js"),
        };
        let mut command = Command::new(program);
        command.arg(format!("{EXAMPLES}/{file}"));
        command
    }
}

/// Once per process: two `npm ci` in one folder disturb each other.
fn build_typescript() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        for arguments in [&["ci", "--no-audit", "--no-fund"][..], &["run", "build"]] {
            let output = Command::new("npm")
                .args(arguments)
                .current_dir(format!("{EXAMPLES}/typescript"))
                .output()
                .expect("npm starts");
            let text = [output.stdout, output.stderr].concat();
            assert!(
                output.status.success(),
                "npm {arguments:?}: {}",
                String::from_utf8_lossy(&text)
            );
        }
    });
}

/// What the example prints, and whether it succeeded.
async fn run(
    language: Language,
    stack: &DeployedStack,
    api: &str,
    student: &Student,
    rest: [&str; 2],
) -> (String, bool) {
    let request = student.enrollment_request(rest[0]);
    let field = |name: &str| request[name].as_str().expect("a text").to_owned();
    let mut command = language.command();
    command
        .args(["student_id", "course_id", "email", "name"].map(field))
        .args(rest[1..].iter().filter(|method| !method.is_empty()))
        .env("API", api)
        .env("AWS_REGION", &stack.description.region)
        .env("AWS_ACCESS_KEY_ID", &stack.description.caller.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &stack.description.caller.secret_access_key);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("it does not panic").expect("the example starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (if text.is_empty() { errors.into_owned() } else { text }, output.status.success())
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn example_of_each_language_enrolls_and_reports_what_is_refused() {
    let stack = DeployedStack::shared().await;
    let _stripe = Stripe::of(&stack);
    let course =
        |price: u32| json!({"title": "T", "price": price, "currency": "USD", "state": "open"});
    let (free, priced) =
        (stack.create_course(course(0)).await, stack.create_course(course(4900)).await);
    let api = stack.description.api_url.clone();
    for language in Language::installed() {
        let student = Student::named("Ada Lovelace");
        let expect = async |course: &str, payment_method: &str, start: &str, succeeds: bool| {
            let (text, success) =
                run(language, &stack, &api, &student, [course, payment_method]).await;
            assert!(text.starts_with(start) && success == succeeds, "{language:?}: {text}");
        };
        expect(&free, "", "enrolled: ", true).await;
        expect(&free, "", "enrolled already: ", true).await;
        expect("no-such-course", "", "refused with 404: ", false).await;
        expect(&priced, "", "refused with 422: ", false).await;
        expect(&priced, payments::DECLINED, "not paid: Your card has insufficient funds.", false)
            .await;
        expect(&priced, payments::PAYS, "enrolled: ", true).await;
        stack.wait_for_email_to(&student.email).await;
    }
}

#[tokio::test]
#[ignore = "needs a deployed stack: make journeys"]
async fn example_of_each_language_retries_when_retry_after_says() {
    let stack = DeployedStack::shared().await;
    for language in Language::installed() {
        let (text, success) =
            run(language, &stack, &busy_once(), &Student::named("Ada"), ["busy", ""]).await;
        assert_eq!((text.as_str(), success), ("enrolled: 42", true), "{language:?}");
    }
}

/// An API that responds with 503 and `Retry-After` once, and then with 201. Its address.
fn busy_once() -> String {
    const RESPONSES: [(&str, &str); 2] = [
        ("503 X\r\nretry-after: 1", r#"{"status":"error","message":"retry"}"#),
        ("201 X", r#"{"status":"success","data":{"enrollment":{"id":"42"}}}"#),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for (head, body) in RESPONSES {
            let (mut writer, _) = listener.accept().expect("the example connects");
            let mut reader = BufReader::new(writer.try_clone().expect("a socket can be cloned"));
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).expect("a request") > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            reader.read_exact(&mut vec![0; length]).expect("a body");
            let _ = write!(
                writer,
                "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    format!("http://{address}")
}
