//! A compiled rule: what is tested, in the order in which it is cheap to test it.
//!
//! Owns: the plain data. Does not own: making it (`compile`) or running it (`inspect`, `run`).

use std::sync::Arc;

use citywall_flow::Direction;
use citywall_transaction::{Number, Protocol};

use crate::pattern::Pattern;
use crate::search::Search;
use crate::set::{AddressSet, PortSet};
use crate::uint::UintTest;

/// Variables that one rule may extract from bytes.
pub(crate) const MAX_VARIABLES: usize = 16;

/// Values of the variables of one rule during its inspection.
pub(crate) type Variables = [u64; MAX_VARIABLES];

/// Everything a rule tests.
#[derive(Debug)]
pub(crate) struct Detect {
    pub header: Header,
    pub flow: FlowTest,
    /// The application protocol that the conversation must speak.
    pub app: Option<AppTest>,
    pub packet: Box<[PacketTest]>,
    pub numbers: Box<[NumberTest]>,
    pub bits: Box<[BitTest]>,
    pub parts: Box<[Part]>,
    /// Where it is tried.
    pub stages: Stages,
    /// Way of a transaction that holds both ways, where the rule's buffers tell.
    pub leaning: Option<Direction>,
    /// It says nothing of single packets: one match per flow and direction is enough.
    pub once: bool,
    /// The payload part has places counted from the start.
    pub anchored: bool,
    pub noalert: bool,
}

/// What the conversation must speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppTest {
    /// This.
    Is(Protocol),
    /// Something known that is not this.
    Not(Protocol),
}

/// Places where a rule is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    pub packet: bool,
    pub stream: bool,
    pub transaction: bool,
}

/// The part before the parentheses.
#[derive(Debug)]
pub(crate) struct Header {
    pub carrier: CarrierTest,
    pub family: Family,
    pub src: Arc<AddressSet>,
    pub dst: Arc<AddressSet>,
    pub src_port: Arc<PortSet>,
    pub dst_port: Arc<PortSet>,
    pub both_ways: bool,
}

/// What may carry the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CarrierTest {
    /// Anything.
    Any,
    /// Any IP.
    Ip,
    /// TCP or UDP.
    TcpOrUdp,
    /// ICMP or ICMPv6.
    Icmp,
    /// One IP protocol.
    Number(u8),
}

/// IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Any,
    V4,
    V6,
}

/// `flow:`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowTest {
    pub direction: Option<Direction>,
    pub established: Option<bool>,
    /// Only (or no) packets that were put together from fragments.
    pub fragment: Option<bool>,
}

/// A test on a packet's headers.
#[derive(Debug)]
pub(crate) enum PacketTest {
    PayloadSize(UintTest),
    TcpFlags(FlagsTest),
    Seq(u32),
    Ack(u32),
    Window { value: u16, negated: bool },
    Mss(UintTest),
    Ttl(UintTest),
    Tos { value: u8, negated: bool },
    IpId(u32),
    IpProtocol(UintTest),
    SameIp,
    IcmpType(UintTest),
    IcmpCode(UintTest),
    IcmpId(u16),
    IcmpSeq(u16),
    FragBits { value: u8, mode: FlagsMode },
    FragOffset(UintTest),
}

/// `flags:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlagsTest {
    pub value: u8,
    pub ignore: u8,
    pub mode: FlagsMode,
}

/// How a set of flag bits is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagsMode {
    /// These and no other.
    Exact,
    /// These and perhaps others.
    All,
    /// Any of these.
    Any,
    /// None of these.
    None,
}

/// A test on a named number of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberTest {
    pub number: Number,
    /// Any of these.
    pub any: Box<[UintTest]>,
    /// All but those.
    pub negated: bool,
}

/// A test or change of flow bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BitTest {
    pub op: BitOp,
    /// Bits; several for `a|b` and `a&b`.
    pub bits: Box<[u16]>,
    /// All of them (`&`), else any (`|`).
    pub all: bool,
}

/// What is done with flow bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitOp {
    IsSet,
    IsNotSet,
    Set,
    Unset,
    Toggle,
}

/// The tests of one buffer.
#[derive(Debug)]
pub(crate) struct Part {
    pub place: Place,
    pub absent: Absent,
    pub tests: Box<[Test]>,
}

/// Which bytes a part looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// Packet payload or stream.
    Payload,
    /// A header of the packet.
    Header(HeaderPlace),
    /// A buffer of the record, by place in the rule book's list.
    Buffer(u16),
}

/// Packet headers as buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HeaderPlace {
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    Icmp,
}

/// What an absent buffer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// No match.
    Fails,
    /// A match; a present buffer is none.
    Required,
    /// A match; a present buffer is tested.
    Accepted,
}

/// A number in a rule: written, or extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Num {
    Const(i64),
    Var(u8),
}

/// One step through a buffer.
#[derive(Debug)]
pub(crate) enum Test {
    Content(Box<Content>),
    Pattern(Box<PatternTest>),
    Size(UintTest),
    /// Equal to one of these after normalisation (TLS versions).
    TlsVersion {
        any: Box<[Box<str>]>,
        negated: bool,
    },
    DataAt {
        at: Num,
        relative: bool,
        negated: bool,
    },
    Compare(Box<ByteTest>),
    Jump(Box<ByteJump>),
    /// Extraction and arithmetic.
    Calculate(Box<ByteMath>),
}

/// `content`
#[derive(Debug)]
pub(crate) struct Content {
    pub search: Search,
    pub negated: bool,
    pub relative: bool,
    pub offset: Num,
    pub depth: Option<Num>,
    pub distance: Num,
    pub within: Option<Num>,
    pub starts: bool,
    pub ends: bool,
    /// Another occurrence may make what follows match.
    pub retry: bool,
}

/// `pcre`
#[derive(Debug)]
pub(crate) struct PatternTest {
    pub pattern: Arc<Pattern>,
    pub negated: bool,
    pub relative: bool,
    pub retry: bool,
}

/// How bytes become a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BytesRead {
    pub count: Num,
    pub offset: Num,
    pub relative: bool,
    pub little: bool,
    /// Digits in this base instead of binary.
    pub base: Option<u32>,
    pub mask: Option<u64>,
}

/// `byte_test`
#[derive(Debug)]
pub(crate) struct ByteTest {
    pub read: BytesRead,
    pub op: ByteOp,
    pub negated: bool,
    pub value: Num,
}

/// Comparison of `byte_test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOp {
    Less,
    More,
    Equal,
    AtMost,
    AtLeast,
    And,
    Xor,
}

/// `byte_jump`
#[derive(Debug)]
pub(crate) struct ByteJump {
    pub read: BytesRead,
    pub multiplier: u64,
    pub align: bool,
    pub from: JumpFrom,
    pub post: Num,
}

/// Where a jump starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JumpFrom {
    AfterRead,
    Beginning,
    End,
}

/// `byte_extract` and `byte_math`
#[derive(Debug)]
pub(crate) struct ByteMath {
    pub read: BytesRead,
    pub op: MathOp,
    pub value: Num,
    /// Round up to a multiple of this; 0 = no.
    pub align: u64,
    pub result: u8,
}

/// Arithmetic of `byte_math`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MathOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    ShiftLeft,
    ShiftRight,
}

impl Test {
    /// It looks from where the test before it ended.
    pub fn is_relative(&self) -> bool {
        match self {
            Test::Content(c) => c.relative,
            Test::Pattern(p) => p.relative,
            Test::DataAt { relative, .. } => *relative,
            Test::Compare(t) => t.read.relative,
            Test::Jump(t) => t.read.relative,
            Test::Calculate(t) => t.read.relative,
            Test::Size(_) | Test::TlsVersion { .. } => false,
        }
    }

    /// It sets where the next relative test looks from.
    pub fn moves(&self) -> bool {
        match self {
            Test::Content(c) => !c.negated,
            Test::Pattern(p) => !p.negated,
            Test::Jump(_) | Test::Calculate(_) => true,
            _ => false,
        }
    }
}
