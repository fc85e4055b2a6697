//! Recorded traffic, played again.
//!
//! Owns: a capture of datagrams that set an object in another's name, and having tcpreplay play it.
//! Does not own: what the datagrams say (`device::snmp`).

use std::io;
use std::net::Ipv4Addr;

use super::steps::run;
use super::tool;
use crate::device::snmp;

/// Datagrams of one capture.
const DATAGRAMS: u64 = 12;

/// Plays a capture on the own link; done where tcpreplay ended well.
pub(super) fn play(to: Ipv4Addr, source: Ipv4Addr, oid: &str) -> io::Result<()> {
    let link = Link::of(to)?;
    let mut capture = header();
    for number in 0..DATAGRAMS {
        let set = snmp::set_bytes("private", oid, 255, number)?;
        record(&mut capture, number, &frame(&link, source, to, &set)?);
    }
    let file = std::env::temp_dir().join(format!("citywall-replay-{}.pcap", std::process::id()));
    std::fs::write(&file, capture)?;
    let arguments = ["-q", "-t", "-i", "eth0"].map(str::to_owned).into_iter();
    let (well, said) = tool::run(
        "tcpreplay",
        &arguments.chain([file.display().to_string()]).collect::<Vec<_>>(),
    );
    std::fs::remove_file(&file)?;
    if well { Ok(()) } else { Err(io::Error::other(said)) }
}

/// Hardware addresses: of the next hop, and the own one.
struct Link {
    hop: [u8; 6],
    own: [u8; 6],
}

impl Link {
    /// As the kernel knows it: whoever plays has spoken on this way before.
    fn of(to: Ipv4Addr) -> io::Result<Link> {
        let route = run("ip", &["-o", "route", "get", &to.to_string()])?;
        let hop = behind(&route, "via").ok_or_else(|| io::Error::other("it is on the own link"))?;
        let neighbour = run("ip", &["-o", "neigh", "show", hop])?;
        let own = run("ip", &["-o", "link", "show", "eth0"])?;
        let address = |text: &str, word| behind(text, word).and_then(mac);
        match (address(&neighbour, "lladdr"), address(&own, "link/ether")) {
            (Some(hop), Some(own)) => Ok(Link { hop, own }),
            _ => Err(io::Error::other("the next hop is not known yet")),
        }
    }
}

fn behind<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_whitespace().skip_while(|w| *w != word).nth(1)
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text
        .split(':')
        .map_while(|b| u8::from_str_radix(b, 16).ok())
        .collect();
    bytes.try_into().ok()
}

/// A capture's beginning (draft-ietf-opsawg-pcap: version 2.4, Ethernet).
fn header() -> Vec<u8> {
    let words = [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 1];
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// A hundredth of a second apart.
fn record(capture: &mut Vec<u8>, number: u64, frame: &[u8]) {
    let length = frame.len() as u32;
    for word in [0, number as u32 * 10_000, length, length] {
        capture.extend(word.to_le_bytes());
    }
    capture.extend(frame);
}

/// Ethernet, IPv4 (RFC 791), UDP without a checksum (RFC 768: zero says that there is none).
fn frame(link: &Link, source: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> io::Result<Vec<u8>> {
    let length = |headers: usize| {
        u16::try_from(payload.len() + headers).map_err(|_| io::Error::other("longer than a datagram"))
    };
    let mut ip = vec![0x45, 0];
    ip.extend(length(28)?.to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(source.octets());
    ip.extend(to.octets());
    let sum: u32 = ip
        .chunks_exact(2)
        .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
        .sum();
    // RFC 1071: carries are added until there are none; of ten words there are at most two.
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let sum = !fold(fold(sum)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = [link.hop, link.own].concat();
    frame.extend([8, 0]);
    frame.extend(ip);
    frame.extend(40_161_u16.to_be_bytes());
    frame.extend(161_u16.to_be_bytes());
    frame.extend(length(8)?.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_the_standards_say() {
        let link = Link {
            hop: [2, 0, 0, 0, 0, 1],
            own: [2, 0, 0, 0, 0, 2],
        };
        let frame = frame(
            &link,
            Ipv4Addr::new(10, 0, 0, 7),
            Ipv4Addr::new(10, 0, 1, 9),
            b"hi",
        )
        .unwrap();
        let text: String = frame.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            text,
            "02000000000102000000000208004500001e00004000401125c00a0000070a0001099ce100a1000a00006869"
        );
    }

    #[test]
    fn words_of_ip_are_found() {
        let line = "10.0.0.1 dev eth0 lladdr 02:00:0a:00:00:01 REACHABLE";
        assert_eq!(behind(line, "lladdr").and_then(mac), Some([2, 0, 10, 0, 0, 1]));
        assert_eq!(behind("10.0.0.1 dev eth0  FAILED", "lladdr"), None);
        assert_eq!(mac("02:00"), None);
    }
}
