//! One direction's place in its byte stream: collecting a head, counting a body, lost after a gap.
//!
//! Owns: finding the end of a head, chunk sizes, resynchronising. Keeps at most one incomplete
//! head, and never looks twice at a byte.

use memchr::{memchr, memchr_iter, memmem};

use super::body::Body;

/// What the next bytes of a direction are.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// A head, or the rest of one.
    #[default]
    Head,
    /// This many bytes of body.
    Length(u64),
    /// Body until the connection ends.
    UntilClose,
    /// A chunk's size line.
    ChunkSize(ChunkLine),
    /// This many bytes of a chunk.
    ChunkData(u64),
    /// The line end after a chunk's data.
    ChunkEnd,
    /// Lines after the last chunk; how many bytes so far.
    Trailers(Carry, usize),
    /// Bytes after CONNECT whose answer is not known yet: kept.
    Waiting(Behind),
    /// Unknown: the next start line is looked for.
    Lost,
    /// Nothing more is of interest.
    Stopped,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// What comes next.
    pub(super) stage: Stage,
    /// The incomplete head, or what is kept while `Lost`.
    pub(super) kept: HeadBuffer,
    /// The exchange whose body is in progress.
    pub(super) exchange: u64,
    /// Body bytes so far.
    pub(super) length: u64,
    /// Where somebody wants the body's bytes.
    pub(super) body: Option<Box<Body>>,
    /// Parts of the body were not seen.
    pub(super) gap: bool,
    /// A chunked body's Content-Length, for when it is not chunked after all.
    pub(super) fallback: Option<u64>,
}

impl Half {
    /// Bytes that are kept of this direction.
    pub(super) fn held(&self) -> usize {
        let waiting = match &self.stage {
            Stage::Waiting(behind) => behind.bytes.len(),
            _ => 0,
        };
        self.kept.bytes.len() + waiting + self.body.as_ref().map_or(0, |body| body.held())
    }
}

/// What came behind a CONNECT. Where that is refused the bytes are requests; with further ones of its kind
/// among them, each waits where it lies: nothing is copied twice.
#[derive(Debug, Default)]
pub(super) struct Behind {
    bytes: Vec<u8>,
    used: usize,
}

impl Behind {
    /// Those that wait.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    /// So many of them were read.
    pub(super) fn read(&mut self, used: usize) {
        self.used += used;
    }

    /// False where they would be more than `limit`.
    pub(super) fn add(&mut self, data: &[u8], limit: usize) -> bool {
        if self.bytes().len() + data.len() > limit {
            return false;
        }
        // What was read is at most as much as what waits.
        if self.used > self.bytes.len() / 2 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(data);
        true
    }
}

/// How the current line began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Carry {
    /// No byte of it yet.
    #[default]
    Start,
    /// Only CR: with LF it ends a head, however many there are.
    Returns,
    /// Only blank and tab: with LF alone it ends a head, as some receivers have it; with CR LF the
    /// line before goes on.
    Blank,
    /// Something else.
    Text,
}

impl Carry {
    /// The line goes on with `piece`, which holds no LF.
    fn with(self, piece: &[u8]) -> Carry {
        let mut carry = self;
        for b in piece {
            carry = match (carry, b) {
                (Carry::Start | Carry::Returns, b'\r') => Carry::Returns,
                (Carry::Start | Carry::Blank, b' ' | b'\t') => Carry::Blank,
                _ => return Carry::Text,
            };
        }
        carry
    }
}

/// An incomplete head.
#[derive(Debug, Default)]
pub(super) struct HeadBuffer {
    pub(super) bytes: Vec<u8>,
    carry: Carry,
    first_line_done: bool,
    /// What is kept is the line of a simple request, and nothing behind it yet.
    lone: bool,
}

/// What `HeadBuffer::take` found.
pub(super) enum Taken {
    /// All bytes are kept; the head goes on.
    Incomplete,
    /// A whole head, and how many bytes of the input it took.
    Head(Vec<u8>, usize),
    /// No end within the limit: its beginning, and how many bytes of the input that took.
    TooLong(Vec<u8>, usize),
}

impl HeadBuffer {
    /// Looks for the end of the head: the first empty line. `simple` = a request without version may
    /// be a head by itself; whether it is shows in what comes next, see `take_lone`.
    pub(super) fn take(&mut self, data: &[u8], limit: usize, simple: bool) -> Taken {
        self.lone = false;
        let mut lone = false;
        let mut start = 0;
        if self.bytes.is_empty() {
            // Empty lines before a message are skipped (RFC 9112 section 2.2).
            start = data.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        }
        let mut line = start;
        for at in memchr_iter(b'\n', &data[start..]) {
            let end = start + at;
            let carry = self.carry.with(&data[line..end]);
            self.carry = Carry::Start;
            line = end + 1;
            let ended = if self.first_line_done {
                lone = false;
                carry != Carry::Text
            } else {
                self.first_line_done = true;
                lone = simple && self.is_simple(&data[start..end]);
                false
            };
            if ended {
                return self.complete(&data[start..line], start, limit);
            }
        }
        self.carry = self.carry.with(&data[line..]);
        let rest = &data[start..];
        if self.bytes.len() + rest.len() > limit {
            return self.too_long(rest, start, limit);
        }
        self.bytes.extend_from_slice(rest);
        self.lone = lone && rest.len() == line - start;
        Taken::Incomplete
    }

    /// The line of a simple request that stands alone (RFC 1945 section 4.1). To be asked where no
    /// header can follow it any more: the answer comes, or the direction ends.
    pub(super) fn take_lone(&mut self) -> Option<Vec<u8>> {
        self.lone.then(|| std::mem::take(self).bytes)
    }

    fn complete(&mut self, piece: &[u8], skipped: usize, limit: usize) -> Taken {
        if self.bytes.len() + piece.len() > limit {
            return self.too_long(piece, skipped, limit);
        }
        let kept = std::mem::take(self).bytes;
        let head = if kept.is_empty() {
            piece.to_vec()
        } else {
            let mut head = kept;
            head.extend_from_slice(piece);
            head
        };
        Taken::Head(head, skipped + piece.len())
    }

    fn too_long(&mut self, piece: &[u8], skipped: usize, limit: usize) -> Taken {
        let mut head = std::mem::take(self).bytes;
        let room = limit.saturating_sub(head.len()).min(piece.len());
        head.extend_from_slice(&piece[..room]);
        Taken::TooLong(head, skipped + room)
    }

    /// True where the first line, whose last piece is `piece`, is `GET target` and no more.
    fn is_simple(&self, piece: &[u8]) -> bool {
        let whole;
        let line = if self.bytes.is_empty() {
            piece
        } else {
            whole = [self.bytes.as_slice(), piece].concat();
            &whole
        };
        let line = line.trim_ascii_end();
        let mut words = line.split(|b| *b == b' ');
        words.next() == Some(b"GET")
            && words.next().is_some_and(|t| t.starts_with(b"/"))
            && words.next().is_none()
    }

    /// A lost direction: looks for a start line. `Some` gives how many bytes were used up; the
    /// start line is then in the buffer.
    pub(super) fn resynchronise(&mut self, data: &[u8], request: bool) -> Option<usize> {
        /// Longer lines are no start lines that we wait for.
        const LINE: usize = 8_192;
        let mut from = 0;
        while let Some(n) = memchr(b'\n', &data[from..]) {
            let end = from + n + 1;
            // `carry` is `Text` while a line that was too long goes on.
            let room = LINE.saturating_sub(self.bytes.len());
            let skip = self.carry == Carry::Text || end - from > room;
            if !skip {
                self.bytes.extend_from_slice(&data[from..end]);
                if let Some(at) = start_line(&self.bytes, request) {
                    self.bytes.drain(..at);
                    self.carry = Carry::Start;
                    self.first_line_done = true;
                    return Some(end);
                }
            }
            self.bytes.clear();
            self.carry = Carry::Start;
            from = end;
        }
        let rest = &data[from..];
        if self.carry != Carry::Text && self.bytes.len() + rest.len() <= LINE {
            self.bytes.extend_from_slice(rest);
        } else {
            self.bytes = Vec::new();
            self.carry = Carry::Text;
        }
        None
    }

    /// Forgets what is kept.
    pub(super) fn clear(&mut self) {
        *self = HeadBuffer::default();
    }
}

/// Where in this line a message starts.
fn start_line(line: &[u8], request: bool) -> Option<usize> {
    if !request {
        let at = memmem::find(line, b"HTTP/1.")?;
        return match line.get(at + 7..at + 10) {
            Some([b'0' | b'1', b' ', b'1'..=b'5']) => Some(at),
            _ => None,
        };
    }
    let method = line.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let text = line.trim_ascii_end();
    let version = text.len().checked_sub(9)?;
    let plain = (3..=12).contains(&method)
        && line.get(method) == Some(&b' ')
        && version > method
        && text[version..].starts_with(b" HTTP/1.");
    plain.then_some(0)
}

/// Goes over lines up to an empty one. Returns how many bytes were used and whether it was found.
pub(super) fn skip_lines(carry: &mut Carry, data: &[u8]) -> (usize, bool) {
    let mut line = 0;
    for end in memchr_iter(b'\n', data) {
        let whole = carry.with(&data[line..end]);
        *carry = Carry::Start;
        line = end + 1;
        if whole != Carry::Text {
            return (line, true);
        }
    }
    *carry = carry.with(&data[line..]);
    (data.len(), false)
}

/// A chunk's size line, read byte by byte (RFC 9112 section 7.1). As lenient receivers do, white
/// space before the size and anything behind it are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChunkLine {
    size: u64,
    digits: bool,
    /// After the size.
    extension: bool,
    /// Something in it is not as RFC 9112 has it.
    odd: bool,
    length: u16,
    /// How the line began, for bodies that turn out not to be chunked.
    start: [u8; 24],
}

/// There is no number, or one of more than 64 bits, or no end; where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadChunk(pub(super) usize);

/// A whole size line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkStart {
    pub(super) size: u64,
    pub(super) odd: bool,
}

impl ChunkLine {
    /// The next bytes. Gives how many were used, and the size at the end of the line.
    pub(super) fn read(&mut self, data: &[u8]) -> Result<(usize, Option<ChunkStart>), BadChunk> {
        for (i, &b) in data.iter().enumerate() {
            let digit = (b as char).to_digit(16).filter(|_| !self.extension);
            match (b, digit) {
                (b'\n', _) if self.digits => {
                    let (size, odd) = (self.size, self.odd);
                    return Ok((i + 1, Some(ChunkStart { size, odd })));
                }
                (_, Some(digit)) => {
                    self.digits = true;
                    let shifted = self.size.checked_mul(16).ok_or(BadChunk(i))?;
                    self.size = shifted | u64::from(digit);
                }
                _ if self.digits => {
                    self.odd |= !self.extension && !matches!(b, b';' | b'\r' | b' ' | b'\t');
                    self.extension = true;
                }
                (b'\n' | b'\r' | b' ' | b'\t' | 0x0b | 0x0c, _) => self.odd = true,
                _ => return Err(BadChunk(i)),
            }
            if let Some(place) = self.start.get_mut(usize::from(self.length)) {
                *place = b;
            }
            self.length += 1;
            if self.length > 4_096 {
                return Err(BadChunk(i + 1));
            }
        }
        Ok((data.len(), None))
    }

    /// The bytes of the line so far, where they are few.
    pub(super) fn start(&self) -> Option<&[u8]> {
        self.start.get(..usize::from(self.length))
    }
}
