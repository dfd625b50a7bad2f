//! An email provider that rejects every email permanently.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Starts the provider, and returns its URL.
pub fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || refuse(connection));
        }
    });
    format!("http://{address}")
}

/// Responds to requests about the account, and rejects emails.
fn refuse(connection: TcpStream) -> Option<()> {
    const ACCOUNT: &str = r#"{"SendingEnabled":true,"ProductionAccessEnabled":true,"EnforcementStatus":"HEALTHY","SendQuota":{"Max24HourSend":-1,"MaxSendRate":1000,"SentLast24Hours":0}}"#;
    const REFUSAL: &str = r#"{"message":"it says that <somebody@example.com> is not a customer"}"#;
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
        let (status, response) =
            if head.first()?.starts_with("get") { (200, ACCOUNT) } else { (400, REFUSAL) };
        write!(
            writer,
            "HTTP/1.1 {status} X\r\nx-amzn-errortype: MessageRejected\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{response}",
            response.len()
        )
        .ok()?;
    }
}
