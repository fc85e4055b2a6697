//! A device's page, and those who fetch it.
//!
//! Owns: HTTP/1.1 as far as the range needs it (RFC 9112): one GET or POST a conversation. Does not
//! own: what is on the page.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

/// Headers, and bytes of a request's body, at most.
const HEADERS: u64 = 16_384;
const BODY: usize = 1 << 20;

/// Serves a page of so many bytes on port 80.
pub(super) fn serve(bytes: usize, log: Arc<Log>) -> io::Result<()> {
    let page = vec![b'.'; bytes];
    serve::tcp(80, move |mut stream, peer| {
        let began = now();
        let mut reader = BufReader::new(stream.try_clone()?);
        let (first, length) = head(&mut reader)?;
        let mut body = vec![0; length.min(BODY)];
        reader.read_exact(&mut body)?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: range\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            page.len()
        );
        stream.write_all(&[head.as_bytes(), &page].concat())?;
        let what = format!("{} ({length} bytes in)", first.trim_end());
        log.tell(Kind::Served, "http", peer, began, true, &what);
        Ok(())
    })
}

/// The first line of a message, and the length of its body.
fn head(reader: &mut impl BufRead) -> io::Result<(String, usize)> {
    let mut reader = reader.take(HEADERS);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(wrong("cut"));
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok((first, length));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| wrong("content-length"))?;
        }
    }
}

/// Fetches a page: how many bytes it has.
pub(crate) fn get(to: Ipv4Addr, port: u16, path: &str) -> io::Result<usize> {
    request(
        to,
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: range/1\r\n\r\n"),
        &[],
    )
}

/// Sends a body.
pub(crate) fn post(to: Ipv4Addr, port: u16, path: &str, body: &[u8]) -> io::Result<usize> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: range/1\r\nContent-Length: {length}\r\n\r\n"
    );
    request(to, port, &head, body)
}

fn request(to: Ipv4Addr, port: u16, asked: &str, body: &[u8]) -> io::Result<usize> {
    let mut stream = serve::connect(to, port)?;
    stream.write_all(&[asked.as_bytes(), body].concat())?;
    let mut reader = BufReader::new(stream);
    let (first, length) = head(&mut reader)?;
    if !first.contains(" 200 ") {
        return Err(wrong(first.trim_end()));
    }
    let mut page = vec![0; length.min(BODY)];
    reader.read_exact(&mut page)?;
    Ok(page.len())
}
