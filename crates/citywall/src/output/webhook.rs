//! One HTTP POST a message, JSON, over HTTP or HTTPS (ureq).

use std::time::Duration;

use super::alerting::{Message, Sink};

/// The sink.
pub struct Webhook {
    agent: ureq::Agent,
    url: String,
    token: Option<String>,
}

impl Webhook {
    /// Posts to this address, with a bearer token if one is given.
    pub fn new(url: &str, token: Option<String>) -> Webhook {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            // A redirect could carry the token elsewhere.
            .max_redirects(0)
            .build();
        Webhook {
            agent: config.into(),
            url: url.into(),
            token,
        }
    }
}

/// The TCP ports that posting to this address connects to: its own, or that of the proxy which the
/// environment names.
pub fn ports(url: &str) -> Vec<u16> {
    let uri = url.parse::<ureq::http::Uri>().ok();
    let own = uri.and_then(|uri| {
        let secure = uri.scheme_str() == Some("https");
        uri.port_u16().or(Some(if secure { 443 } else { 80 }))
    });
    let proxy = ureq::Proxy::try_from_env().map(|proxy| proxy.port());
    own.into_iter().chain(proxy).collect()
}

impl Sink for Webhook {
    fn send(&mut self, message: &Message) -> Result<(), String> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request
            .send(&message.line[..])
            .map_err(|error| error.to_string())?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            status => Err(format!("{} answered {status}", self.url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn the_ports_of_an_address_are_its_own_or_its_schemes() {
        for (url, port) in [
            ("http://a/x", 80),
            ("https://a/x", 443),
            ("https://[fd00::1]:8443/", 8443),
        ] {
            assert_eq!(ports(url).first(), Some(&port), "{url}");
        }
    }

    #[test]
    fn posts_json_and_takes_only_success() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for status in ["200 OK", "500 Broken", "302 Found"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 4096];
                let mut text = String::new();
                while !text.contains("\"x\"") {
                    let n = stream.read(&mut buffer).unwrap();
                    text.push_str(&String::from_utf8_lossy(&buffer[..n]));
                }
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                .unwrap();
                seen.push(text);
            }
            seen
        });
        let mut hook = Webhook::new(&url, Some("secret".into()));
        let message = Message {
            line: b"{\"x\":1}".to_vec(),
            kind: "alert",
            severity: 1,
            at: 0,
        };
        assert!(hook.send(&message).is_ok());
        assert!(hook.send(&message).is_err());
        assert!(hook.send(&message).is_err());
        let seen = server.join().unwrap();
        let first = seen[0].to_ascii_lowercase();
        assert!(first.starts_with("post /hook http/1.1\r\n"), "{first}");
        assert!(
            first.contains("authorization: bearer secret") && first.ends_with("{\"x\":1}"),
            "{first}"
        );
    }
}
