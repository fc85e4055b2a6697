//! The ring between holder and parser: what goes in comes out, and a hostile peer can do no harm.

use std::os::unix::fs::FileExt;
use std::time::Duration;

use citywall_capture::nfqueue::Verdict;
use citywall_capture::shared::{
    ANSWER, HolderEnd, HolderRing, PACKET, ParserEnd, ParserRing, Reply, RingError, SLOTS, Told,
    receive_message, send_message, socket_pair,
};
use proptest::prelude::*;
use std::os::fd::AsFd;

fn both() -> (HolderRing, ParserRing) {
    let holder = HolderRing::new().unwrap();
    let parser = ParserRing::map(holder.file().try_clone_to_owned().unwrap()).unwrap();
    (holder, parser)
}

fn told(n: u32) -> Told {
    Told {
        closed: n.is_multiple_of(2),
        mark: n,
        in_interface: n + 1,
        from_hardware: n.is_multiple_of(3).then_some([1, 2, 3, 4, 5, n as u8]),
        offloaded: n.is_multiple_of(5),
        at: 1_700_000_000_000_000_000 + i64::from(n),
    }
}

#[test]
fn packets_and_verdicts_arrive_in_order_and_whole() {
    let (mut holder, mut parser) = both();
    let (mut packet, mut reply) = (Vec::new(), Reply::default());
    for round in 0..3 {
        let sizes = [0, 1, 1_500, PACKET];
        for n in 0..SLOTS {
            let bytes = vec![n as u8; sizes[n as usize % sizes.len()]];
            assert!(holder.push(&told(n + round), &bytes));
        }
        assert_eq!(holder.room(), 0);
        assert!(!holder.push(&told(0), b"one too many"));
        for n in 0..SLOTS {
            let got = parser.next(&mut packet).unwrap().unwrap();
            assert_eq!(got, told(n + round));
            assert_eq!(packet, vec![n as u8; sizes[n as usize % sizes.len()]]);
            let answer = Reply {
                verdict: if n % 7 == 0 {
                    Verdict::Drop
                } else {
                    Verdict::Accept
                },
                mark: (n % 2 == 0).then_some(n),
                payload: if n % 7 == 0 {
                    Vec::new()
                } else {
                    vec![9; n as usize]
                },
                answer: vec![8; n as usize],
            };
            parser.reply(&answer);
            assert!(holder.take(&mut reply).unwrap());
            assert_eq!(reply, answer);
        }
        assert_eq!(parser.next(&mut packet).unwrap(), None);
        assert!(!holder.take(&mut reply).unwrap());
    }
}

#[test]
fn what_does_not_fit_is_dropped() {
    let (mut holder, mut parser) = both();
    assert!(!holder.push(&told(0), &vec![0; PACKET + 1]));
    assert!(holder.push(&told(0), b"x"));
    parser.next(&mut Vec::new()).unwrap().unwrap();
    parser.reply(&Reply {
        answer: vec![0; ANSWER + 1],
        ..Reply::default()
    });
    let mut reply = Reply::default();
    assert!(holder.take(&mut reply).unwrap());
    assert_eq!((reply.verdict, reply.answer.len()), (Verdict::Drop, 0));
}

#[test]
fn the_size_of_the_memory_cannot_be_changed() {
    let holder = HolderRing::new().unwrap();
    let file = std::fs::File::from(holder.file().try_clone_to_owned().unwrap());
    assert!(file.set_len(4_096).is_err());
    assert!(file.set_len(1 << 30).is_err());
    let other = rustix::fs::memfd_create("unsealed", rustix::fs::MemfdFlags::empty()).unwrap();
    assert!(ParserRing::map(other).is_err());
}

#[test]
fn the_ring_goes_over_a_socket_and_the_bell_wakes() {
    let (ours, theirs) = socket_pair().unwrap();
    send_message(ours.as_fd(), b"other", &[]).unwrap();
    let mut holder = HolderEnd::offer(ours.as_fd()).unwrap();
    let parser = std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let (len, fds) = receive_message(theirs.as_fd(), &mut buffer).unwrap().unwrap();
        assert!(ParserEnd::accept(&buffer[..len], fds).unwrap().is_none());
        let (len, fds) = receive_message(theirs.as_fd(), &mut buffer).unwrap().unwrap();
        let mut end = ParserEnd::accept(&buffer[..len], fds).unwrap().unwrap();
        let mut packet = Vec::new();
        for _ in 0..100 {
            while end.ring.next(&mut packet).unwrap().is_none() {
                end.wait(&[], Duration::ZERO, Duration::from_secs(10)).unwrap();
            }
            end.ring.reply(&Reply::default());
            end.wake();
        }
    });
    let mut reply = Reply::default();
    for n in 0..100 {
        assert!(holder.ring.push(&told(n), b"packet"));
        holder.wake();
        while !holder.ring.take(&mut reply).unwrap() {
            holder
                .wait(&[], Duration::from_micros(10), Duration::from_secs(10))
                .unwrap();
        }
    }
    parser.join().unwrap();
    let gone = receive_message(ours.as_fd(), &mut [0; 8]).unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::UnexpectedEof);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the other side writes, wherever: a verdict is one of two, lengths fit, at most so
    /// many verdicts come as packets were given, and nothing panics.
    #[test]
    fn a_hostile_parser_can_only_give_verdicts(
        given in 0u32..SLOTS,
        writes in proptest::collection::vec((0u64..200_000, proptest::collection::vec(any::<u8>(), 1..64)), 0..20),
        cursor: Option<u32>,
    ) {
        let mut holder = HolderRing::new().unwrap();
        let file = std::fs::File::from(holder.file().try_clone_to_owned().unwrap());
        for n in 0..given {
            holder.push(&told(n), b"packet");
        }
        for (at, bytes) in &writes {
            file.write_all_at(bytes, *at).unwrap();
        }
        if let Some(cursor) = cursor {
            file.write_all_at(&(cursor % (SLOTS * 2)).to_ne_bytes(), 128).unwrap();
        }
        let (mut reply, mut taken) = (Reply::default(), 0);
        loop {
            match holder.take(&mut reply) {
                Ok(true) => {
                    prop_assert!(reply.payload.len() <= PACKET && reply.answer.len() <= ANSWER);
                    taken += 1;
                }
                Ok(false) | Err(RingError::Cursor) => break,
                Err(RingError::Slot) => taken += 1,
            }
        }
        prop_assert!(taken <= given);
        prop_assert!(holder.push(&told(1), b"goes on") || given == SLOTS && taken == 0);
    }

    /// The same for the parser, should the holder be the hostile one.
    #[test]
    fn a_hostile_holder_can_only_give_packets(
        writes in proptest::collection::vec((0u64..200_000, proptest::collection::vec(any::<u8>(), 1..64)), 0..20),
        cursor in 0u32..300,
    ) {
        let (holder, mut parser) = both();
        let file = std::fs::File::from(holder.file().try_clone_to_owned().unwrap());
        for (at, bytes) in &writes {
            file.write_all_at(bytes, *at).unwrap();
        }
        file.write_all_at(&cursor.to_ne_bytes(), 64).unwrap();
        let mut packet = Vec::new();
        for _ in 0..SLOTS + 1 {
            match parser.next(&mut packet) {
                Ok(Some(_)) => {
                    prop_assert!(packet.len() <= PACKET);
                    parser.reply(&Reply::default());
                }
                Ok(None) | Err(_) => break,
            }
        }
    }
}
