//! The plain part of an SSH connection, and what rules may see of it.

use citywall_event::json::Object;

use super::eve;
use super::kex::Hassh;
use crate::{Buffer, Record};

/// What both parties said before encryption.
#[derive(Debug, Default)]
pub struct SshHandshake {
    /// Client, server.
    pub(super) parties: [Party; 2],
}

/// What one party said.
#[derive(Debug, Default)]
pub(super) struct Party {
    /// The whole identification string, without its line end.
    pub(super) banner: Vec<u8>,
    pub(super) hassh: Option<Hassh>,
}

impl Party {
    /// `2.0` of `SSH-2.0-OpenSSH_9.2p1 Debian-2`.
    pub(super) fn version(&self) -> &[u8] {
        let rest = self.banner.strip_prefix(b"SSH-").unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'-').unwrap_or(rest.len());
        &rest[..end]
    }

    /// `OpenSSH_9.2p1 Debian-2`.
    pub(super) fn software_and_comment(&self) -> &[u8] {
        let start = 4 + self.version().len() + 1;
        self.banner.get(start..).unwrap_or_default()
    }

    /// `OpenSSH_9.2p1`.
    pub(super) fn software(&self) -> &[u8] {
        let text = self.software_and_comment();
        let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
        &text[..end]
    }
}

impl SshHandshake {
    fn value(&self, which: Buffer) -> Option<&[u8]> {
        let [client, server] = &self.parties;
        let value: &[u8] = match which {
            Buffer::SshClientProto => client.version(),
            Buffer::SshClientSoftware => client.software(),
            Buffer::SshServerProto => server.version(),
            Buffer::SshServerSoftware => server.software(),
            Buffer::SshHassh => &client.hassh.as_ref()?.hash,
            Buffer::SshHasshString => &client.hassh.as_ref()?.text,
            Buffer::SshHasshServer => &server.hassh.as_ref()?.hash,
            Buffer::SshHasshServerString => &server.hassh.as_ref()?.text,
            _ => return None,
        };
        Some(value).filter(|v| !v.is_empty())
    }
}

impl Record for SshHandshake {
    fn event_type(&self) -> &'static str {
        "ssh"
    }

    fn write(&self, o: &mut Object<'_>) {
        eve::write(self, o);
    }

    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.value(which) {
            each(value);
        }
    }
}
