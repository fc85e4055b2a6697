//! Messages one after the other in a TCP stream, each of which says how long it is.
//!
//! Owns: waiting for a whole message, and giving up where the lengths are lost. Does not own: where a message
//! says its length.

use citywall_flow::{Content, Direction};

use crate::{Output, Pending};

/// How a protocol frames its messages.
#[derive(Clone, Copy)]
pub(crate) struct Framing {
    /// Where the message that `data` begins with ends: `None` where more bytes are needed to tell.
    ///
    /// # Errors
    /// The mark of a length that cannot be: the framing is lost then.
    pub end: fn(&[u8]) -> Result<Option<usize>, &'static str>,
    /// The mark of a message over the limit.
    pub too_long: &'static str,
    /// The mark of a stream that ends inside a message.
    pub truncated: &'static str,
}

/// Both directions of a conversation.
pub(crate) struct Streams {
    framing: Framing,
    /// Bytes of a message at most.
    limit: usize,
    of: [Stream; 2],
}

#[derive(Default)]
struct Stream {
    pending: Pending,
    /// The framing is lost: nothing more can be read.
    lost: bool,
}

impl Streams {
    pub(crate) fn new(framing: Framing, limit: usize) -> Streams {
        Streams {
            framing,
            limit,
            of: Default::default(),
        }
    }

    /// Bytes of messages that are not whole.
    pub(crate) fn held(&self) -> usize {
        self.of.iter().map(|stream| stream.pending.bytes().len()).sum()
    }

    /// The next piece; `each` is given every message.
    pub(crate) fn feed(
        &mut self,
        direction: Direction,
        content: Content<'_>,
        out: &mut Output,
        mut each: impl FnMut(&[u8], &mut Output),
    ) {
        let (framing, limit) = (&self.framing, self.limit);
        let stream = &mut self.of[direction.index()];
        match content {
            Content::Bytes(data) if !stream.lost => {
                let lost = &mut stream.lost;
                let fed = stream.pending.feed(data, limit, |data| {
                    // Decided by the length alone, so that it does not depend on how the stream is cut.
                    let mark = match (framing.end)(data) {
                        _ if *lost => return data.len(),
                        Ok(None) => return 0,
                        Ok(Some(total)) if total > limit => framing.too_long,
                        Ok(Some(total)) => {
                            let Some(message) = data.get(..total) else {
                                return 0;
                            };
                            each(message, out);
                            return total;
                        }
                        Err(mark) => mark,
                    };
                    out.malformed(direction, mark);
                    *lost = true;
                    data.len()
                });
                stream.lost |= fed.is_err();
            }
            Content::Gap(_) => {
                stream.pending.clear();
                stream.lost = true;
            }
            Content::End { reset } => {
                if !reset && !stream.pending.bytes().is_empty() {
                    out.malformed(direction, framing.truncated);
                }
                stream.pending.clear();
            }
            Content::Bytes(_) | Content::Datagram(_) => {}
        }
        out.done[direction.index()] |= stream.lost;
    }
}
