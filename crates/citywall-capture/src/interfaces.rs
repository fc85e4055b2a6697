//! The interfaces of this machine.
//!
//! Owns: the list that `doctor` shows, and which link type an interface's frames have. Does not
//! own: asking the kernel (`ring`), capturing (`live`).

use citywall_packet::LinkType;

use crate::ring::{Device, device, device_names};

/// An interface of the network namespace that the process runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Its name.
    pub name: String,
    /// Switched on.
    pub up: bool,
    /// Switched on and connected.
    pub carrier: bool,
    /// Largest payload of a frame in bytes.
    pub mtu: u32,
    /// The host's own loopback.
    pub loopback: bool,
    /// Link type of its frames; `None` where they cannot be captured.
    pub link: Option<LinkType>,
}

/// All interfaces, in the kernel's order. The kernel is asked and not `/sys/class/net`, which in a
/// network namespace may still show another one's. Needs no right.
pub fn interfaces() -> Vec<InterfaceInfo> {
    let known = device_names()
        .into_iter()
        .filter_map(|name| device(&name).ok().map(|device| (name, device)));
    known
        .map(|(name, device)| InterfaceInfo {
            name,
            up: device.is_up(),
            carrier: device.has_carrier(),
            mtu: u32::try_from(device.mtu).unwrap_or(0),
            loopback: device.is_loopback(),
            link: link_type(&device),
        })
        .collect()
}

/// How the frames of an interface start, by its `ARPHRD_*` number (linux/if_arp.h). What carries IP
/// without Ethernet is captured behind its link header, as raw IP.
pub(crate) fn link_type(device: &Device) -> Option<LinkType> {
    match device.hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LinkType::ETHERNET),
        libc::ARPHRD_NONE
        | libc::ARPHRD_PPP
        | ARPHRD_RAWIP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE
        | ARPHRD_IP6GRE => Some(LinkType::RAW),
        _ => None,
    }
}

const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_IP6GRE: u16 = 823;

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn link_types() {
        let link = |hardware| {
            link_type(&Device {
                index: 1,
                hardware,
                flags: 0,
                mtu: 1500,
            })
        };
        let told: Vec<_> = [1u16, 772, 65534, 512, 823, 803].map(link).into_iter().collect();
        expect![[r#"
            [Some(LinkType(1)), Some(LinkType(1)), Some(LinkType(101)), Some(LinkType(101)), Some(LinkType(101)), None]"#]]
        .assert_eq(&format!("{told:?}"));
    }

    #[test]
    fn every_namespace_has_a_loopback() {
        let list = interfaces();
        assert!(
            list.iter()
                .any(|interface| interface.loopback && interface.name == "lo"),
            "{list:?}"
        );
    }
}
