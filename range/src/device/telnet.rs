//! A camera's shell behind a password, and those who try to get in.
//!
//! Owns: login prompts as devices have them, over plain TCP (RFC 854). Nothing that is typed is
//! ever run. Does not own: who knows the password.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use super::serve::{self, wrong};
use crate::log::{Kind, Log, now};

const PORT: u16 = 23;
/// A line is cut at this length.
const LINE: usize = 512;
/// Passwords that may be tried in one conversation.
const TRIES: usize = 3;

/// Serves the shell.
pub(super) fn serve(user: String, password: String, log: Arc<Log>) -> io::Result<()> {
    serve::tcp(PORT, move |mut stream, peer| {
        for _ in 0..TRIES {
            stream.write_all(b"\r\ncamera login: ")?;
            let began = now();
            let who = line(&mut stream)?;
            stream.write_all(b"Password: ")?;
            let word = line(&mut stream)?;
            let inside = who == user && word == password;
            log.tell(
                Kind::Served,
                "telnet",
                peer,
                began,
                inside,
                &format!("login {who}"),
            );
            if !inside {
                stream.write_all(b"\r\nLogin incorrect\r\n")?;
                continue;
            }
            stream.write_all(b"\r\nBusyBox v1.19.4 built-in shell (ash)\r\n# ")?;
            loop {
                let typed = line(&mut stream)?;
                if typed == "exit" {
                    return Ok(());
                }
                log.tell(Kind::Served, "shell", peer, now(), true, &typed);
                stream.write_all(b"\r\n# ")?;
            }
        }
        Ok(())
    })
}

fn line(stream: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => return Ok(String::from_utf8_lossy(&text).trim_end().to_owned()),
            [b] if text.len() < LINE => text.push(b),
            _ => {}
        }
    }
}

/// Tries a password; where it is right, types the lines. True where it got in.
pub(crate) fn login(to: Ipv4Addr, user: &str, password: &str, lines: &[String]) -> io::Result<bool> {
    let mut stream = serve::connect(to, PORT)?;
    until(&mut stream, b"login: ")?;
    stream.write_all(format!("{user}\r\n").as_bytes())?;
    until(&mut stream, b"Password: ")?;
    stream.write_all(format!("{password}\r\n").as_bytes())?;
    if !until(&mut stream, b"# ").is_ok_and(|seen| !seen.contains("incorrect")) {
        return Ok(false);
    }
    for typed in lines {
        stream.write_all(format!("{typed}\r\n").as_bytes())?;
        until(&mut stream, b"# ")?;
    }
    stream.write_all(b"exit\r\n")?;
    Ok(true)
}

/// Reads until the text that was told ends so, or a refusal was told.
fn until(stream: &mut TcpStream, end: &[u8]) -> io::Result<String> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end) && !seen.ends_with(b"incorrect\r\n") {
        stream.read_exact(&mut byte)?;
        seen.extend(byte);
        if seen.len() > 4 * LINE {
            return Err(wrong("no prompt"));
        }
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}
