//! The plain part of a TLS handshake, and what rules may see of it.

use citywall_event::json::Object;

use super::certificate::Certificate;
use super::eve;
use super::fingerprint::Hashed;
use crate::{Buffer, Number, Record};

/// One connection's handshake, as far as it was seen in the clear.
#[derive(Debug, Default)]
pub struct TlsHandshake {
    pub(super) client: Option<Client>,
    pub(super) server: Option<Server>,
    pub(super) certificate: Option<Box<Certificate>>,
    /// Certificates that the server sent.
    pub(super) chain: u32,
    /// The server resumed an earlier session.
    pub(super) resumed: bool,
    pub(super) weak: Vec<&'static str>,
    /// The protocol that carried the beginning: `socks`, `http`.
    pub(super) from: Option<&'static str>,
}

/// What the client said.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) version: u16,
    pub(super) random: Vec<u8>,
    pub(super) session: Vec<u8>,
    pub(super) server_name: Option<Vec<u8>>,
    pub(super) protocols: Vec<Vec<u8>>,
    pub(super) ja3: Option<Hashed>,
    pub(super) ja4: Vec<u8>,
    /// JA4 of the second hello, after a HelloRetryRequest.
    pub(super) second_ja4: Vec<u8>,
}

/// What the server chose.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) version: u16,
    pub(super) cipher: u16,
    pub(super) protocols: Vec<Vec<u8>>,
    pub(super) ja3s: Hashed,
}

impl TlsHandshake {
    /// The negotiated version (`0x0304` for TLS 1.3), where the server's hello was seen; else what
    /// an SSL 2.0 client asked for.
    pub fn version(&self) -> Option<u16> {
        match (&self.server, &self.client) {
            (Some(server), _) => Some(server.version),
            (None, Some(client)) if client.version == 0x0002 => Some(2),
            _ => None,
        }
    }

    /// The host name that the client asked for.
    pub fn server_name(&self) -> Option<&[u8]> {
        self.client
            .as_ref()
            .and_then(|client| client.server_name.as_deref())
    }

    /// The client's JA4, of its first hello.
    pub fn ja4(&self) -> Option<&[u8]> {
        self.client
            .as_ref()
            .map(|client| client.ja4.as_slice())
            .filter(|v| !v.is_empty())
    }

    /// The client's JA4 of its second hello, where the server asked for one.
    pub fn second_ja4(&self) -> Option<&[u8]> {
        self.client
            .as_ref()
            .map(|client| client.second_ja4.as_slice())
            .filter(|v| !v.is_empty())
    }

    pub(super) fn ja3(&self) -> Option<&Hashed> {
        self.client.as_ref().and_then(|client| client.ja3.as_ref())
    }

    pub(super) fn ja3s(&self) -> Option<&Hashed> {
        self.server.as_ref().map(|server| &server.ja3s)
    }

    fn certificate_buffer(&self, which: Buffer) -> Option<&[u8]> {
        let certificate = self.certificate.as_ref()?;
        Some(match which {
            Buffer::TlsSubject => &certificate.subject,
            Buffer::TlsIssuer => &certificate.issuer,
            Buffer::TlsSerial => &certificate.serial,
            _ => &certificate.fingerprint,
        })
    }
}

/// A version as EVE names it.
pub(super) fn version_name(version: u16) -> &'static str {
    match version {
        0x0002 => "SSLv2",
        0x0300 => "SSLv3",
        0x0301 => "TLSv1",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        0x7f00..=0x7fff => "TLS 1.3 draft",
        _ => "UNDETERMINED",
    }
}

impl Record for TlsHandshake {
    fn event_type(&self) -> &'static str {
        "tls"
    }

    fn write(&self, o: &mut Object<'_>) {
        eve::write(self, o);
    }

    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        let one: Option<&[u8]> = match which {
            Buffer::TlsSni => self.server_name(),
            Buffer::TlsVersion => self.version().map(|v| version_name(v).as_bytes()),
            Buffer::TlsSubject | Buffer::TlsIssuer | Buffer::TlsSerial | Buffer::TlsFingerprint => {
                self.certificate_buffer(which)
            }
            Buffer::Ja3Hash => self.ja3().map(|ja3| ja3.hash.as_slice()),
            Buffer::Ja3String => self.ja3().map(|ja3| ja3.text.as_slice()),
            Buffer::Ja3sHash => self.ja3s().map(|ja3s| ja3s.hash.as_slice()),
            Buffer::Ja3sString => self.ja3s().map(|ja3s| ja3s.text.as_slice()),
            Buffer::Ja4Hash => {
                self.ja4().into_iter().chain(self.second_ja4()).for_each(each);
                return;
            }
            Buffer::TlsAlpn => {
                let client = self.client.iter().flat_map(|client| &client.protocols);
                let server = self.server.iter().flat_map(|server| &server.protocols);
                client.chain(server).for_each(|name| each(name));
                return;
            }
            _ => None,
        };
        if let Some(value) = one {
            each(value);
        }
    }

    fn number(&self, which: Number) -> Option<u64> {
        let certificate = self.certificate.as_ref()?;
        match which {
            Number::TlsCertValidDays => {
                let seconds = certificate.not_after?.checked_sub(certificate.not_before?)?;
                u64::try_from(seconds / 86_400).ok()
            }
            _ => None,
        }
    }
}
