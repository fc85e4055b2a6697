//! A message head: its start line, and where the header fields that we need lie in it.
//!
//! Owns: RFC 9112 sections 2 to 5 and the reading of the length fields (section 6.3). A head is one
//! allocation; what is known of it are places in it.

use memchr::{memchr, memchr_iter, memrchr};

use super::field::{Field, field, names};
use super::mark::Mark;

/// More fields than this are told as `http.too_many_fields`.
const MANY_FIELDS: u32 = 200;

/// A place in a head. Fields never start at 0, so `start == 0` means: not there.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Span {
        // Heads are shorter than `Limits::message`; a limit over 4 GiB loses places, not safety.
        Span {
            start: u32::try_from(start).unwrap_or(0),
            end: u32::try_from(end).unwrap_or(0),
        }
    }
}

/// A start line and header fields, as they came (folded lines are joined by spaces).
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// Without its line end.
    start_line: Span,
    /// Method, target, version; or version, status, reason.
    parts: [Span; 3],
    fields: [Span; Field::Count as usize],
    /// Content-Encoding came more than once.
    more_codings: bool,
}

/// How long the body is, as the head says (RFC 9112 section 6.3, before method and status).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No length is given.
    None,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding names chunked; Content-Length beside it.
    Chunked(Option<u64>),
    /// Transfer-Encoding without chunked at its end: only the end of the connection tells.
    UntilClose,
}

impl Head {
    /// Bytes that it takes besides itself.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Reads a request head. `bytes` ends with the empty line, or is cut.
    pub(super) fn request(bytes: Vec<u8>, tell: &mut dyn FnMut(Mark)) -> (Head, Framing) {
        Head::read(bytes, Head::split_request_line, tell)
    }

    /// Reads a response head.
    pub(super) fn response(bytes: Vec<u8>, tell: &mut dyn FnMut(Mark)) -> (Head, Framing) {
        Head::read(bytes, Head::split_status_line, tell)
    }

    fn read(
        bytes: Vec<u8>,
        split: fn(&mut Head, &mut dyn FnMut(Mark)),
        tell: &mut dyn FnMut(Mark),
    ) -> (Head, Framing) {
        let mut head = Head {
            bytes,
            ..Head::default()
        };
        let returns = memchr_iter(b'\r', &head.bytes).count();
        let fields = head.find_start_line();
        split(&mut head, tell);
        let mut scan = head.read_lines(fields, tell);
        if returns != scan.ends as usize {
            // Some receivers take a CR alone for a line end: read it so, to miss nothing.
            tell(Mark::BareCr);
            head.end_lines_at_bare_returns();
            let fields = head.find_start_line();
            split(&mut head, tell);
            scan = head.read_lines(fields, tell);
        }
        if memchr(0, &head.bytes).is_some() {
            tell(Mark::NulByte);
        }
        if scan.count > MANY_FIELDS {
            tell(Mark::TooManyFields);
        }
        let framing = head.framing(&scan, tell);
        (head, framing)
    }

    /// Finds the start line; returns where the fields begin.
    fn find_start_line(&mut self) -> usize {
        let (line, next) = match memchr(b'\n', &self.bytes) {
            Some(end) => (end, end + 1),
            None => (self.bytes.len(), self.bytes.len()),
        };
        let end = line - usize::from(line > 0 && self.bytes[line - 1] == b'\r');
        self.start_line = Span::new(0, end);
        next
    }

    fn split_request_line(&mut self, tell: &mut dyn FnMut(Mark)) {
        let line = &self.bytes[..self.start_line.end as usize];
        let white = |b: &u8| *b == b' ' || *b == b'\t';
        let from = line.iter().position(|b| !white(b)).unwrap_or(line.len());
        let to = line.iter().rposition(|b| !white(b)).map_or(from, |last| last + 1);
        let method_end = memchr(b' ', &line[from..to]).map_or_else(
            || line[from..to].iter().position(white).map_or(to, |n| from + n),
            |n| from + n,
        );
        let mut version = to;
        if let Some(space) = memrchr(b' ', &line[method_end..to]) {
            let begin = method_end + space + 1;
            if line[begin..to].starts_with(b"HTTP/") {
                version = begin;
            }
        }
        let rest = &line[method_end..version];
        let lead = rest.iter().take_while(|b| white(b)).count();
        let trail = rest[lead..].iter().rev().take_while(|b| white(b)).count();
        let target = (method_end + lead, version - trail);
        // Exactly one space on each side, none inside: anything else is read differently by
        // different servers.
        let plain = from == 0
            && to == line.len()
            && lead == 1
            && (trail == 1 || version == to)
            && memchr(b' ', &line[target.0..target.1]).is_none()
            && target.0 < target.1;
        if !plain {
            tell(Mark::RequestLine);
        }
        if method_end == from || !line[from..method_end].iter().all(|&b| is_token(b)) {
            tell(Mark::Method);
        }
        self.parts = [
            Span::new(from, method_end),
            Span::new(target.0, target.1),
            Span::new(version, to),
        ];
    }

    fn split_status_line(&mut self, tell: &mut dyn FnMut(Mark)) {
        let end = self.start_line.end as usize;
        let line = &self.bytes[..end];
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | 0);
        let version = line.iter().position(blank).unwrap_or(end);
        let lead = line[version..].iter().take_while(|b| blank(b)).count();
        let status = version + lead;
        let status_end = memchr(b' ', &line[status..]).map_or(end, |n| status + n);
        self.parts = [
            Span::new(0, version),
            Span::new(status, status_end),
            Span::new((status_end + 1).min(end), end),
        ];
        if self.status() == 0 {
            tell(Mark::StatusLine);
        }
    }

    fn end_lines_at_bare_returns(&mut self) {
        for i in 0..self.bytes.len() {
            if self.bytes[i] == b'\r' && self.bytes.get(i + 1) != Some(&b'\n') {
                self.bytes[i] = b'\n';
            }
        }
        self.fields = Default::default();
        self.more_codings = false;
    }

    /// Goes through the header lines from `at` on.
    fn read_lines(&mut self, at: usize, tell: &mut dyn FnMut(Mark)) -> Scan {
        let mut scan = Scan {
            line: at,
            ends: u32::from(self.line_had_return(at)),
            ..Scan::default()
        };
        if at > 0 && scan.ends == 0 && self.bytes.get(at - 1) == Some(&b'\n') {
            tell(Mark::MissingCr);
        }
        while scan.line < self.bytes.len() {
            self.read_line(&mut scan, tell);
        }
        scan
    }

    /// True where the line before `next` ended with CR LF.
    fn line_had_return(&self, next: usize) -> bool {
        next >= 2 && self.bytes.get(next - 2) == Some(&b'\r')
    }

    /// Reads the line at `scan.line` and moves on.
    fn read_line(&mut self, scan: &mut Scan, tell: &mut dyn FnMut(Mark)) {
        let from = scan.line;
        let (mut end, next) = match memchr(b'\n', &self.bytes[from..]) {
            Some(n) => (from + n, from + n + 1),
            None => (self.bytes.len(), self.bytes.len()),
        };
        if end > from && self.bytes[end - 1] == b'\r' {
            end -= 1;
            scan.ends += 1;
        } else if next > end {
            tell(Mark::MissingCr);
        }
        scan.line = next;
        if end == from {
            return;
        }
        scan.count += 1;
        if matches!(self.bytes[from], b' ' | b'\t') {
            self.read_folded(from, end, scan, tell);
        } else {
            scan.begin = from;
            scan.last = self.read_field(from, end, scan, tell);
        }
        scan.last_end = end;
    }

    /// A line that begins with white space: it goes on with the line before (RFC 9112 section 5.2).
    /// Receivers differ where there is none, or where it looks like a field that says how the body
    /// is to be read: then it is read as that too.
    fn read_folded(&mut self, from: usize, end: usize, scan: &mut Scan, tell: &mut dyn FnMut(Mark)) {
        tell(Mark::FoldedField);
        let text = end - self.bytes[from..end].trim_ascii_start().len();
        let colon = memchr(b':', &self.bytes[text..end]).unwrap_or(0);
        let name = field(&self.bytes[text..text + colon]);
        if scan.last_end == 0 || matches!(name, Some(Field::TransferEncoding | Field::ContentEncoding)) {
            scan.begin = text;
            scan.last = self.read_field(text, end, scan, tell);
            return;
        }
        self.bytes[scan.last_end..from].fill(b' ');
        match scan.last {
            Some(field) => self.fields[field as usize].end = u32::try_from(end).unwrap_or(0),
            // The colon may have been folded away from its name.
            None if memchr(b':', &self.bytes[scan.begin..scan.last_end]).is_none() => {
                scan.last = self.read_field(scan.begin, end, scan, tell);
            }
            None => {}
        }
    }

    fn read_field(
        &mut self,
        from: usize,
        end: usize,
        scan: &mut Scan,
        tell: &mut dyn FnMut(Mark),
    ) -> Option<Field> {
        let Some(colon) = memchr(b':', &self.bytes[from..end]) else {
            tell(Mark::FieldWithoutColon);
            return None;
        };
        let colon = from + colon;
        let name = &self.bytes[from..colon];
        let odd = |b: &u8| *b <= b' ';
        let field = if name.is_empty() {
            tell(Mark::FieldWithoutName);
            return None;
        } else if name.iter().any(odd) {
            tell(Mark::SpaceBeforeColon);
            let plain: Vec<u8> = name.iter().copied().filter(|b| !odd(b)).collect();
            field(&plain)?
        } else {
            field(name)?
        };
        let value = &self.bytes[colon + 1..end];
        // A second colon belongs to no value that is looked for.
        let value = value.strip_prefix(b":").unwrap_or(value);
        let start = end - value.trim_ascii_start().len();
        let stop = start + self.bytes[start..end].trim_ascii_end().len();
        let span = &mut self.fields[field as usize];
        if span.start == 0 {
            *span = Span::new(start, stop);
            return Some(field);
        }
        let earlier = *span;
        match field {
            Field::Host => tell(Mark::HostRepeated),
            Field::ContentLength if self.slice(earlier) != Some(&self.bytes[start..stop]) => {
                tell(Mark::LengthRepeated);
            }
            // The last one says how the body ends.
            Field::TransferEncoding => {
                self.fields[field as usize] = Span::new(start, stop);
                scan.more_codings = true;
                return Some(field);
            }
            Field::ContentEncoding => self.more_codings = true,
            _ => {}
        }
        None
    }

    fn framing(&self, scan: &Scan, tell: &mut dyn FnMut(Mark)) -> Framing {
        let length = self.field(Field::ContentLength);
        if let Some(codings) = self.field(Field::TransferEncoding) {
            if length.is_some() {
                tell(Mark::LengthAmbiguous);
            }
            if scan.more_codings || !codings.eq_ignore_ascii_case(b"chunked") {
                tell(Mark::TransferEncoding);
            }
            // However it is written around: some receiver takes it for chunked.
            return if names(codings, b"chunked") {
                Framing::Chunked(length.and_then(decimal))
            } else {
                Framing::UntilClose
            };
        }
        let Some(length) = length else {
            return Framing::None;
        };
        // "5, 5" is what a proxy makes of two equal fields (RFC 9110 section 8.6).
        let mut values = length.split(|b| *b == b',').map(|v| decimal(v.trim_ascii()));
        match values.next().flatten() {
            Some(first) if values.all(|v| v == Some(first)) => Framing::Length(first),
            _ => {
                tell(Mark::LengthInvalid);
                Framing::UntilClose
            }
        }
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        self.bytes.get(span.start as usize..span.end as usize)
    }

    fn part(&self, i: usize) -> &[u8] {
        self.slice(self.parts[i]).unwrap_or_default()
    }

    /// The value of a header field, without white space around it; the first where it is repeated.
    pub(super) fn field(&self, field: Field) -> Option<&[u8]> {
        let span = self.fields[field as usize];
        if span.start == 0 { None } else { self.slice(span) }
    }

    /// All content codings, in order.
    pub(super) fn codings(&self) -> Option<Vec<u8>> {
        let first = self.field(Field::ContentEncoding)?;
        if !self.more_codings {
            return Some(first.to_vec());
        }
        let values = self.lines().filter_map(|line| {
            let colon = memchr(b':', line)?;
            let name: Vec<u8> = line[..colon].iter().copied().filter(|b| *b > b' ').collect();
            (field(&name) == Some(Field::ContentEncoding)).then(|| line[colon + 1..].trim_ascii())
        });
        Some(values.collect::<Vec<_>>().join(&b','))
    }

    /// True where no head was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first line without its line end.
    pub(super) fn start_line(&self) -> &[u8] {
        self.slice(self.start_line).unwrap_or_default()
    }

    /// A request's method.
    pub(super) fn method(&self) -> &[u8] {
        self.part(0)
    }

    /// A request's target as it came.
    pub(super) fn target(&self) -> &[u8] {
        self.part(1)
    }

    /// A request's version, empty for a simple request.
    pub(super) fn request_version(&self) -> &[u8] {
        self.part(2)
    }

    /// A response's version.
    pub(super) fn response_version(&self) -> &[u8] {
        self.part(0)
    }

    /// A response's status as text.
    pub(super) fn status_text(&self) -> &[u8] {
        self.part(1)
    }

    /// A response's status, 0 where it is not three digits.
    pub(super) fn status(&self) -> u16 {
        match self.status_text() {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => 0,
        }
    }

    /// A response's reason phrase.
    pub(super) fn reason(&self) -> &[u8] {
        self.part(2)
    }

    /// All header lines, each without its line end.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let from = memchr(b'\n', &self.bytes).map_or(self.bytes.len(), |n| n + 1);
        self.bytes[from..]
            .split(|b| *b == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
    }

    /// The header block: all lines with their line ends, without the empty one.
    pub(super) fn block(&self) -> &[u8] {
        let from = memchr(b'\n', &self.bytes).map_or(self.bytes.len(), |n| n + 1);
        let block = &self.bytes[from..];
        match block {
            [rest @ .., b'\r', b'\n'] if rest.ends_with(b"\n") || rest.is_empty() => rest,
            [rest @ .., b'\n'] if rest.ends_with(b"\n") || rest.is_empty() => rest,
            _ => block,
        }
    }
}

/// Where `read_lines` stands.
#[derive(Default)]
struct Scan {
    /// Start of the next line.
    line: usize,
    /// Lines that ended with CR LF.
    ends: u32,
    /// Fields so far.
    count: u32,
    /// The field that a folded line would belong to.
    last: Option<Field>,
    /// Start of the last field's lines, and their end without the line end.
    begin: usize,
    last_end: usize,
    /// Transfer-Encoding came more than once.
    more_codings: bool,
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || memchr(b, b"!#$%&'*+-.^_`|~").is_some()
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, b| match b {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}
