//! Bodies of both directions: their framing on the wire, their ends, and what gaps do to them.
//!
//! Owns: going over chunks and lengths, and handing a finished body to its exchange. Where the bytes
//! of a body go is in `body`.

use citywall_flow::Direction;

use super::HttpExchange;
use super::body::{Body, Finished};
use super::dissector::{HttpDissector, REQUEST, RESPONSE};
use super::field::Field;
use super::file::{FileInfo, FileState, filename};
use super::half::{Carry, ChunkLine, Stage, skip_lines};
use super::mark::Mark;
use crate::Output;

impl HttpDissector {
    pub(super) fn begin_body(
        &mut self,
        direction: Direction,
        stage: Stage,
        exchange: u64,
        coding: Option<&[u8]>,
        fallback: Option<u64>,
        out: &mut Output,
    ) {
        let empty = matches!(stage, Stage::Head | Stage::Waiting(_));
        let (body, mark) = if empty {
            (None, None)
        } else {
            Body::new(&self.limits, direction, coding)
        };
        if let Some(mark) = mark {
            self.marks.tell(mark, direction, out);
        }
        let half = self.half(direction);
        half.stage = stage;
        half.exchange = if empty { 0 } else { exchange };
        half.length = 0;
        half.gap = false;
        half.fallback = fallback;
        half.body = body;
    }

    /// The type of the request's body that begins.
    pub(super) fn body_is_of_type(&mut self, content_type: Option<&[u8]>) {
        if let (Some(body), Some(content_type)) = (&mut self.half(REQUEST).body, content_type) {
            body.is_of_type(content_type);
        }
    }

    pub(super) fn body(&mut self, direction: Direction, data: &[u8], out: &mut Output) {
        let half = self.half(direction);
        half.length += data.len() as u64;
        if let Some(body) = &mut half.body
            && let Some(mark) = body.push(data)
        {
            self.marks.tell(mark, direction, out);
        }
    }

    pub(super) fn chunk_framing(&mut self, direction: Direction, data: &[u8], out: &mut Output) -> usize {
        let limit = self.limits.message;
        let half = &mut self.halves[direction.index()];
        match &mut half.stage {
            Stage::ChunkSize(line) => match line.read(data) {
                Ok((used, None)) => used,
                Ok((used, Some(chunk))) => {
                    half.stage = match chunk.size {
                        0 => Stage::Trailers(Carry::Start, 0),
                        size => Stage::ChunkData(size),
                    };
                    if chunk.odd {
                        self.marks.tell(Mark::ChunkSize, direction, out);
                    }
                    used
                }
                Err(bad) => {
                    let start = line.start().map(<[u8]>::to_vec);
                    self.not_chunked(direction, start, out);
                    bad.0
                }
            },
            Stage::Trailers(carry, length) => {
                let room = limit.saturating_sub(*length).min(data.len());
                if room == 0 {
                    self.marks.tell(Mark::HeadTooLong, direction, out);
                    self.lose(direction, out);
                    return 0;
                }
                let (used, ended) = skip_lines(carry, &data[..room]);
                *length += used;
                if ended {
                    self.message_ended(direction, true, out);
                }
                used
            }
            // `ChunkEnd`: CR LF, or LF as lenient receivers have it.
            stage => {
                let returns = data.iter().take_while(|b| **b == b'\r').count();
                match data.get(returns) {
                    Some(b'\n') => {
                        *stage = Stage::ChunkSize(ChunkLine::default());
                        returns + 1
                    }
                    Some(_) => {
                        self.marks.tell(Mark::ChunkEnd, direction, out);
                        self.lose(direction, out);
                        returns
                    }
                    None => data.len(),
                }
            }
        }
    }

    /// A size line is none. Where it should have been a response's first, the body is taken as if
    /// nobody had said that it is chunked, as browsers do; else the direction is lost.
    fn not_chunked(&mut self, direction: Direction, start: Option<Vec<u8>>, out: &mut Output) {
        self.marks.tell(Mark::ChunkSize, direction, out);
        let half = self.half(direction);
        let (Some(start), RESPONSE, 0) = (start, direction, half.length) else {
            return self.lose(direction, out);
        };
        let left = half
            .fallback
            .map(|length| length.saturating_sub(start.len() as u64));
        half.stage = match left {
            Some(left) => Stage::Length(left.max(1)),
            None => Stage::UntilClose,
        };
        self.body(direction, &start, out);
    }

    /// The message in progress is over; `whole` = as its framing promised.
    pub(super) fn message_ended(&mut self, direction: Direction, whole: bool, out: &mut Output) {
        let half = self.half(direction);
        half.stage = Stage::Head;
        let id = std::mem::take(&mut half.exchange);
        let (length, gap) = (half.length, half.gap);
        let finished = half.body.take().map(|body| body.finish(whole && !gap, gap));
        let Some(exchange) = self.open.iter_mut().find(|x| x.id == id) else {
            return;
        };
        match direction {
            REQUEST => exchange.request_length = length,
            RESPONSE => exchange.response_length = length,
        }
        if let Some((mut finished, mark)) = finished {
            let mut files = std::mem::take(&mut finished.parts);
            files.extend(file(exchange, direction, &finished, gap));
            exchange.files[direction.index()] = files;
            match direction {
                REQUEST => exchange.request_body = finished.kept,
                RESPONSE => exchange.response_body = finished.kept,
            }
            if let Some(mark) = mark {
                self.marks.tell(mark, direction, out);
            }
        }
        self.settle(id, direction, out);
    }

    /// Bytes are missing; 0 = nobody knows how many.
    pub(super) fn gap(&mut self, direction: Direction, missing: u64, out: &mut Output) {
        let half = self.half(direction);
        match &mut half.stage {
            Stage::Stopped => return,
            Stage::Length(left) | Stage::ChunkData(left) if (1..=*left).contains(&missing) => {
                *left -= missing;
            }
            Stage::UntilClose if missing > 0 => {}
            _ => return self.lose(direction, out),
        }
        half.length = half.length.saturating_add(missing);
        half.gap = true;
        if let Some(body) = &mut half.body {
            body.gap();
        }
        match half.stage {
            Stage::Length(0) => self.message_ended(direction, false, out),
            Stage::ChunkData(0) => half.stage = Stage::ChunkEnd,
            _ => {}
        }
    }

    /// It is no longer known where in a message this direction is.
    pub(super) fn lose(&mut self, direction: Direction, out: &mut Output) {
        if self.half(direction).exchange != 0 {
            self.message_ended(direction, false, out);
        }
        let half = self.half(direction);
        half.stage = Stage::Lost;
        half.kept.clear();
    }
}

/// The file that a body is, where files are asked for.
fn file(exchange: &HttpExchange, direction: Direction, body: &Finished, gaps: bool) -> Option<FileInfo> {
    if !body.file || body.size == 0 {
        return None;
    }
    let disposition = match direction {
        REQUEST => None,
        RESPONSE => exchange.response.field(Field::ContentDisposition),
    };
    let state = match body.hashes {
        Some(_) => FileState::Closed,
        None => FileState::Truncated,
    };
    Some(FileInfo {
        filename: filename(disposition, exchange.request.target()),
        state,
        gaps,
        size: body.size,
        hashes: body.hashes,
        direction,
    })
}
