//! The application behind the proxy in the demo and the tests: `echo-backend ADDRESS:PORT...`
//!
//! Answers every HTTP request with JSON that says what arrived, and echoes WebSocket messages. `/status/503` answers
//! with that status, `/sleep/3` after that many seconds. Built static, it runs on any Linux without anything installed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

fn main() -> Result<()> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        bail!("usage: echo-backend ADDRESS:PORT...");
    }
    let mut threads = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(&address).with_context(|| format!("cannot listen on {address}"))?;
        threads.push(std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let address = address.clone();
                // A client that goes away concerns nobody else.
                std::thread::spawn(move || drop(connection(stream, &address)));
            }
        }));
    }
    threads.into_iter().for_each(|t| drop(t.join()));
    Ok(())
}

struct Request {
    method: String,
    target: String,
    headers: Map<String, Value>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

fn connection(stream: TcpStream, backend: &str) -> Result<()> {
    let client = stream.peer_addr()?.to_string();
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    while let Some(request) = read_head(&mut input)? {
        if request.header("upgrade").eq_ignore_ascii_case("websocket") {
            let key = derive_accept_key(request.header("sec-websocket-key").as_bytes());
            write!(
                out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {key}\r\n\r\n"
            )?;
            let early = input.buffer().to_vec();
            return echo(WebSocket::from_partially_read(out, early, Role::Server, None));
        }
        let body = read_body(&mut input, &request)?;
        let path = request.target.split('?').next().unwrap_or_default();
        if let Some(seconds) = path.strip_prefix("/sleep/").and_then(|s| s.parse().ok()) {
            std::thread::sleep(Duration::from_secs(seconds));
        }
        let status: u16 = path.strip_prefix("/status/").and_then(|s| s.parse().ok()).unwrap_or(200);
        let close = request.header("connection").eq_ignore_ascii_case("close");
        let answer = json!({
            "backend": backend,
            "client": client,
            "method": request.method,
            "path": request.target,
            "headers": request.headers,
            "body_bytes": body,
        });
        let mut text = serde_json::to_string_pretty(&answer)?;
        text.push('\n');
        write!(
            out,
            "HTTP/1.1 {status} Echo\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        )?;
        if request.method != "HEAD" {
            out.write_all(text.as_bytes())?;
        }
        if close {
            break;
        }
    }
    Ok(())
}

fn echo(mut socket: WebSocket<TcpStream>) -> Result<()> {
    loop {
        match socket.read()? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message)?,
            // Pings are answered while reading; a close is answered by the next read, which then ends.
            _ => socket.flush()?,
        }
    }
}

/// The request line and headers, names in lower case, repeated ones joined; `None` at the end of the connection.
fn read_head(input: &mut impl BufRead) -> Result<Option<Request>> {
    let Some(first) = read_line(input)? else { return Ok(None) };
    let mut words = first.split(' ').map(String::from);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        bail!("no request line: {first}")
    };
    let mut headers = Map::new();
    loop {
        let line = read_line(input)?.context("the request ends in its head")?;
        if line.is_empty() {
            return Ok(Some(Request { method, target, headers }));
        }
        let (name, value) = line.split_once(':').with_context(|| format!("no header: {line}"))?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        let value = match headers.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.to_string(),
        };
        headers.insert(name, value.into());
    }
}

/// Reads the body to its end and returns its length in bytes.
fn read_body(input: &mut impl BufRead, request: &Request) -> Result<u64> {
    if request.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        let mut total = 0;
        loop {
            let line = read_line(input)?.context("the body ends early")?;
            let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
            total += skip(input, size)?;
            if size == 0 {
                while read_line(input)?.is_some_and(|l| !l.is_empty()) {}
                return Ok(total);
            }
            read_line(input)?;
        }
    }
    skip(input, request.header("content-length").parse().unwrap_or(0))
}

fn skip(input: &mut impl BufRead, size: u64) -> Result<u64> {
    Ok(std::io::copy(&mut input.take(size), &mut std::io::sink())?)
}

fn read_line(input: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = Vec::new();
    if input.take(65536).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&line);
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_its_chunked_body() {
        let text = "POST /a?b=1 HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let mut input = text.as_bytes();
        let request = read_head(&mut input).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/a?b=1"));
        assert_eq!(request.header("x-a"), "1, 2");
        assert_eq!(read_body(&mut input, &request).unwrap(), 8);
        assert_eq!(read_head(&mut input).unwrap().unwrap().method, "GET");
        assert!(read_head(&mut input).unwrap().is_none());
    }
}
