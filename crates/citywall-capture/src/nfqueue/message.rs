//! The words of nfnetlink_queue: settings and verdicts out, packets and errors in.
//!
//! Owns: the layouts of linux/netlink.h, linux/netfilter/nfnetlink.h and
//! linux/netfilter/nfnetlink_queue.h that are needed here. Numbers of netlink's own headers are in
//! the machine's byte order, those inside attributes of the queue in network order. Does not own:
//! sockets (`calls`), and what a packet says.
//!
//! What comes from the kernel is read within its bounds all the same: a length that does not fit is
//! an error, never a panic.

use super::ParseError;

/// `NFNL_SUBSYS_QUEUE`.
const SUBSYSTEM: u16 = 3;
const PACKET: u8 = 0;
const VERDICT: u8 = 1;
const CONFIG: u8 = 2;
const VERDICT_BATCH: u8 = 3;

const NLMSG_ERROR: u16 = 2;
const NLMSG_HEADER: usize = 16;
const NFGEN: usize = 4;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_ACK`.
const ACK: u16 = 4;
/// Attribute types carry two flags in their high bits (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const ATTRIBUTE_TYPE: u16 = 0x3fff;

const CFG_CMD: u16 = 1;
const CFG_PARAMS: u16 = 2;
const CFG_MAXLEN: u16 = 3;
const CFG_MASK: u16 = 4;
const CFG_FLAGS: u16 = 5;
const CMD_BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
const FLAG_FAIL_OPEN: u32 = 1;
const FLAG_GSO: u32 = 4;

const A_PACKET_HDR: u16 = 1;
const A_VERDICT_HDR: u16 = 2;
const A_MARK: u16 = 3;
const A_INDEV: u16 = 5;
const A_OUTDEV: u16 = 6;
const A_PHYSINDEV: u16 = 7;
const A_HWADDR: u16 = 9;
const A_PAYLOAD: u16 = 10;
const A_CAP_LEN: u16 = 13;
const A_SKB_INFO: u16 = 14;

/// How a queue is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// When the kernel has no room for a packet, it passes (`NFQA_CFG_F_FAIL_OPEN`); else it is dropped.
    pub fail_open: bool,
    /// Packets that the kernel holds for us before it says that there is no room.
    pub max_len: u32,
    /// Bytes of the socket's receive buffer.
    pub receive_buffer: usize,
}

impl Default for QueueOptions {
    fn default() -> QueueOptions {
        QueueOptions {
            fail_open: false,
            max_len: 4_096,
            receive_buffer: 32 << 20,
        }
    }
}

/// A packet that the kernel holds until it gets a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued<'a> {
    /// Names it in this queue; grows.
    pub id: u32,
    /// Which hook holds it (`NF_INET_FORWARD` = 2).
    pub hook: u8,
    /// Packet mark.
    pub mark: u32,
    /// Where it came in; the bridge's port where it was bridged. 0 where it began here.
    pub in_interface: u32,
    /// Where it is to go.
    pub out_interface: u32,
    /// Hardware address of the one who handed it to us, where there is one of 6 bytes.
    pub from_hardware: Option<[u8; 6]>,
    /// Checksums are not computed yet, or several segments stand in one packet (`NFQA_SKB_INFO`).
    pub offloaded: bool,
    /// The kernel gave only part of it.
    pub cut: bool,
    /// From the IP header on.
    pub payload: &'a [u8],
}

/// What a message of the kernel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A packet of a queue.
    Packet {
        /// The queue's number.
        queue: u16,
        /// The packet.
        packet: Queued<'a>,
    },
    /// The answer to what we asked: 0, or a negative error number.
    Answer(i32),
    /// Nothing of ours.
    Other,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `NF_DROP`.
    Drop,
    /// `NF_ACCEPT`.
    Accept,
}

/// A message to the kernel that is being written; several may follow each other in one datagram.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets it, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    fn begin(&mut self, kind: u8, flags: u16, queue: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes
            .extend_from_slice(&(SUBSYSTEM << 8 | u16::from(kind)).to_ne_bytes());
        self.bytes.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        // AF_UNSPEC, NFNETLINK_V0, the queue.
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&queue.to_be_bytes());
        start
    }

    fn attribute(&mut self, kind: u16, value: &[&[u8]]) {
        let len = 4 + value.iter().map(|part| part.len()).sum::<usize>();
        // Callers' values are below 64 KiB less this header: `MAX_PAYLOAD` and a few fixed sizes.
        self.bytes.extend_from_slice(&(len as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        for part in value {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(&mut self, start: usize) {
        let len = (self.bytes.len() - start) as u32;
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }

    /// Takes a queue for this socket; the kernel answers.
    pub fn bind(&mut self, queue: u16) {
        let start = self.begin(CONFIG, ACK, queue);
        self.attribute(CFG_CMD, &[&[CMD_BIND, 0, 0, 0]]);
        self.end(start);
    }

    /// Sets a queue up: whole packets, how many, and what happens without room; the kernel answers.
    pub fn setup(&mut self, queue: u16, options: &QueueOptions) {
        let flags = FLAG_GSO | if options.fail_open { FLAG_FAIL_OPEN } else { 0 };
        let start = self.begin(CONFIG, ACK, queue);
        self.attribute(CFG_PARAMS, &[&0xffff_u32.to_be_bytes(), &[COPY_PACKET]]);
        self.attribute(CFG_MAXLEN, &[&options.max_len.to_be_bytes()]);
        self.attribute(CFG_MASK, &[&(FLAG_GSO | FLAG_FAIL_OPEN).to_be_bytes()]);
        self.attribute(CFG_FLAGS, &[&flags.to_be_bytes()]);
        self.end(start);
    }

    /// A verdict on one packet. `payload` replaces it, where it is not empty; longer ones than a
    /// packet can be are refused.
    ///
    /// # Errors
    /// `ParseError::Length` where `payload` is too long.
    pub fn verdict(
        &mut self,
        queue: u16,
        id: u32,
        verdict: Verdict,
        mark: Option<u32>,
        payload: &[u8],
    ) -> Result<(), ParseError> {
        if payload.len() > super::MAX_PAYLOAD {
            return Err(ParseError::Length);
        }
        let start = self.begin(VERDICT, 0, queue);
        self.attribute(
            A_VERDICT_HDR,
            &[&(verdict as u32).to_be_bytes(), &id.to_be_bytes()],
        );
        if let Some(mark) = mark {
            self.attribute(A_MARK, &[&mark.to_be_bytes()]);
        }
        if !payload.is_empty() {
            self.attribute(A_PAYLOAD, &[payload]);
        }
        self.end(start);
        Ok(())
    }

    /// One verdict on all packets of the queue up to this one.
    pub fn verdict_up_to(&mut self, queue: u16, id: u32, verdict: Verdict, mark: Option<u32>) {
        let start = self.begin(VERDICT_BATCH, 0, queue);
        self.attribute(
            A_VERDICT_HDR,
            &[&(verdict as u32).to_be_bytes(), &id.to_be_bytes()],
        );
        if let Some(mark) = mark {
            self.attribute(A_MARK, &[&mark.to_be_bytes()]);
        }
        self.end(start);
    }
}

fn native_u16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2)
        .and_then(|b| b.try_into().ok())
        .map(u16::from_ne_bytes)
}

fn native_u32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map(u32::from_ne_bytes)
}

fn big_u32(data: &[u8]) -> Result<u32, ParseError> {
    data.get(..4)
        .and_then(|b| b.try_into().ok())
        .map(u32::from_be_bytes)
        .ok_or(ParseError::Attribute)
}

/// Walks the messages of one datagram.
#[derive(Clone, Debug)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// The messages in `datagram`.
    pub fn new(datagram: &'a [u8]) -> Messages<'a> {
        Messages(datagram)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let len = native_u32(self.0, 0).map(|len| len as usize);
        let message = len
            .filter(|len| *len >= NLMSG_HEADER)
            .and_then(|len| self.0.get(..len));
        let Some(message) = message else {
            self.0 = &[];
            return Some(Err(ParseError::Length));
        };
        self.0 = self.0.get(message.len().next_multiple_of(4)..).unwrap_or(&[]);
        Some(parse(message))
    }
}

fn parse(message: &[u8]) -> Result<Message<'_>, ParseError> {
    let kind = native_u16(message, 4).ok_or(ParseError::Length)?;
    if kind == NLMSG_ERROR {
        let code = native_u32(message, NLMSG_HEADER).ok_or(ParseError::Length)?;
        return Ok(Message::Answer(code as i32));
    }
    if kind != SUBSYSTEM << 8 | u16::from(PACKET) {
        return Ok(Message::Other);
    }
    let queue = message
        .get(NLMSG_HEADER + 2..NLMSG_HEADER + NFGEN)
        .and_then(|b| b.try_into().ok())
        .map(u16::from_be_bytes)
        .ok_or(ParseError::Length)?;
    let packet = packet(message.get(NLMSG_HEADER + NFGEN..).unwrap_or(&[]))?;
    Ok(Message::Packet { queue, packet })
}

fn packet(mut rest: &[u8]) -> Result<Queued<'_>, ParseError> {
    let mut queued = Queued {
        id: 0,
        hook: 0,
        mark: 0,
        in_interface: 0,
        out_interface: 0,
        from_hardware: None,
        offloaded: false,
        cut: false,
        payload: &[],
    };
    let (mut known, mut port) = (false, 0);
    while !rest.is_empty() {
        let len = usize::from(native_u16(rest, 0).ok_or(ParseError::Attribute)?);
        let kind = native_u16(rest, 2).ok_or(ParseError::Attribute)? & ATTRIBUTE_TYPE;
        let value = rest.get(4..len).ok_or(ParseError::Attribute)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        match kind {
            A_PACKET_HDR => {
                queued.id = big_u32(value)?;
                queued.hook = *value.get(6).ok_or(ParseError::Attribute)?;
                known = true;
            }
            A_MARK => queued.mark = big_u32(value)?,
            A_INDEV => queued.in_interface = big_u32(value)?,
            A_OUTDEV => queued.out_interface = big_u32(value)?,
            A_PHYSINDEV => port = big_u32(value)?,
            A_HWADDR => {
                let is_mac = value.starts_with(&[0, 6]);
                queued.from_hardware = value
                    .get(4..10)
                    .filter(|_| is_mac)
                    .and_then(|b| b.try_into().ok());
            }
            A_PAYLOAD => queued.payload = value,
            A_CAP_LEN => queued.cut = true,
            // Either of "checksum not ready" and "several segments".
            A_SKB_INFO => queued.offloaded = big_u32(value)? & 3 != 0,
            _ => {}
        }
    }
    if port != 0 {
        queued.in_interface = port;
    }
    // Without its id there is no verdict.
    known.then_some(queued).ok_or(ParseError::NoId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message as the kernel writes it, by our own code.
    fn sample(payload: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        let start = writer.begin(PACKET, 0, 101);
        writer.attribute(A_PACKET_HDR, &[&7u32.to_be_bytes(), &[8, 0, 2]]);
        writer.attribute(A_MARK, &[&0x20000u32.to_be_bytes()]);
        writer.attribute(A_INDEV, &[&3u32.to_be_bytes()]);
        writer.attribute(A_PHYSINDEV, &[&5u32.to_be_bytes()]);
        writer.attribute(A_HWADDR, &[&[0, 6, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0]]);
        writer.attribute(A_SKB_INFO, &[&2u32.to_be_bytes()]);
        writer.attribute(A_PAYLOAD, &[payload]);
        writer.end(start);
        writer.bytes
    }

    #[test]
    fn a_packet_is_read() {
        let bytes = sample(b"\x45payload");
        let all: Vec<_> = Messages::new(&bytes).collect();
        let [Ok(Message::Packet { queue: 101, packet })] = all[..] else {
            panic!("{all:?}");
        };
        let expected = Queued {
            id: 7,
            hook: 2,
            mark: 0x20000,
            in_interface: 5,
            out_interface: 0,
            from_hardware: Some([1, 2, 3, 4, 5, 6]),
            offloaded: true,
            cut: false,
            payload: b"\x45payload",
        };
        assert_eq!(packet, expected);
    }

    #[test]
    fn a_verdict_has_the_kernels_layout() {
        let mut writer = Writer::default();
        writer
            .verdict(100, 9, Verdict::Accept, Some(0x40000), b"abc")
            .unwrap();
        let mut expected = Vec::new();
        expected.extend_from_slice(&48u32.to_ne_bytes());
        expected.extend_from_slice(&0x0301u16.to_ne_bytes());
        expected.extend_from_slice(&1u16.to_ne_bytes());
        expected.extend_from_slice(&[0; 8]);
        expected.extend_from_slice(&[0, 0, 0, 100]);
        expected.extend_from_slice(&[&12u16.to_ne_bytes()[..], &2u16.to_ne_bytes()].concat());
        expected.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 9]);
        expected.extend_from_slice(&[&8u16.to_ne_bytes()[..], &3u16.to_ne_bytes()].concat());
        expected.extend_from_slice(&[0, 4, 0, 0]);
        expected.extend_from_slice(&[&7u16.to_ne_bytes()[..], &10u16.to_ne_bytes()].concat());
        expected.extend_from_slice(b"abc\0");
        assert_eq!(writer.bytes(), expected);
        let long = vec![0; super::super::MAX_PAYLOAD + 1];
        assert!(writer.verdict(100, 9, Verdict::Accept, None, &long).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_their_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Messages::new(&bytes).count() <= bytes.len());
        }

        #[test]
        fn a_damaged_packet_is_an_error_or_a_packet(place in 0usize..120, byte: u8) {
            let mut bytes = sample(&[1; 40]);
            let place = place % bytes.len();
            bytes[place] = byte;
            for message in Messages::new(&bytes).flatten() {
                if let Message::Packet { packet, .. } = message {
                    prop_assert!(packet.payload.len() <= bytes.len());
                }
            }
        }
    }
}
