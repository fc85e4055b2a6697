//! A request with its response, and what rules may see of them.

use citywall_event::Login;
use citywall_event::json::Object;

use super::eve;
use super::field::Field;
use super::file::FileInfo;
use super::head::Head;
use super::uri;
use crate::{Buffer, Number, Record};

/// A request with its response. Either may be missing: a request that nobody answered, or a
/// response whose request was not seen.
#[derive(Debug, Default)]
pub struct HttpExchange {
    pub(super) id: u64,
    pub(super) request: Head,
    pub(super) response: Head,
    pub(super) request_done: bool,
    pub(super) response_done: bool,
    /// Body bytes without chunk framing, as transferred.
    pub(super) request_length: u64,
    pub(super) response_length: u64,
    /// What rules see of the bodies, decoded.
    pub(super) request_body: Vec<u8>,
    pub(super) response_body: Vec<u8>,
    pub(super) files: [Vec<FileInfo>; 2],
    pub(super) login: Option<Box<Login>>,
}

impl HttpExchange {
    /// Bytes that it takes.
    pub(super) fn held(&self) -> usize {
        let bodies = self.request_body.len() + self.response_body.len();
        size_of::<HttpExchange>() + self.request.held() + self.response.held() + bodies
    }

    /// The method, empty where the request was not seen.
    pub fn method(&self) -> &[u8] {
        self.request.method()
    }

    /// The target as it came (personal).
    pub fn target(&self) -> &[u8] {
        self.request.target()
    }

    /// The status, where a response was seen.
    pub fn status(&self) -> Option<u16> {
        Some(self.response.status()).filter(|s| *s != 0)
    }

    /// The authority that the request is for: the target's (RFC 9112 section 3.2.2), else Host.
    pub(super) fn authority(&self) -> Option<&[u8]> {
        uri::authority(self.request.target()).or_else(|| self.request.field(Field::Host))
    }

    /// True where the request has no version, as in HTTP/0.9: its answer may be a body alone.
    pub(super) fn is_simple(&self) -> bool {
        !self.request.is_empty() && self.request.request_version().is_empty()
    }

    fn both(&self, field: Field, each: &mut dyn FnMut(&[u8])) {
        one(self.request.field(field), each);
        one(self.response.field(field), each);
    }

    fn cookies(&self, each: &mut dyn FnMut(&[u8])) {
        one(self.request.field(Field::Cookie), each);
        for line in self.response.lines() {
            if line.len() > 11 && line[..11].eq_ignore_ascii_case(b"set-cookie:") {
                each(line[11..].trim_ascii());
            }
        }
    }

    fn host(&self, each: &mut dyn FnMut(&[u8])) {
        if let Some(authority) = self.authority() {
            each(&uri::lower(uri::host_and_port(authority).0));
        }
    }
}

fn one(value: Option<&[u8]>, each: &mut dyn FnMut(&[u8])) {
    if let Some(value) = value {
        each(value);
    }
}

fn unless_empty(value: &[u8], each: &mut dyn FnMut(&[u8])) {
    if !value.is_empty() {
        each(value);
    }
}

impl Record for HttpExchange {
    fn event_type(&self) -> &'static str {
        "http"
    }

    fn write(&self, o: &mut Object<'_>) {
        eve::write(self, o);
    }

    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        let (request, response) = (&self.request, &self.response);
        match which {
            Buffer::HttpMethod => unless_empty(request.method(), each),
            Buffer::HttpUri if !request.is_empty() => each(&uri::normalise(request.target())),
            Buffer::HttpUriRaw => unless_empty(request.target(), each),
            Buffer::HttpHost => self.host(each),
            Buffer::HttpHostRaw => one(self.authority(), each),
            Buffer::HttpUserAgent => one(request.field(Field::UserAgent), each),
            Buffer::HttpReferer => one(request.field(Field::Referer), each),
            Buffer::HttpCookie => self.cookies(each),
            Buffer::HttpAccept => one(request.field(Field::Accept), each),
            Buffer::HttpContentType => self.both(Field::ContentType, each),
            Buffer::HttpContentLength => self.both(Field::ContentLength, each),
            Buffer::HttpConnection => self.both(Field::Connection, each),
            Buffer::HttpServer => one(response.field(Field::Server), each),
            Buffer::HttpLocation => one(response.field(Field::Location), each),
            Buffer::HttpProtocol => {
                unless_empty(request.request_version(), each);
                unless_empty(response.response_version(), each);
            }
            Buffer::HttpStatCode => unless_empty(response.status_text(), each),
            Buffer::HttpStatMsg => unless_empty(response.reason(), each),
            Buffer::HttpRequestLine => unless_empty(request.start_line(), each),
            Buffer::HttpResponseLine => unless_empty(response.start_line(), each),
            Buffer::HttpRequestHeader => unless_empty(request.block(), each),
            Buffer::HttpResponseHeader => unless_empty(response.block(), each),
            Buffer::HttpRequestBody => unless_empty(&self.request_body, each),
            Buffer::HttpResponseBody => unless_empty(&self.response_body, each),
            Buffer::FileData => {
                unless_empty(&self.request_body, each);
                unless_empty(&self.response_body, each);
            }
            _ => {}
        }
    }

    fn number(&self, which: Number) -> Option<u64> {
        match which {
            Number::HttpStatCode => self.status().map(u64::from),
            _ => None,
        }
    }
}
