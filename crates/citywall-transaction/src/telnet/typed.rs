//! What the client types: one line at a time, wiped when it ends.
//!
//! Owns: line editing and the bound of what is kept. Does not own: what a line means.

/// Bytes of a line that are kept; more are counted only.
const KEPT: usize = 256;

/// The line that is being typed.
#[derive(Debug, Default)]
pub(super) struct Typed {
    bytes: Vec<u8>,
    /// Characters beyond those kept.
    more: u32,
    /// Something was typed since the last line end.
    pub started: bool,
    /// A part of the line was not captured.
    pub damaged: bool,
    after_return: bool,
}

impl Typed {
    /// True for the second byte of a line end, which is part of the first (RFC 854: CR LF, CR NUL).
    pub(super) fn completes_line_end(&mut self, byte: u8) -> bool {
        std::mem::take(&mut self.after_return) && matches!(byte, b'\n' | 0)
    }

    /// The next byte; true where it ends the line.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match byte {
            b'\r' | b'\n' => {
                self.after_return = byte == b'\r';
                return true;
            }
            // Backspace and delete.
            0x08 | 0x7f => {
                if self.more > 0 {
                    self.more -= 1;
                } else if let Some(last) = self.bytes.last_mut() {
                    *last = 0;
                    self.bytes.pop();
                }
            }
            // Erase line, interrupt.
            0x15 | 0x03 => self.wipe(),
            _ if self.bytes.len() < KEPT => self.bytes.push(byte),
            _ => self.more = self.more.saturating_add(1),
        }
        false
    }

    /// The kept bytes of the line.
    pub(super) fn line(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of the whole line.
    pub(super) fn length(&self) -> u32 {
        // At most KEPT bytes are kept.
        (self.bytes.len() as u32).saturating_add(self.more)
    }

    /// The line is over and forgotten.
    pub(super) fn end(&mut self) {
        self.wipe();
        self.started = false;
        self.damaged = false;
    }

    fn wipe(&mut self) {
        self.bytes.fill(0);
        self.bytes.clear();
        self.more = 0;
    }
}
