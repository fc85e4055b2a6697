//! One DHCP message (RFC 2131 section 2): its fixed part, and the record kept of it.

use std::net::Ipv4Addr;

use citywall_event::Mac;
use citywall_event::json::Object;
use citywall_flow::Direction;

use super::eve;
use super::options::{self, Options, code};
use crate::{Buffer, Number, Record};

/// The fixed part.
const FIXED_BYTES: usize = 236;

/// What begins the options (RFC 2132 section 2).
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// A DHCP or BOOTP message.
#[derive(Debug)]
pub struct DhcpMessage {
    pub(super) options: Options,
    pub(super) direction: Direction,
}

/// Could this be DHCP? The magic number tells on any port; without it (BOOTP) only the port does.
pub(super) fn plausible(data: &[u8], own_port: bool) -> bool {
    let Some(fixed) = data.first_chunk::<FIXED_BYTES>() else {
        return false;
    };
    matches!(fixed[0], 1 | 2) && (own_port || fixed[2] <= 16 && data[FIXED_BYTES..].starts_with(&MAGIC))
}

/// Reads a message. The mark beside it names what is not well formed in its options.
///
/// # Errors
/// The mark of a message that cannot be read.
pub(super) fn parse(
    data: &[u8],
    direction: Direction,
) -> Result<(DhcpMessage, Option<&'static str>), &'static str> {
    let Some((fixed, rest)) = data.split_first_chunk::<FIXED_BYTES>() else {
        return Err("dhcp.truncated");
    };
    if !matches!(fixed[0], 1 | 2) {
        return Err("dhcp.opcode");
    }
    // BOOTP may have other things, or nothing, where the options stand.
    let start = if rest.starts_with(&MAGIC) {
        FIXED_BYTES + MAGIC.len()
    } else {
        data.len()
    };
    let (options, mark) = Options::parse(data, start);
    let mark = mark.or((fixed[2] > 16).then_some("dhcp.hardware_length"));
    Ok((DhcpMessage { options, direction }, mark))
}

impl DhcpMessage {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let found = self.options.raw().get(at..).and_then(|rest| rest.first_chunk());
        found.copied().unwrap_or([0; N])
    }

    fn ip(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from(self.bytes::<4>(at))
    }

    /// The message is from a server.
    pub(super) fn reply(&self) -> bool {
        self.bytes::<1>(0) == [2]
    }

    pub(super) fn id(&self) -> u32 {
        u32::from_be_bytes(self.bytes(4))
    }

    pub(super) fn client_ip(&self) -> Ipv4Addr {
        self.ip(12)
    }

    pub(super) fn assigned_ip(&self) -> Ipv4Addr {
        self.ip(16)
    }

    pub(super) fn next_server_ip(&self) -> Ipv4Addr {
        self.ip(20)
    }

    pub(super) fn relay_ip(&self) -> Ipv4Addr {
        self.ip(24)
    }

    /// The client's hardware address, as long as the message says.
    pub(super) fn hardware_address(&self) -> &[u8] {
        let [length] = self.bytes(2);
        let end = 28 + usize::from(length.min(16));
        self.options.raw().get(28..end).unwrap_or_default()
    }

    /// It went, or goes, by a relay.
    pub(super) fn relayed(&self) -> bool {
        !self.relay_ip().is_unspecified() || self.bytes::<1>(3) != [0]
    }

    /// The message type (option 53).
    pub(super) fn kind(&self) -> Option<u8> {
        self.options.get(code::MESSAGE_TYPE)?.first().copied()
    }

    /// The client's MAC address, where it is one of Ethernet that can be a device's own.
    pub(super) fn client_card(&self) -> Option<Mac> {
        const ETHERNET: u8 = 1;
        let [hardware] = self.bytes(1);
        let card: Mac = self.hardware_address().try_into().ok()?;
        (hardware == ETHERNET && card[0] & 1 == 0 && card != [0; 6]).then_some(card)
    }

    /// Answers are to be sent to all (RFC 2131 section 4.1).
    pub(super) fn broadcast(&self) -> bool {
        self.bytes::<1>(10)[0] & 0x80 != 0
    }

    /// The address that the client has from now on.
    pub(super) fn bound_address(&self) -> Option<Ipv4Addr> {
        let ip = self.assigned_ip();
        (self.kind() == Some(5) && !ip.is_unspecified()).then_some(ip)
    }
}

impl Record for DhcpMessage {
    fn event_type(&self) -> &'static str {
        "dhcp"
    }

    fn write(&self, o: &mut Object<'_>) {
        eve::write(self, o);
    }

    fn buffers(&self, which: Buffer, each: &mut dyn FnMut(&[u8])) {
        if which == Buffer::DhcpHostname
            && let Some(name) = self.options.get(code::HOSTNAME)
        {
            each(options::text(&name));
        }
    }

    fn number(&self, which: Number) -> Option<u64> {
        match which {
            Number::DhcpMessageType => self.kind().map(u64::from),
            Number::DhcpLeaseTime => self.options.number(code::LEASE_TIME).map(u64::from),
            _ => None,
        }
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.direction)
    }
}
