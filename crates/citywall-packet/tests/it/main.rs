//! Tests of the packet crate through its public interface: bytes in, one line of text out.

mod build;
mod checksum;
mod defrag;
mod ip;
mod laws;
mod link;
mod malformed;
mod overlap;
mod shared_captures;
mod transport;
mod tunnel;

use citywall_packet::{Frame, LinkType, Malformed, Packet, decode, describe, verify_transport};

/// Decodes and describes; anomalies on lines of their own.
fn told(link: LinkType, data: &[u8]) -> String {
    let mut out = Vec::new();
    let packet = decode(&build::frame(link, data), &mut out);
    tell(&packet, data, &out)
}

/// As `told`, with checksums verified.
fn verified(link: LinkType, data: &[u8]) -> String {
    let mut out = Vec::new();
    let mut packet = decode(&build::frame(link, data), &mut out);
    verify_transport(&mut packet, data);
    tell(&packet, data, &out)
}

/// As `told`, for the first `length` bytes of a longer frame.
fn told_cut(link: LinkType, data: &[u8], length: usize) -> String {
    let mut out = Vec::new();
    let cut = Frame {
        data: &data[..length],
        ..build::frame(link, data)
    };
    let packet = decode(&cut, &mut out);
    tell(&packet, cut.data, &out)
}

fn tell(packet: &Packet, data: &[u8], out: &[Malformed]) -> String {
    let mut text = describe(packet, data);
    for kind in out {
        text.push_str("\n! ");
        text.push_str(kind.name());
    }
    text
}
