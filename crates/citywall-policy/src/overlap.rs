//! Networks of zones: an address belongs to one zone.
//!
//! Owns: the reading of networks and the search for overlaps. Does not own: single addresses.

use std::net::IpAddr;
use std::ops::Range;

use citywall_event::{Prefix, say};

use crate::error::{Report, quoted};
use crate::reader::Word;

/// A network, whose it is, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub prefix: Prefix,
    pub zone: usize,
    pub span: Range<usize>,
}

/// Reads a network in CIDR form.
pub(crate) fn parse(report: &mut Report<'_>, word: &Word) -> Option<Prefix> {
    let parts = word
        .text
        .split_once('/')
        .and_then(|(address, length)| Some((address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?)));
    let Some((address, length)) = parts else {
        let fix = match word.text.parse::<IpAddr>() {
            Ok(ip) => {
                let length = if ip.is_ipv4() { 32_u32 } else { 128 };
                let network = format!("{ip}/{length}");
                say!(
                    "file-network-one",
                    "write {network} for this one address",
                    network = network
                )
            }
            Err(_) => say!("file-network-form", "write it as 10.20.0.0/24 or fd20::/64"),
        };
        let what = say!(
            "file-no-network",
            "{value} is no network",
            value = quoted(&word.text)
        );
        report.error(&word.span, what, fix);
        return None;
    };
    if let Some(prefix) = Prefix::new(address, length) {
        return Some(prefix);
    }
    match Prefix::containing(address, length) {
        Some(prefix) => report.error(
            &word.span,
            say!(
                "file-network-bits",
                "{value} has bits set after its network part",
                value = quoted(&word.text)
            ),
            say!("file-write", "write {what}", what = prefix.to_string()),
        ),
        None => {
            let most = if address.is_ipv4() { 32_u32 } else { 128 };
            report.error(
                &word.span,
                say!(
                    "file-prefix-long",
                    "the prefix length {length} is too long",
                    length = u32::from(length)
                ),
                say!("file-prefix-most", "use at most /{most}", most = most),
            );
        }
    }
    None
}

/// Reports networks that share addresses: an error where they belong to two zones, and where one
/// zone says the same twice.
pub(crate) fn check(
    report: &mut Report<'_>,
    mut networks: Vec<Network>,
    zone_name: impl Fn(usize) -> String,
) {
    networks.sort_by_key(|n| (n.prefix.first(), std::cmp::Reverse(n.prefix.last())));
    // Prefixes nest or are apart, so the last one that reaches furthest is enough to compare with.
    let mut widest: Option<&Network> = None;
    for network in &networks {
        if let Some(other) = widest.filter(|other| other.prefix.overlaps(network.prefix)) {
            let (first, second) = if other.span.start < network.span.start {
                (other, network)
            } else {
                (network, other)
            };
            let line = |n: &Network| report.line(n.span.start);
            let what = say!(
                "file-overlap",
                "{network} of zone {zone} (line {line}) overlaps {other} of zone {second} (line {at})",
                network = second.prefix.to_string(),
                zone = zone_name(second.zone),
                line = line(second),
                other = first.prefix.to_string(),
                second = zone_name(first.zone),
                at = line(first)
            );
            report.error(
                &second.span,
                what,
                say!(
                    "file-overlap-fix",
                    "split or remove one: an address belongs to one zone, once"
                ),
            );
            continue;
        }
        widest = Some(network);
    }
}

/// Sorted, disjoint networks: which zone has an address?
#[derive(Debug)]
pub(crate) struct ZoneSearch(Vec<(IpAddr, IpAddr, usize)>);

impl ZoneSearch {
    pub(crate) fn new(networks: &[Network]) -> ZoneSearch {
        let mut ranges: Vec<_> = networks
            .iter()
            .map(|n| (n.prefix.first(), n.prefix.last(), n.zone))
            .collect();
        ranges.sort_unstable();
        ZoneSearch(ranges)
    }

    pub(crate) fn find(&self, ip: IpAddr) -> Option<usize> {
        let after = self.0.partition_point(|(first, _, _)| *first <= ip);
        let (_, last, zone) = self.0.get(after.checked_sub(1)?)?;
        (ip <= *last).then_some(*zone)
    }
}
