//! The operator's console, served with the credentials of a policy.

use std::{
    io::{self, Write, empty, sink},
    process::ExitCode,
    sync::Arc,
    thread::{self, JoinHandle},
};

use clap::Parser;
use registrar::{Cli, Session, run_in};
use tokio::sync::{Notify, oneshot};

use crate::{DeployedStack, deployed_stack::sdk_config, description::Credentials};

/// A running console. It ends when this is dropped.
#[derive(Debug)]
pub struct Console {
    /// The address that it printed.
    pub address: String,
    interrupt: Arc<Notify>,
    thread: Option<JoinHandle<ExitCode>>,
}

impl Console {
    /// Starts `registrar console` with these credentials.
    pub async fn start(stack: &DeployedStack, credentials: &Credentials) -> Self {
        let interrupt = Arc::new(Notify::new());
        let sdk = sdk_config(stack.description, credentials).await;
        let session = Session::with_sdk(sdk).interrupted_by(Arc::clone(&interrupt));
        let args = ["registrar", "console", "--api-url", &stack.description.api_url];
        let cli = Cli::try_parse_from(args).expect("the arguments are valid");
        let (printed, address) = oneshot::channel();
        let out = FirstLine { line: Vec::new(), printed: Some(printed) };
        // A command starts a runtime of its own, which it cannot do inside of this one.
        let thread = thread::spawn(move || run_in(&session, &cli, empty(), out, sink()));
        let address = address.await.expect("the console prints its address");
        Self { address, interrupt, thread: Some(thread) }
    }

    /// The address of a page.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Ends it as Ctrl-C does. Fails unless it ends, with exit code 0.
    pub async fn stop(mut self) {
        self.interrupt.notify_one();
        let thread = self.thread.take().expect("it runs until here");
        let code = tokio::task::spawn_blocking(move || thread.join()).await;
        let code = code.expect("joining does not panic").expect("the console does not panic");
        assert_eq!(code, ExitCode::SUCCESS);
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.interrupt.notify_one();
    }
}

/// Passes the first line on.
struct FirstLine {
    line: Vec<u8>,
    printed: Option<oneshot::Sender<String>>,
}

impl Write for FirstLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().position(|&byte| byte == b'\n')
            && let Some(printed) = self.printed.take()
        {
            let line = String::from_utf8_lossy(&self.line[..end]).into_owned();
            // The journey may have failed in the meantime.
            let _ = printed.send(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
