//! Follows one HTTP conversation: both directions, requests paired with responses in order.
//!
//! Owns: which response belongs to which request, when an exchange is given out, what follows
//! CONNECT and 101. Does not own: the bytes of one direction (`half`, `head`, `body`).

use std::collections::VecDeque;

use citywall_event::Nanos;
use citywall_flow::{Content, Direction};

use super::HttpExchange;
use super::field::Field;
use super::half::{Behind, ChunkLine, Half, Stage, Taken};
use super::head::{Framing, Head};
use super::login;
use super::mark::{Mark, Marks};
use super::tunnel::Tunnel;
use super::uri;
use crate::{Dissector, Hint, Input, Limits, Output};

pub(super) const REQUEST: Direction = Direction::ToResponder;
pub(super) const RESPONSE: Direction = Direction::ToInitiator;

/// One conversation.
pub(super) struct HttpDissector {
    pub(super) limits: Limits,
    hint: Hint,
    pub(super) halves: [Half; 2],
    /// Exchanges that are not complete, in the order of their requests.
    pub(super) open: VecDeque<Box<HttpExchange>>,
    next_id: u64,
    /// Responses to come whose requests were given out already for lack of room.
    forgotten: u64,
    pub(super) marks: Marks,
    pub(super) sighted: [bool; 2],
    /// The last name that logged in with success: it is not told again with each request.
    pub(super) logged_in: Option<String>,
    tunnel: Option<Box<Tunnel>>,
    /// The capture lost bytes: requests may be among them.
    lossy: bool,
}

impl Dissector for HttpDissector {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.feed(input, out);
        }
        if !matches!(input.content, Content::Bytes(_)) {
            self.simple_request(out);
        }
        match input.content {
            Content::Bytes(data) => self.bytes(input.at, input.direction, data, out),
            Content::Gap(missing) => {
                self.lossy = true;
                self.gap(input.direction, missing, out);
            }
            Content::End { .. } => self.end(input.direction, out),
            Content::Datagram(_) => {}
        }
    }

    fn finish(&mut self, at: Nanos, out: &mut Output) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.finish(at, out);
        }
        self.simple_request(out);
        self.end(REQUEST, out);
        self.end(RESPONSE, out);
    }

    fn held(&self) -> usize {
        let halves = self.halves.iter().map(Half::held);
        let open = self.open.iter().map(|exchange| exchange.held());
        let tunnel = self.tunnel.iter().map(|tunnel| tunnel.held());
        halves.chain(open).chain(tunnel).sum()
    }
}

impl HttpDissector {
    pub(super) fn new(limits: &Limits, hint: Hint) -> HttpDissector {
        HttpDissector {
            limits: limits.clone(),
            hint,
            halves: Default::default(),
            open: VecDeque::new(),
            next_id: 1,
            forgotten: 0,
            marks: Marks::default(),
            sighted: [false; 2],
            logged_in: None,
            tunnel: None,
            lossy: false,
        }
    }

    pub(super) fn half(&mut self, direction: Direction) -> &mut Half {
        &mut self.halves[direction.index()]
    }

    fn bytes(&mut self, at: Nanos, direction: Direction, mut data: &[u8], out: &mut Output) {
        while !data.is_empty() {
            if let Some(tunnel) = &mut self.tunnel {
                let content = Content::Bytes(data);
                return tunnel.feed(
                    &Input {
                        at,
                        direction,
                        content,
                    },
                    out,
                );
            }
            let used = self.step(at, direction, data, out);
            data = data.get(used..).unwrap_or_default();
        }
    }

    /// Uses up some of `data`, or goes on to another stage.
    fn step(&mut self, at: Nanos, direction: Direction, data: &[u8], out: &mut Output) -> usize {
        if direction == RESPONSE {
            self.simple_request(out);
        }
        let limit = self.limits.message;
        let half = &mut self.halves[direction.index()];
        match &mut half.stage {
            Stage::Head => {
                return match half.kept.take(data, limit, direction == REQUEST) {
                    Taken::Incomplete => data.len(),
                    Taken::Head(head, used) => {
                        self.head(at, direction, head, out);
                        used
                    }
                    Taken::TooLong(head, used) => {
                        self.too_long(direction, head, out);
                        used
                    }
                };
            }
            Stage::Length(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                *left -= used as u64;
                let ended = *left == 0;
                self.body(direction, &data[..used], out);
                if ended {
                    self.message_ended(direction, true, out);
                }
                return used;
            }
            Stage::UntilClose => self.body(direction, data, out),
            Stage::ChunkData(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                *left -= used as u64;
                if *left == 0 {
                    half.stage = Stage::ChunkEnd;
                }
                self.body(direction, &data[..used], out);
                return used;
            }
            Stage::ChunkSize(_) | Stage::ChunkEnd | Stage::Trailers(..) => {
                return self.chunk_framing(direction, data, out);
            }
            Stage::Waiting(behind) => {
                if !behind.add(data, limit) {
                    half.stage = Stage::Stopped;
                }
            }
            Stage::Lost => {
                if let Some(used) = half.kept.resynchronise(data, direction == REQUEST) {
                    half.stage = Stage::Head;
                    return used;
                }
            }
            Stage::Stopped => {}
        }
        data.len()
    }

    fn head(&mut self, at: Nanos, direction: Direction, bytes: Vec<u8>, out: &mut Output) {
        if direction == REQUEST {
            self.request_head(bytes, out);
        } else {
            self.response_head(at, bytes, out);
        }
    }

    /// A request of one line without version is complete once the client has said nothing more.
    fn simple_request(&mut self, out: &mut Output) {
        if let Some(line) = self.half(REQUEST).kept.take_lone() {
            self.request_head(line, out);
        }
    }

    fn request_head(&mut self, bytes: Vec<u8>, out: &mut Output) {
        let marks = &mut self.marks;
        let (head, framing) = Head::request(bytes, &mut |mark| marks.tell(mark, REQUEST, out));
        let version = head.request_version();
        let simple = version.is_empty() && head.method() == b"GET";
        if !simple && !version.starts_with(b"HTTP/") {
            self.marks.tell(Mark::RequestLine, REQUEST, out);
            return self.lose(REQUEST, out);
        }
        if simple && head.lines().next().is_some() {
            // Neither HTTP/0.9, which has no header, nor a later version.
            self.marks.tell(Mark::RequestLine, REQUEST, out);
        }
        if version.starts_with(b"HTTP/2") {
            // The preface of HTTP/2 with prior knowledge (RFC 9113 section 3.4).
            return self.stop(out);
        }
        self.check_host(&head, out);
        self.sight(REQUEST, head.field(Field::UserAgent), "http.user_agent", out);
        let mut exchange = Box::new(HttpExchange {
            id: self.next_id,
            request: head,
            ..HttpExchange::default()
        });
        self.next_id += 1;
        let head = &exchange.request;
        if let Some(value) = head.field(Field::Authorization) {
            exchange.login = login::login(value).map(Box::new);
        }
        let connect = head.method() == b"CONNECT";
        let stage = match framing {
            // A request without length has no body (RFC 9112 section 6.3).
            _ if connect => Stage::Waiting(Behind::default()),
            Framing::None | Framing::Length(0) => Stage::Head,
            Framing::Length(length) => Stage::Length(length),
            Framing::Chunked(_) => Stage::ChunkSize(ChunkLine::default()),
            Framing::UntilClose => Stage::UntilClose,
        };
        let coding = head.codings();
        self.begin_body(REQUEST, stage, exchange.id, coding.as_deref(), None, out);
        self.body_is_of_type(head.field(Field::ContentType));
        exchange.request_done = matches!(self.half(REQUEST).stage, Stage::Head | Stage::Waiting(_));
        self.make_room(out);
        self.open.push_back(exchange);
    }

    fn check_host(&mut self, head: &Head, out: &mut Output) {
        let host = head.field(Field::Host);
        match (host, uri::authority(head.target())) {
            (None, _) if head.request_version() == b"HTTP/1.1" => {
                self.marks.tell(Mark::HostMissing, REQUEST, out);
            }
            (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
                self.marks.tell(Mark::HostAmbiguous, REQUEST, out);
            }
            _ => {}
        }
    }

    /// Keeps the number of open exchanges within the limit: the oldest is given out as it stands.
    fn make_room(&mut self, out: &mut Output) {
        if self.open.len() < self.limits.open_requests.max(1) {
            return;
        }
        self.marks.tell(Mark::TooManyRequests, REQUEST, out);
        // The one whose response is in progress is given out at its end.
        let busy = self.open.front().is_some_and(|x| !x.response.is_empty());
        if let Some(oldest) = self.open.remove(usize::from(busy && self.open.len() > 1)) {
            self.forgotten += u64::from(oldest.response.is_empty());
            self.give(oldest, out);
        }
    }

    fn response_head(&mut self, at: Nanos, bytes: Vec<u8>, out: &mut Output) {
        let Some(bytes) = self.skip_to_status_line(bytes, out) else {
            return;
        };
        let marks = &mut self.marks;
        let (head, framing) = Head::response(bytes, &mut |mark| marks.tell(mark, RESPONSE, out));
        let status = head.status();
        let empty = matches!(framing, Framing::None | Framing::Length(0));
        if (100..200).contains(&status) && status != 101 && (empty || matches!(status, 100 | 103)) {
            // Interim: the final response is still to come (RFC 9110 section 15.2).
            return;
        }
        self.sight(RESPONSE, head.field(Field::Server), "http.server", out);
        let exchange = self.answered(out);
        let method = exchange.request.method();
        let (is_head, connect) = (method == b"HEAD", method == b"CONNECT");
        let id = exchange.id;
        let coding = head.codings();
        let upgrade = exchange.request.is_empty() || exchange.request.field(Field::Upgrade).is_some();
        exchange.response = head;
        if status == 101 && (upgrade || empty) {
            self.settle(id, RESPONSE, out);
            return self.stop(out);
        }
        if connect {
            if (200..300).contains(&status) {
                return self.open_tunnel(at, id, out);
            }
            self.resume(at, out);
        }
        let stage = match framing {
            _ if is_head || matches!(status, 204 | 304) => Stage::Head,
            Framing::Length(0) => Stage::Head,
            Framing::Length(length) => Stage::Length(length),
            Framing::Chunked(_) => Stage::ChunkSize(ChunkLine::default()),
            Framing::None | Framing::UntilClose => Stage::UntilClose,
        };
        let fallback = match framing {
            Framing::Chunked(length) => length,
            _ => None,
        };
        self.begin_body(RESPONSE, stage, id, coding.as_deref(), fallback, out);
        if matches!(self.half(RESPONSE).stage, Stage::Head) {
            self.settle(id, RESPONSE, out);
        }
    }

    /// The exchange that a response belongs to.
    fn answered(&mut self, out: &mut Output) -> &mut HttpExchange {
        if self.open.front().is_some_and(|x| x.response_done)
            && let Some(early) = self.open.pop_front()
        {
            // Its request is still in progress, and here is a second response.
            self.give(early, out);
        }
        if self.forgotten > 0 || self.open.is_empty() {
            if self.forgotten == 0 && self.waits_for_nothing() {
                self.marks.tell(Mark::ResponseWithoutRequest, RESPONSE, out);
            }
            self.forgotten = self.forgotten.saturating_sub(1);
            self.open.push_front(Box::new(HttpExchange {
                id: self.next_id,
                request_done: true,
                ..HttpExchange::default()
            }));
            self.next_id += 1;
        }
        &mut self.open[0]
    }

    /// True where requests have been seen, all of them, and none is in progress.
    fn waits_for_nothing(&self) -> bool {
        let half = &self.halves[REQUEST.index()];
        !self.lossy && self.next_id > 1 && matches!(half.stage, Stage::Head) && half.kept.bytes.is_empty()
    }

    /// The head from its status line on. Lines before it are passed over, as browsers do; an answer
    /// without any is a body (as for HTTP/0.9), where a request waits for one.
    fn skip_to_status_line(&mut self, mut bytes: Vec<u8>, out: &mut Output) -> Option<Vec<u8>> {
        if is_status_line(&bytes) {
            return Some(bytes);
        }
        if !self.open.front().is_some_and(|x| x.is_simple()) {
            self.marks.tell(Mark::StatusLine, RESPONSE, out);
            if let Some(at) = memchr::memmem::find(&bytes, b"HTTP/1.") {
                bytes.drain(..at);
                return Some(bytes);
            }
        }
        if self.open.is_empty() {
            self.lose(RESPONSE, out);
        } else {
            self.simple_response(&bytes, out);
        }
        None
    }

    /// The answer to a request without version is its body (RFC 1945 section 4.1).
    fn simple_response(&mut self, bytes: &[u8], out: &mut Output) {
        let id = self.answered(out).id;
        self.begin_body(RESPONSE, Stage::UntilClose, id, None, None, out);
        self.body(RESPONSE, bytes, out);
    }

    fn too_long(&mut self, direction: Direction, bytes: Vec<u8>, out: &mut Output) {
        if direction == RESPONSE && !is_status_line(&bytes) && !self.open.is_empty() {
            return self.simple_response(&bytes, out);
        }
        self.marks.tell(Mark::HeadTooLong, direction, out);
        let marks = &mut self.marks;
        let mut tell = |mark| marks.tell(mark, direction, out);
        if direction == REQUEST {
            let (request, _) = Head::request(bytes, &mut tell);
            self.make_room(out);
            self.open.push_back(Box::new(HttpExchange {
                id: self.next_id,
                request,
                request_done: true,
                ..HttpExchange::default()
            }));
            self.next_id += 1;
        } else {
            let (response, _) = Head::response(bytes, &mut tell);
            let exchange = self.answered(out);
            exchange.response = response;
            let id = exchange.id;
            self.settle(id, RESPONSE, out);
        }
        self.half(direction).stage = Stage::Stopped;
    }

    /// One side of an exchange is complete; gives it out when both are.
    pub(super) fn settle(&mut self, id: u64, direction: Direction, out: &mut Output) {
        let Some(at) = self.open.iter().position(|x| x.id == id) else {
            return;
        };
        let exchange = &mut self.open[at];
        match direction {
            REQUEST => exchange.request_done = true,
            RESPONSE => exchange.response_done = true,
        }
        if exchange.request_done
            && exchange.response_done
            && let Some(exchange) = self.open.remove(at)
        {
            self.give(exchange, out);
        }
    }

    /// A direction has ended.
    fn end(&mut self, direction: Direction, out: &mut Output) {
        let half = &mut self.halves[direction.index()];
        if direction == RESPONSE && matches!(half.stage, Stage::Head) {
            let kept = std::mem::take(&mut half.kept).bytes;
            if !kept.is_empty() && !is_status_line(&kept) && !self.open.is_empty() {
                self.simple_response(&kept, out);
            }
        }
        if self.half(direction).exchange != 0 {
            let whole = matches!(self.half(direction).stage, Stage::UntilClose);
            self.message_ended(direction, whole, out);
        }
        let half = self.half(direction);
        half.stage = Stage::Stopped;
        half.kept.clear();
        if direction == RESPONSE {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut Output) {
        while let Some(exchange) = self.open.pop_front() {
            self.give(exchange, out);
        }
    }

    /// Another protocol follows, or none that can be read.
    fn stop(&mut self, out: &mut Output) {
        for half in &mut self.halves {
            *half = Half {
                stage: Stage::Stopped,
                ..Half::default()
            };
        }
        self.flush(out);
        out.all_done();
    }

    /// CONNECT was accepted: both directions are the tunnel's from here on.
    fn open_tunnel(&mut self, at: Nanos, exchange: u64, out: &mut Output) {
        self.settle(exchange, RESPONSE, out);
        self.flush(out);
        let half = std::mem::take(self.half(REQUEST));
        let mut tunnel = Box::new(Tunnel::new(self.limits.clone(), self.hint));
        if let Stage::Waiting(behind) = &half.stage
            && !behind.bytes().is_empty()
        {
            let content = Content::Bytes(behind.bytes());
            let direction = REQUEST;
            tunnel.feed(
                &Input {
                    at,
                    direction,
                    content,
                },
                out,
            );
        }
        self.tunnel = Some(tunnel);
    }

    /// CONNECT was refused: what came after it are requests.
    fn resume(&mut self, at: Nanos, out: &mut Output) {
        let Stage::Waiting(behind) = &mut self.half(REQUEST).stage else {
            return;
        };
        let mut behind = std::mem::take(behind);
        self.half(REQUEST).stage = Stage::Head;
        while !behind.bytes().is_empty() {
            let used = self.step(at, REQUEST, behind.bytes(), out);
            behind.read(used);
            if let Stage::Waiting(next) = &mut self.half(REQUEST).stage {
                *next = behind;
                return;
            }
        }
    }
}

/// True where a head begins as a response does.
fn is_status_line(bytes: &[u8]) -> bool {
    bytes
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/"))
}
