//! Bytes of an incomplete message, kept until the rest comes.

/// One direction's unconsumed bytes. Whole messages in one piece are parsed where they lie; only
/// what is incomplete is copied.
#[derive(Debug, Default)]
pub struct Pending {
    buffer: Vec<u8>,
}

/// The kept bytes grew over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Pending {
    /// Calls `parse` on the unconsumed bytes, `data` included. It returns how many it consumed;
    /// it is called again with the rest until it consumes none. The rest is kept.
    ///
    /// # Errors
    /// `Overflow` where more than `limit` bytes would have to be kept; they are dropped.
    pub fn feed(
        &mut self,
        data: &[u8],
        limit: usize,
        mut parse: impl FnMut(&[u8]) -> usize,
    ) -> Result<(), Overflow> {
        if self.buffer.is_empty() {
            let rest = consume(data, &mut parse);
            if rest.len() > limit {
                return Err(Overflow);
            }
            self.buffer.extend_from_slice(rest);
            return Ok(());
        }
        self.buffer.extend_from_slice(data);
        let rest = consume(&self.buffer, &mut parse).len();
        let start = self.buffer.len() - rest;
        if rest == 0 {
            // Idle conversations hold no memory.
            self.buffer = Vec::new();
        } else {
            self.buffer.drain(..start);
        }
        if rest > limit {
            self.buffer = Vec::new();
            return Err(Overflow);
        }
        Ok(())
    }

    /// Forgets what is kept (after a gap).
    pub fn clear(&mut self) {
        self.buffer = Vec::new();
    }

    /// The kept bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }
}

fn consume<'a>(mut data: &'a [u8], parse: &mut impl FnMut(&[u8]) -> usize) -> &'a [u8] {
    while !data.is_empty() {
        let taken = parse(data).min(data.len());
        if taken == 0 {
            break;
        }
        data = &data[taken..];
    }
    data
}
