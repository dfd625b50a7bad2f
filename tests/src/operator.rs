//! The operator's command line, run as somebody who has the policy for it, and an email provider whose
//! fault gives the operator something to do.

use std::{
    io::{BufRead, BufReader, Read, Write, empty},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    thread,
};

use clap::Parser;
use registrar::{Cli, Session, run_in};

use crate::{World, stack::Credentials, world::sdk};

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: ExitCode,
    /// What it printed.
    pub out: String,
    /// What it printed on standard error.
    pub err: String,
}

/// Some letters were left.
pub const LEFT: u8 = 1;
/// AWS failed.
pub const FAILED: u8 = 2;

impl Ran {
    /// Fails unless the exit code is that, and what was printed has these in it.
    #[track_caller]
    pub fn expect(&self, code: u8, parts: &[&str]) -> &Self {
        assert_eq!(self.code, ExitCode::from(code), "{self:?}");
        for part in parts {
            assert!(self.out.contains(part), "no {part:?} in {self:?}");
        }
        self
    }

    /// Fails if that was printed.
    #[track_caller]
    pub fn never_says(&self, part: &str) -> &Self {
        assert!(!self.out.contains(part) && !self.err.contains(part), "{part:?} in {self:?}");
        self
    }
}

/// Runs `registrar` with these arguments, as the email operator.
pub async fn registrar(world: &World, args: &[&str]) -> Ran {
    registrar_as(world, &world.stack.email_operator, args).await
}

/// Runs `registrar` as somebody.
pub async fn registrar_as(world: &World, who: &Credentials, args: &[&str]) -> Ran {
    let session = Session::with_sdk(sdk(&world.stack, who).await);
    let args = ["registrar"].iter().chain(args);
    let cli = Cli::try_parse_from(args).expect("the arguments are right");
    // It starts a runtime of its own.
    let command = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run_in(&session, &cli, empty(), &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("a command prints text");
        Ran { code, out: text(out), err: text(err) }
    };
    tokio::task::spawn_blocking(command).await.expect("a command does not panic")
}

/// An email provider that says of every email that it would never send such a thing. Returns its address.
pub fn refusing_provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || refuse(connection));
        }
    });
    format!("http://{address}")
}

/// Answers what is asked about the account, and refuses what is to be sent.
fn refuse(connection: TcpStream) -> Option<()> {
    const ACCOUNT: &str = r#"{"SendingEnabled":true,"ProductionAccessEnabled":true,"EnforcementStatus":"HEALTHY","SendQuota":{"Max24HourSend":-1,"MaxSendRate":1000,"SentLast24Hours":0}}"#;
    const REFUSAL: &str = r#"{"message":"it says that <somebody@example.com> is no customer"}"#;
    let mut writer = connection.try_clone().ok()?;
    let mut reader = BufReader::new(connection);
    loop {
        let mut head = Vec::new();
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 2 {
            head.push(line.trim_end().to_ascii_lowercase());
            line.clear();
        }
        let length =
            head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let (status, answer) =
            if head.first()?.starts_with("get") { (200, ACCOUNT) } else { (400, REFUSAL) };
        write!(
            writer,
            "HTTP/1.1 {status} X\r\nx-amzn-errortype: MessageRejected\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )
        .ok()?;
    }
}
