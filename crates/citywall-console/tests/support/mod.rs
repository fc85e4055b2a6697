//! A browser's worth of HTTP for tests: one request a connection, a cookie, forms.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What came back.
pub struct Answer {
    /// 200 and the like.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Whole.
    pub body: String,
}

impl Answer {
    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Somebody with a browser.
#[derive(Clone)]
pub struct Browser {
    /// `127.0.0.1:8440`.
    pub host: String,
    /// The session's.
    pub cookie: Option<String>,
    /// `en`, `zh-CN`.
    pub language: &'static str,
}

impl Browser {
    /// At a console's URL.
    pub fn at(url: &str) -> Browser {
        Browser {
            host: url.trim_start_matches("http://").to_owned(),
            cookie: None,
            language: "en",
        }
    }

    /// Any request, with these headers beside the usual ones.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nAccept-Language: {}\r\n",
            self.language
        );
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str(&format!("Host: {}\r\n", self.host));
        }
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("Cookie: {cookie}\r\n"));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(&self.host).expect("the console answers");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a time-out");
        // Who is refused early closes early.
        let _ = stream.write_all(text.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        parse(&bytes)
    }

    /// A page.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// A form, as this console's own page sends it.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).expect("a form");
        let origin = format!("http://{}", self.host);
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Origin", origin.as_str()),
        ];
        let answer = self.send("POST", path, &headers, &body);
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer
    }

    /// The token of the page's forms.
    pub fn csrf(&self) -> String {
        let page = self.get("/people").body;
        let rest = page.split("name=\"csrf\" value=\"").nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// Ada, who has the first account, at a console that was told that its run is over.
    pub fn first(url: &str, link: Option<&String>, password: &str) -> Browser {
        let mut ada = Browser::at(url);
        let link = link.expect("nobody has an account yet");
        assert_eq!(ada.use_link(link, "Ada Example", password).status, 303);
        // The feed's thread has read all by then.
        while !ada.get("/api/v1/health").body.contains("\"over\":true") {
            std::thread::sleep(Duration::from_millis(10));
        }
        ada
    }

    /// Somebody else, brought in by this one.
    pub fn invite(&mut self, name: &str, password: &str) -> Browser {
        let csrf = self.csrf();
        let page = self.post("/people/link", &[("csrf", &csrf), ("name", name)]).body;
        let rest = page.split("<code>/link/").nth(1).expect("a link");
        let link = format!("/link/{}", rest.split('<').next().expect("a token"));
        let mut other = Browser {
            cookie: None,
            ..self.clone()
        };
        assert_eq!(other.use_link(&link, name, password).status, 303);
        other
    }

    /// Sets a password by a link and is logged in.
    pub fn use_link(&mut self, link: &str, name: &str, password: &str) -> Answer {
        self.post(
            link,
            &[("name", name), ("password", password), ("again", password)],
        )
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|l| l.split(' ').nth(1))
        .and_then(|s| s.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(n, v)| n == "transfer-encoding" && v == "chunked");
    Answer {
        status: status.unwrap_or(0),
        body: if chunked { unchunk(body) } else { body.to_owned() },
        headers,
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}
