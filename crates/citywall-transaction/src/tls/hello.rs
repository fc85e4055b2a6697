//! ClientHello and ServerHello (RFC 8446 sections 4.1.2 and 4.1.3) as borrowed views.
//!
//! Owns: where their parts lie. Broken hellos give what could be read before the break.

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_HELLO_DONE: u8 = 14;

/// Extension types that are read (RFC 6066, 8422, 5246, 7301, 8446).
pub(super) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const GROUPS: u16 = 10;
    pub(crate) const POINT_FORMATS: u16 = 11;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const PRE_SHARED_KEY: u16 = 41;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
}

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Reads from the front of a slice.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Reader<'a> {
        Reader { rest }
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    pub(super) fn u24(&mut self) -> Option<usize> {
        self.take(3)
            .map(|b| u32::from_be_bytes([0, b[0], b[1], b[2]]) as usize)
    }

    /// A vector with one byte of length.
    pub(super) fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A vector with two bytes of length.
    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

/// Big-endian 16-bit numbers.
pub(super) fn numbers(data: &[u8]) -> impl Iterator<Item = u16> {
    data.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

/// A hello of either party. A ServerHello's `ciphers` holds the one that it chose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hello<'a> {
    /// `legacy_version`.
    pub(super) version: u16,
    pub(super) random: &'a [u8],
    pub(super) session: &'a [u8],
    pub(super) ciphers: &'a [u8],
    extensions: &'a [u8],
    /// Something in it does not fit together.
    pub(super) broken: bool,
}

impl<'a> Hello<'a> {
    /// Reads a ClientHello's body.
    pub(super) fn client(body: &'a [u8]) -> Hello<'a> {
        let mut hello = Hello::default();
        hello.broken = hello.read_client(&mut Reader::new(body)).is_none() || !hello.extensions_fit();
        hello
    }

    /// Reads a ServerHello's body.
    pub(super) fn server(body: &'a [u8]) -> Hello<'a> {
        let mut hello = Hello::default();
        hello.broken = hello.read_server(&mut Reader::new(body)).is_none() || !hello.extensions_fit();
        hello
    }

    fn read_client(&mut self, r: &mut Reader<'a>) -> Option<()> {
        self.version = r.u16()?;
        self.random = r.take(32)?;
        self.session = r.short()?;
        self.ciphers = r.long()?;
        r.short()?;
        self.read_extensions(r)
    }

    fn read_server(&mut self, r: &mut Reader<'a>) -> Option<()> {
        self.version = r.u16()?;
        self.random = r.take(32)?;
        // Up to draft 21 of TLS 1.3 neither session id nor compression method is there.
        let early_draft = (0x7f00..=0x7f15).contains(&self.version);
        if !early_draft {
            self.session = r.short()?;
        }
        self.ciphers = r.take(2)?;
        if !early_draft {
            r.u8()?;
        }
        self.read_extensions(r)
    }

    /// Extensions may be missing as a whole (RFC 5246 section 7.4.1.2).
    fn read_extensions(&mut self, r: &mut Reader<'a>) -> Option<()> {
        if r.rest.is_empty() {
            return Some(());
        }
        let length = usize::from(r.u16()?);
        self.extensions = &r.rest[..length.min(r.rest.len())];
        (length == r.rest.len()).then_some(())
    }

    fn extensions_fit(&self) -> bool {
        let read: usize = self.extensions().map(|(_, body)| 4 + body.len()).sum();
        read == self.extensions.len()
    }

    /// Type and body of each extension, in order.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut r = Reader::new(self.extensions);
        std::iter::from_fn(move || Some((r.u16()?, r.long()?)))
    }

    /// The first extension of a type.
    pub(super) fn extension(&self, wanted: u16) -> Option<&'a [u8]> {
        self.extensions()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, body)| body)
    }

    /// True for a HelloRetryRequest.
    pub(super) fn is_retry(&self) -> bool {
        self.random == RETRY
    }

    /// The host name that the client asks for (RFC 6066 section 3).
    pub(super) fn server_name(&self) -> Option<&'a [u8]> {
        let mut list = Reader::new(Reader::new(self.extension(extension::SERVER_NAME)?).long()?);
        loop {
            let kind = list.u8()?;
            let name = list.long()?;
            if kind == 0 {
                return Some(name);
            }
        }
    }

    /// Application protocols, in order (RFC 7301 section 3.1).
    pub(super) fn protocols(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let list = self
            .extension(extension::ALPN)
            .and_then(|body| Reader::new(body).long());
        let mut r = Reader::new(list.unwrap_or_default());
        std::iter::from_fn(move || r.short())
    }

    /// The versions that a client offers in the extension (RFC 8446 section 4.2.1).
    pub(super) fn offered_versions(&self) -> impl Iterator<Item = u16> + use<'a> {
        let body = self.extension(extension::SUPPORTED_VERSIONS);
        numbers(
            body.and_then(|body| Reader::new(body).short())
                .unwrap_or_default(),
        )
    }

    /// The version that a server chose.
    pub(super) fn chosen_version(&self) -> u16 {
        match self.extension(extension::SUPPORTED_VERSIONS) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => self.version,
        }
    }

    /// The cipher suite that a server chose.
    pub(super) fn chosen_cipher(&self) -> u16 {
        numbers(self.ciphers).next().unwrap_or(0)
    }
}
