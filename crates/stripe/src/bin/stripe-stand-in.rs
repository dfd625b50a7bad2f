//! A stand-in for Stripe on this machine, for `make run`. See `stripe::testing`.

#![expect(clippy::print_stdout, reason = "a command's output")]

use std::{collections::HashMap, error::Error, thread};

use stripe::testing::{Server, Webhook};

const USAGE: &str = "usage: stripe-stand-in [--port PORT] [--api-key SK_TEST] [--webhook-url URL --webhook-secret WHSEC]";

const DEFAULT_API_KEY: &str = "sk_test_local";
const DEFAULT_SECRET: &str = "whsec_local";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = HashMap::new();
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let known = ["--port", "--api-key", "--webhook-url", "--webhook-secret"];
        if !known.contains(&name.as_str()) {
            return Err(USAGE.into());
        }
        arguments.insert(name, words.next().ok_or(USAGE)?);
    }
    let argument = |name: &str, default: &str| {
        arguments.get(name).cloned().unwrap_or_else(|| default.to_owned())
    };
    let port: u16 = argument("--port", "0").parse()?;
    let server = Server::start(("127.0.0.1", port), &argument("--api-key", DEFAULT_API_KEY))?;
    if let Some(url) = arguments.get("--webhook-url") {
        let secret = argument("--webhook-secret", DEFAULT_SECRET);
        server.deliver_to(Webhook { url: url.clone(), secret });
    }
    println!("Stripe's stand-in is at {}", server.url());
    loop {
        thread::park();
    }
}
