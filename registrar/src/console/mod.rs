//! `registrar console`: a page on loopback, over the same calls as the other commands.
//!
//! ```text
//! server ── security     who may use it
//!   ├── pages ── chart ── svg    rendered from facts
//!   ├── watch           the last readings, read in the background
//!   └── calls ── aws    what a page asks for, on a thread of its own
//! ```

mod aws;
mod calls;
mod chart;
mod frame;
mod pages;
mod security;
mod server;
mod stop;
mod svg;
#[cfg(test)]
mod tests;
mod watch;
mod words;

use std::{io::Write, net::Ipv4Addr, sync::Arc};

use tokio::{net::TcpListener, runtime::Handle};

use crate::{
    outcome::{Failure, Outcome},
    session::Session,
    stack::{self, Stack},
};

use self::{
    aws::AwsCalls,
    security::{Access, Token},
    server::Console,
    stop::Stop,
    watch::{Watched, watch},
};

/// Serve a page on this machine that shows the stack, and can redrive dead letters and hold sending
///
/// The first line of the output is the page's address, which has a random token: whoever has it can use the
/// page with your credentials, and nobody else. The page uses nothing from the internet. Ctrl-C ends it.
/// What your credentials do not permit is shown as such. Exit code: 0, or 2 if the port is taken or a call to
/// AWS fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: stack::Args,
    /// Port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Base address of the API, if it has a custom domain
    #[arg(long, value_name = "URL", env = "REGISTRAR_API_URL")]
    api_url: Option<String>,
}

pub(crate) async fn run(
    args: &Args,
    session: &Session,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let unusable = |error| Failure::Port { port: args.port, error };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let stack = Arc::new(Stack::find(&args.stack, session).await?);
    let access = Access::new(Token::random(), address.port());
    writeln!(out, "http://{address}{}", access.base())?;
    out.flush()?;

    let (stop, stopping) = Stop::new();
    let watched = Arc::new(Watched::default());
    let console = Console {
        access,
        stack: stack.name().to_owned(),
        calls: Arc::new(AwsCalls {
            stack: Arc::clone(&stack),
            runtime: Handle::current(),
            stopping: stopping.clone(),
        }),
        watched: Arc::clone(&watched),
    };
    // The calls in progress end first: a redrive gives back the letters that it has not handled.
    let graceful = stopping.clone();
    let serve = axum::serve(listener, server::router(console))
        .with_graceful_shutdown(async move { graceful.pressed(1).await });
    let presses = async {
        loop {
            session.interrupted().await;
            stop.press();
        }
    };
    tokio::select! {
        served = serve.into_future() => served?,
        watched = watch(&stack, args.api_url.as_deref(), &watched) => watched?,
        // A second Ctrl-C does not wait.
        () = stopping.pressed(2) => {}
        () = presses => {}
    }
    Ok(Outcome::Fine)
}
