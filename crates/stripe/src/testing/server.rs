//! The stand-in over HTTP/1.1 on loopback, one thread per connection, with deliveries to a webhook.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde_json::json;
use time::OffsetDateTime;

use super::{
    account::Account,
    control,
    delivery::{Delivery, Webhook},
    exchange::{Request, Response},
};

/// How often due events are looked for.
const DELIVERY_INTERVAL: Duration = Duration::from_millis(20);

/// How long a connection whose response never comes stays open: longer than any client waits.
const SILENCE: Duration = Duration::from_mins(2);

/// A running stand-in. Its clock is the machine's, and what tests add to it.
#[derive(Debug, Clone)]
pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    account: Account,
    /// When the account's clock was last moved.
    ticked: OffsetDateTime,
    webhook: Option<Webhook>,
}

impl Server {
    /// Serves an account, on threads that end with the process. Port 0 is any free port.
    ///
    /// # Errors
    ///
    /// The address is taken.
    pub fn start(address: impl ToSocketAddrs, api_key: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let now = now();
        let state = State { account: Account::new(api_key, now), ticked: now, webhook: None };
        let server = Self { address: listener.local_addr()?, state: Arc::new(Mutex::new(state)) };
        let (serving, delivering) = (server.clone(), server.clone());
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = serving.clone();
                thread::spawn(move || server.serve(connection));
            }
        });
        thread::spawn(move || delivering.deliver());
        Ok(server)
    }

    /// `http://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Delivers events from now on. Without this they are taken by [`Account::take_events`].
    pub fn deliver_to(&self, webhook: Webhook) {
        self.state().webhook = Some(webhook);
    }

    /// Does something with the account, between two requests.
    pub fn with<T>(&self, action: impl FnOnce(&mut Account) -> T) -> T {
        action(&mut self.state().account)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        let passed = now - state.ticked;
        state.account.advance(passed);
        state.ticked = now;
        state
    }

    fn serve(&self, connection: TcpStream) {
        let Ok(mut writer) = connection.try_clone() else { return };
        let mut reader = BufReader::new(connection);
        while let Some(request) = read(&mut reader) {
            let Some(response) = self.handle(&request) else {
                // Silence, until the client gives up.
                let connection = reader.get_mut();
                let _ = connection.set_read_timeout(Some(SILENCE));
                let _ = connection.read(&mut [0]);
                return;
            };
            if write(&mut writer, &response).is_err() {
                return;
            }
        }
    }

    fn handle(&self, request: &Request) -> Option<Response> {
        let mut state = self.state();
        if !request.path.starts_with(control::PREFIX) {
            return state.account.handle(request);
        }
        if request.path.ends_with("/webhook") {
            let param = |name| request.param(name).unwrap_or_default().to_owned();
            state.webhook = Some(Webhook { url: param("url"), secret: param("secret") });
            return Some(Response::new(200, &json!({"done": true})));
        }
        Some(control::handle(&mut state.account, request))
    }

    fn deliver(&self) {
        let mut deliveries = Vec::new();
        loop {
            thread::sleep(DELIVERY_INTERVAL);
            let webhook = {
                let mut state = self.state();
                let Some(webhook) = state.webhook.clone() else { continue };
                let events = state.account.take_events().into_iter();
                deliveries.extend(events.map(|event| Delivery::new(event, now())));
                webhook
            };
            let (due, later): (Vec<_>, Vec<_>) =
                deliveries.into_iter().partition(|delivery| delivery.due <= now());
            // The receiver's clock is the machine's, so the signature's time is too.
            let failed = due.into_iter().filter_map(|delivery| delivery.attempt(&webhook, now()));
            deliveries = later.into_iter().chain(failed).collect();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a server of tests, whose clock is the machine's")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Some(Request::read(&method, &target, headers, &body))
}

fn write(writer: &mut impl Write, response: &Response) -> io::Result<()> {
    let (status, body, length) = (response.status, &response.body, response.body.len());
    let mut message = format!(
        "HTTP/1.1 {status} Stripe\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    for (name, value) in &response.headers {
        message.extend([name, ": ", value, "\r\n"]);
    }
    message.extend(["\r\n", body]);
    writer.write_all(message.as_bytes())
}

#[cfg(test)]
mod tests;
