//! Syslog messages (RFC 5424) over UDP (RFC 5426) or TCP with octet counting (RFC 6587, 3.4.1).

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use super::alerting::{Message, Sink};

/// Security/authorization messages of the log audit kind: facility 13.
const FACILITY: u8 = 13;

/// Longest message over UDP: fits an Ethernet of jumbo frames, cut behind.
const UDP_LIMIT: usize = 8_192;

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One message a datagram.
    Udp(String),
    /// Octet-counted messages on one connection.
    Tcp(String),
}

impl Target {
    /// Parses `udp://HOST:PORT` or `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// A text that shows the form.
    pub fn parse(text: &str) -> Result<Target, String> {
        let bad = || format!("syslog.address: '{text}' is not udp://HOST:PORT or tcp://HOST:PORT");
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let port = rest
            .rsplit_once(':')
            .and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
        if !matches!(port, Some(Ok(_))) {
            return Err(bad());
        }
        match scheme {
            "udp" => Ok(Target::Udp(rest.into())),
            "tcp" => Ok(Target::Tcp(rest.into())),
            _ => Err(bad()),
        }
    }

    /// The TCP port that is connected to.
    pub fn tcp_port(&self) -> Option<u16> {
        match self {
            Target::Udp(_) => None,
            Target::Tcp(address) => address.rsplit_once(':')?.1.parse().ok(),
        }
    }
}

/// The sink.
pub struct Syslog {
    target: Target,
    host: String,
    connection: Option<Connection>,
}

enum Connection {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    /// A sink that connects when the first message comes.
    pub fn new(target: Target) -> Syslog {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host: String = host
            .trim()
            .chars()
            .filter(char::is_ascii_graphic)
            .take(255)
            .collect();
        Syslog {
            target,
            host: if host.is_empty() { "-".into() } else { host },
            connection: None,
        }
    }

    fn connect(&self) -> std::io::Result<Connection> {
        match &self.target {
            Target::Udp(address) => {
                let to = resolve(address)?;
                let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(from)?;
                socket.connect(to)?;
                Ok(Connection::Udp(socket))
            }
            Target::Tcp(address) => {
                let stream = TcpStream::connect_timeout(&resolve(address)?, Duration::from_secs(3))?;
                stream.set_write_timeout(Some(Duration::from_secs(3)))?;
                Ok(Connection::Tcp(stream))
            }
        }
    }

    fn try_send(&mut self, message: &Message) -> std::io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        let mut text = render(message, &self.host);
        match &mut self.connection {
            Some(Connection::Udp(socket)) => {
                text.truncate(UDP_LIMIT);
                socket.send(&text).map(|_| ())
            }
            Some(Connection::Tcp(stream)) => {
                let mut framed = format!("{} ", text.len()).into_bytes();
                framed.extend_from_slice(&text);
                stream.write_all(&framed)
            }
            None => Ok(()),
        }
    }
}

fn resolve(address: &str) -> std::io::Result<std::net::SocketAddr> {
    address
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| std::io::Error::other("no such host"))
}

impl Sink for Syslog {
    fn send(&mut self, message: &Message) -> Result<(), String> {
        self.try_send(message).map_err(|error| {
            self.connection = None;
            error.to_string()
        })
    }
}

/// The RFC 5424 text: header, no structured data, the event as JSON.
fn render(message: &Message, host: &str) -> Vec<u8> {
    let severity = match message.severity {
        0 | 1 => 2,
        2 => 3,
        3 => 4,
        _ => 5,
    };
    let mut time = Vec::new();
    citywall_event::json::time(&mut time, message.at);
    // RFC 3339: "+0000" becomes "Z".
    time.truncate(26);
    time.push(b'Z');
    let mut text = format!("<{}>1 ", FACILITY * 8 + severity).into_bytes();
    text.extend_from_slice(&time);
    text.extend_from_slice(format!(" {host} citywall - {} - ", message.kind).as_bytes());
    text.extend_from_slice(&message.line);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::io::Read;
    use std::net::TcpListener;

    fn message() -> Message {
        let at = 1_795_362_439_123_456_789;
        Message {
            line: b"{\"event_type\":\"alert\"}".to_vec(),
            kind: "alert",
            severity: 1,
            at,
        }
    }

    #[test]
    fn the_text_is_rfc_5424() {
        expect![[r#"<106>1 2026-11-22T15:47:19.123456Z box citywall - alert - {"event_type":"alert"}"#]]
            .assert_eq(&String::from_utf8(render(&message(), "box")).unwrap());
    }

    #[test]
    fn targets() {
        assert_eq!(
            Target::parse("udp://192.0.2.1:514"),
            Ok(Target::Udp("192.0.2.1:514".into()))
        );
        assert_eq!(
            Target::parse("tcp://[2001:db8::1]:601"),
            Ok(Target::Tcp("[2001:db8::1]:601".into()))
        );
        for bad in [
            "",
            "udp://",
            "192.0.2.1:514",
            "tls://a:1",
            "udp://a:x",
            "udp://:5",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tcp_is_octet_counted_and_udp_is_one_datagram() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sink = Syslog::new(Target::Tcp(listener.local_addr().unwrap().to_string()));
        sink.send(&message()).unwrap();
        drop(sink);
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        let (length, rest) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), rest.len());

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sink = Syslog::new(Target::Udp(socket.local_addr().unwrap().to_string()));
        sink.send(&message()).unwrap();
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"<106>1 2026-"));
    }
}
