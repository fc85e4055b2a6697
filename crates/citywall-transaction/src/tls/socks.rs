//! The SOCKS handshake that may stand before TLS (SOCKS 4 and 4A; RFC 1928, RFC 1929).
//!
//! Owns: how long it is, in each direction. Only CONNECT is followed.

/// What stands at a stream's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Not a SOCKS handshake.
    None,
    /// The beginning of one.
    Incomplete,
    /// One of this length.
    Length(usize),
}

/// Reads at a place; `Err` says what the whole is when it cannot go on.
struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, Part> {
        let byte = self.data.get(self.at).copied().ok_or(Part::Incomplete)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, good: &[u8]) -> Result<u8, Part> {
        let byte = self.byte()?;
        if good.contains(&byte) {
            Ok(byte)
        } else {
            Err(Part::None)
        }
    }

    fn skip(&mut self, count: usize) -> Result<(), Part> {
        self.at += count;
        if self.at <= self.data.len() {
            Ok(())
        } else {
            Err(Part::Incomplete)
        }
    }

    /// A string that ends with NUL, of at most 255 bytes.
    fn text(&mut self) -> Result<(), Part> {
        for _ in 0..256 {
            if self.byte()? == 0 {
                return Ok(());
            }
        }
        Err(Part::None)
    }

    /// Address type, address and port of SOCKS 5.
    fn address(&mut self) -> Result<(), Part> {
        let length = match self.expect(&[1, 3, 4])? {
            1 => 4,
            4 => 16,
            _ => usize::from(self.byte()?),
        };
        self.skip(length + 2)
    }

    fn end(result: Result<usize, Part>) -> Part {
        result.map_or_else(|part| part, Part::Length)
    }
}

/// What the client says.
pub(super) fn client_part(data: &[u8]) -> Part {
    let mut c = Cursor { data, at: 0 };
    match data.first() {
        Some(4) => Cursor::end(client_4(&mut c)),
        Some(5) => Cursor::end(client_5(&mut c)),
        _ => Part::None,
    }
}

fn client_4(c: &mut Cursor<'_>) -> Result<usize, Part> {
    c.expect(&[4])?;
    c.expect(&[1])?;
    c.skip(2)?;
    let ip = [c.byte()?, c.byte()?, c.byte()?, c.byte()?];
    c.text()?;
    if ip[..3] == [0, 0, 0] && ip[3] != 0 {
        // 4A: a host name follows.
        c.text()?;
    }
    Ok(c.at)
}

fn client_5(c: &mut Cursor<'_>) -> Result<usize, Part> {
    c.expect(&[5])?;
    let methods = c.expect(&[1, 2, 3, 4, 5, 6, 7, 8])?;
    let mut password = false;
    for _ in 0..methods {
        password |= c.expect(&[0, 1, 2, 3, 5, 6, 7, 8, 9])? == 2;
    }
    let next: &[u8] = if password { &[1, 5] } else { &[5] };
    if c.expect(next)? == 1 {
        // Name and password (RFC 1929).
        for _ in 0..2 {
            let length = c.byte()?;
            c.skip(usize::from(length))?;
        }
        c.expect(&[5])?;
    }
    c.expect(&[1])?;
    c.expect(&[0])?;
    c.address()?;
    Ok(c.at)
}

/// What the proxy says.
pub(super) fn server_part(data: &[u8]) -> Part {
    let mut c = Cursor { data, at: 0 };
    match data.first() {
        Some(0) => Cursor::end(server_4(&mut c)),
        Some(5) => Cursor::end(server_5(&mut c)),
        _ => Part::None,
    }
}

fn server_4(c: &mut Cursor<'_>) -> Result<usize, Part> {
    c.expect(&[0])?;
    c.expect(&[90])?;
    c.skip(6)?;
    Ok(c.at)
}

fn server_5(c: &mut Cursor<'_>) -> Result<usize, Part> {
    c.expect(&[5])?;
    if c.expect(&[0, 2])? == 2 {
        c.expect(&[1])?;
        c.expect(&[0])?;
    }
    c.expect(&[5])?;
    c.expect(&[0])?;
    c.expect(&[0])?;
    c.address()?;
    Ok(c.at)
}
