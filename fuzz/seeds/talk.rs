//! A conversation in the form that `citywall_fuzz::turns` reads.

const MARK: [u8; 3] = [0xc1, 0x7a, 0x11];

/// A conversation; starts with the two bytes that choose carrier, limits and ports.
#[derive(Clone)]
pub struct Talk {
    bytes: Vec<u8>,
    turns: usize,
}

impl Talk {
    /// `first` chooses carrier (its remainder) and limits (bits 6 and 7), `ports` both ports.
    pub fn new(first: u8, ports: u8) -> Talk {
        Talk {
            bytes: vec![first, ports],
            turns: 0,
        }
    }

    fn turn(mut self, control: u8, bytes: &[u8]) -> Talk {
        if self.turns > 0 {
            self.bytes.extend(MARK);
        }
        self.turns += 1;
        self.bytes.push(control);
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The client sends.
    pub fn client(self, bytes: impl AsRef<[u8]>) -> Talk {
        self.turn(0, bytes.as_ref())
    }

    /// The server sends.
    pub fn server(self, bytes: impl AsRef<[u8]>) -> Talk {
        self.turn(1, bytes.as_ref())
    }

    /// Somebody sends in pieces (`size` is an index of `PIECES`).
    pub fn pieces(self, way: u8, size: u8, bytes: impl AsRef<[u8]>) -> Talk {
        self.turn(way | size << 4, bytes.as_ref())
    }

    /// The client sends the same 2^n times.
    pub fn again(self, n: u8, bytes: impl AsRef<[u8]>) -> Talk {
        self.turn(0x80, &[&[n], bytes.as_ref()].concat())
    }

    /// Bytes were lost.
    pub fn gap(self, way: u8, count: u16) -> Talk {
        self.turn(way | 5 << 1, &count.to_be_bytes())
    }

    /// FIN.
    pub fn end(self, way: u8) -> Talk {
        self.turn(way | 6 << 1, b"")
    }

    /// The input.
    pub fn done(self) -> Vec<u8> {
        self.bytes
    }

    /// The same conversation with another start: for `session`, which has other carriers.
    pub fn starting(&self, first: u8, ports: u8) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[0] = first;
        bytes[1] = ports;
        bytes
    }

    /// The turns without the start.
    pub fn tail(&self) -> &[u8] {
        &self.bytes[2..]
    }
}

/// Puts parts together with marks between them.
pub fn marked(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.join(&MARK[..])
}
