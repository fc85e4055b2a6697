//! Keywords on headers of single packets.

use super::Draft;
use crate::RuleError;
use crate::detect::{FlagsMode, FlagsTest, PacketTest};
use crate::syntax::RuleOption;
use crate::uint::UintTest;

/// Reads one option; false where it is none of these.
pub(super) fn option(draft: &mut Draft, option: &RuleOption<'_>) -> Result<bool, RuleError> {
    let test = match option.name {
        "dsize" => PacketTest::PayloadSize(compare(option)?),
        "flags" | "tcp.flags" => PacketTest::TcpFlags(flags(option)?),
        "seq" => PacketTest::Seq(number(option)?),
        "ack" => PacketTest::Ack(number(option)?),
        "window" => {
            let (negated, value) = negatable(option)?;
            PacketTest::Window { value, negated }
        }
        "tcp.mss" => PacketTest::Mss(compare(option)?),
        "ttl" => PacketTest::Ttl(compare(option)?),
        "tos" => {
            let (negated, value) = negatable(option)?;
            PacketTest::Tos { value, negated }
        }
        "id" => PacketTest::IpId(number(option)?),
        "ip_proto" => PacketTest::IpProtocol(ip_protocol(option)?),
        "sameip" => PacketTest::SameIp,
        "itype" => PacketTest::IcmpType(compare(option)?),
        "icode" => PacketTest::IcmpCode(compare(option)?),
        "icmp_id" => PacketTest::IcmpId(number(option)?),
        "icmp_seq" => PacketTest::IcmpSeq(number(option)?),
        "fragbits" => frag_bits(option)?,
        "fragoffset" => PacketTest::FragOffset(compare(option)?),
        _ => return Ok(false),
    };
    draft.packet.push(test);
    Ok(true)
}

fn compare(option: &RuleOption<'_>) -> Result<UintTest, RuleError> {
    UintTest::plain(option.text()?)
        .ok_or_else(|| option.refuse("is not a number or comparison", "write 5, >5, <5 or 2<>8"))
}

fn number<T: TryFrom<u64>>(option: &RuleOption<'_>) -> Result<T, RuleError> {
    crate::uint::number(option.text()?)
        .and_then(|n| T::try_from(n).ok())
        .ok_or_else(|| option.refuse("is not a number that fits", "write a whole number"))
}

fn negatable<T: TryFrom<u64>>(option: &RuleOption<'_>) -> Result<(bool, T), RuleError> {
    let text = option.text()?;
    let (negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    crate::uint::number(rest)
        .and_then(|n| T::try_from(n).ok())
        .map(|n| (negated, n))
        .ok_or_else(|| option.refuse("is not a number that fits", "write a whole number"))
}

fn ip_protocol(option: &RuleOption<'_>) -> Result<UintTest, RuleError> {
    // Numbers of the IANA registry "Assigned Internet Protocol Numbers".
    let name = |text: &str| {
        Some(match text.to_ascii_lowercase().as_str() {
            "icmp" => 1,
            "igmp" => 2,
            "ipip" => 4,
            "tcp" => 6,
            "udp" => 17,
            "ipv6" => 41,
            "gre" => 47,
            "esp" => 50,
            "ah" => 51,
            "ipv6-icmp" | "icmpv6" => 58,
            "ospf" => 89,
            "pim" => 103,
            "vrrp" => 112,
            "sctp" => 132,
            _ => return None,
        })
    };
    UintTest::parse(option.text()?, &name)
        .ok_or_else(|| option.refuse("is not an IP protocol", "write its number"))
}

fn mode(c: char) -> Option<FlagsMode> {
    match c {
        '+' => Some(FlagsMode::All),
        '*' => Some(FlagsMode::Any),
        '!' => Some(FlagsMode::None),
        '=' => Some(FlagsMode::Exact),
        _ => None,
    }
}

/// `S`, `+SA`, `SA+`, `S,12`, `!R`
fn flags(option: &RuleOption<'_>) -> Result<FlagsTest, RuleError> {
    let text = option.text()?;
    let (set, ignore) = text.split_once(',').unwrap_or((text, ""));
    let mut test = FlagsTest {
        value: 0,
        ignore: 0,
        mode: FlagsMode::Exact,
    };
    let bad = || option.refuse("has an unknown flag", "use letters of FSRPAUEC, 1, 2 and 0");
    for c in set.chars().filter(|c| !c.is_whitespace()) {
        match mode(c) {
            Some(mode) => test.mode = mode,
            None => test.value |= flag(c).ok_or_else(bad)?,
        }
    }
    for c in ignore.chars().filter(|c| !c.is_whitespace()) {
        test.ignore |= flag(c).ok_or_else(bad)?;
    }
    Ok(test)
}

fn flag(c: char) -> Option<u8> {
    use citywall_packet::tcp_flags::*;
    Some(match c.to_ascii_uppercase() {
        'F' => FIN,
        'S' => SYN,
        'R' => RST,
        'P' => PSH,
        'A' => ACK,
        'U' => URG,
        'E' | '2' => ECE,
        'C' | '1' => CWR,
        '0' => 0,
        _ => return None,
    })
}

/// Bits of the IPv4 header's flags field (RFC 791): reserved, don't fragment, more fragments.
fn frag_bits(option: &RuleOption<'_>) -> Result<PacketTest, RuleError> {
    let mut value = 0u8;
    let mut how = FlagsMode::Exact;
    for c in option.text()?.chars().filter(|c| !c.is_whitespace()) {
        match (mode(c), c.to_ascii_uppercase()) {
            (Some(mode), _) => how = mode,
            (None, 'R') => value |= 4,
            (None, 'D') => value |= 2,
            (None, 'M') => value |= 1,
            _ => return Err(option.refuse("has an unknown bit", "use letters of M, D and R")),
        }
    }
    Ok(PacketTest::FragBits { value, mode: how })
}
