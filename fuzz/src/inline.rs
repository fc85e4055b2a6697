//! The inline path: the kernel's netlink, the ring that a hostile parser writes, sessions that are
//! spliced.
//!
//! The laws: what is read lies within what was given; a hostile peer can give verdicts on packets
//! that it was given and nothing else; any packets at all leave a session that goes on.

use std::fs::File;
use std::os::unix::fs::FileExt;

use citywall_capture::nfqueue::{Message, Messages};
use citywall_capture::shared::{ANSWER, HolderRing, PACKET, ParserRing, Reply, RingError, SLOTS, Told};

#[allow(dead_code)]
#[path = "../../crates/citywall/src/inline/splice.rs"]
mod splice;

use splice::{Fate, Piece, Splice, Step, Talk};

/// One datagram of the kernel.
pub fn queue(data: &[u8]) {
    let within = |part: &[u8]| {
        let (all, part) = (data.as_ptr_range(), part.as_ptr_range());
        part.start == part.end || all.start <= part.start && part.end <= all.end
    };
    for message in Messages::new(data) {
        if let Ok(Message::Packet { packet, .. }) = message {
            assert!(within(packet.payload));
        }
    }
}

/// The first byte says how many packets were given; then come writes: place (3 bytes), length, bytes.
pub fn ring(data: &[u8]) {
    let Some((&given, mut rest)) = data.split_first() else {
        return;
    };
    let mut holder = HolderRing::new().expect("memory");
    let file = File::from(holder.file().try_clone_to_owned().expect("descriptor"));
    let mut parser = ParserRing::map(holder.file().try_clone_to_owned().expect("descriptor")).expect("ring");
    for _ in 0..given {
        assert!(holder.push(&Told::default(), b"packet"));
    }
    let mut packet = Vec::new();
    let (mut reply, mut taken) = (Reply::default(), 0u32);
    while let &[a, b, c, length, ref more @ ..] = rest {
        let bytes = more.get(..usize::from(length)).unwrap_or(more);
        rest = &more[bytes.len()..];
        let at = u64::from(u32::from_be_bytes([0, a, b, c]));
        file.write_all_at(bytes, at).expect("within the file");
        match holder.take(&mut reply) {
            Ok(true) => {
                taken += 1;
                assert!(reply.payload.len() <= PACKET && reply.answer.len() <= ANSWER);
            }
            Ok(false) | Err(RingError::Cursor) => {}
            Err(RingError::Slot) => taken += 1,
        }
        assert!(taken <= u32::from(given));
        if let Ok(Some(_)) = parser.next(&mut packet) {
            assert!(packet.len() <= PACKET);
            parser.reply(&Reply::default());
        }
    }
    assert!(holder.waiting() + taken as usize == usize::from(given));
    assert!(holder.room() <= SLOTS as usize);
}

/// Requests are `[kind, length, ...]`: kind 1 is denied, 2 silently, 3 ends, all else passes.
struct Toy {
    left: usize,
}

impl Talk for Toy {
    fn request(&mut self, pending: &[u8]) -> Step {
        let &[kind, length, ..] = pending else { return Step::More };
        let total = 2 + u64::from(length) * 9;
        if (pending.len() as u64) < total.min(600) {
            return Step::More;
        }
        match kind {
            1 => Step::Deny(total, vec![0xbb, kind, length]),
            2 => Step::Deny(total, Vec::new()),
            3 => Step::End,
            _ => Step::Pass(total),
        }
    }

    fn response(&mut self, bytes: &[u8]) {
        self.left = (self.left + bytes.len()) % 3;
    }

    fn response_lost(&mut self) {
        self.left = 0;
    }

    fn at_border(&self) -> bool {
        self.left == 0
    }
}

/// Packets: `[way and flags, sequence, acknowledgement, length, bytes...]`, numbers as distances.
pub fn spliced(data: &[u8]) {
    let (mut splice, mut toy) = (Splice::new(), Toy { left: 0 });
    let mut rest = data;
    let mut at = 0;
    while let &[flags, seq, ack, length, ref more @ ..] = rest {
        let payload = more.get(..usize::from(length)).unwrap_or(more);
        rest = &more[payload.len()..];
        at += 7_000_000;
        let piece = Piece {
            seq: u32::from(seq).wrapping_sub(40),
            ack: u32::from(ack).wrapping_sub(40),
            flags: flags & 0x3f,
            mss: (flags & 0x40 != 0).then_some(u16::from(length) * 6),
            at,
            payload,
        };
        let fate = if flags & 0x80 == 0 {
            let (fate, inject) = splice.client(&piece, &mut toy);
            assert!(inject.is_none_or(|inject| inject.payload.len() <= 1_400));
            fate
        } else {
            splice.server(&piece, &mut toy)
        };
        match fate {
            Fate::End => return,
            Fate::Changed(changed) => {
                // A packet grows at most to what the ends agreed on.
                assert!(changed.payload.is_none_or(|p| p.len() <= payload.len().max(1_530)));
            }
            Fate::Same | Fate::Drop => {}
        }
        splice.sack_to_client(u32::from(seq));
        splice.sack_to_server(u32::from(ack));
    }
}
