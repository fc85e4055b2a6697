//! Sessions between two small TCP ends, with the splice between them: whatever is lost, cut up or
//! sent again, the server hears the allowed requests and nothing else, and the client hears one
//! answer to each of its requests, at the borders of messages.

use proptest::prelude::*;

use super::*;

/// Requests are `[kind, length, ...]`: kind 1 is denied, kind 2 silently, all else passes. Messages
/// of the server are `[0xaa, kind, number]`, answers of ours `[0xbb, kind, number]`.
#[derive(Default)]
struct Toy {
    left: usize,
}

impl Talk for Toy {
    fn request(&mut self, pending: &[u8]) -> Step {
        let &[kind, length, ..] = pending else {
            return Step::More;
        };
        let total = 2 + usize::from(length);
        if pending.len() < total {
            return Step::More;
        }
        match kind {
            1 => Step::Deny(total as u64, vec![0xbb, kind, pending[2]]),
            2 => Step::Deny(total as u64, Vec::new()),
            _ => Step::Pass(total as u64),
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

/// One end: what it sends and what it has received, go-back-N.
struct End {
    out: Vec<u8>,
    first: u32,
    acked: usize,
    heard: Vec<u8>,
    peer: u32,
}

impl End {
    fn piece(&self, from: usize, len: usize) -> (u32, u32, Vec<u8>) {
        let bytes = self.out[from..(from + len).min(self.out.len())].to_vec();
        (self.first.wrapping_add(from as u32), self.ack(), bytes)
    }

    fn ack(&self) -> u32 {
        self.peer.wrapping_add(self.heard.len() as u32)
    }

    /// Takes a segment as a receiver does; true where it carried something that was not expected.
    fn take(&mut self, seq: u32, ack: u32, payload: &[u8]) {
        let acked = ack.wrapping_sub(self.first) as usize;
        assert!(
            acked <= self.out.len(),
            "acknowledges what was never sent: {acked}"
        );
        self.acked = self.acked.max(acked);
        let ahead = seq.wrapping_sub(self.ack()) as i32;
        if ahead > 0 || payload.is_empty() {
            return;
        }
        let known = ahead.unsigned_abs() as usize;
        let overlap = known.min(payload.len());
        let start = self.heard.len() - known;
        assert_eq!(
            &self.heard[start..start + overlap],
            &payload[..overlap],
            "what is sent again differs"
        );
        self.heard.extend_from_slice(&payload[overlap..]);
    }
}

struct Net {
    splice: Splice,
    toy: Toy,
    client: End,
    server: End,
    answered: usize,
    now: i64,
}

fn piece(seq: u32, ack: u32, at: i64, payload: &[u8]) -> Piece<'_> {
    Piece {
        seq,
        ack,
        flags: ACK,
        mss: None,
        at,
        payload,
    }
}

impl Net {
    fn new(requests: &[u8], client_first: u32, server_first: u32, opening: bool) -> Net {
        let end = |out: &[u8], first: u32, peer: u32| End {
            out: out.to_vec(),
            first,
            acked: 0,
            heard: Vec::new(),
            peer,
        };
        let mut net = Net {
            splice: Splice::new(),
            toy: Toy::default(),
            client: end(requests, client_first, server_first),
            server: end(&[], server_first, client_first),
            answered: 0,
            now: 0,
        };
        if opening {
            let syn = |seq: u32, ack, flags| Piece {
                seq: seq.wrapping_sub(1),
                ack,
                flags,
                mss: Some(100),
                at: 0,
                payload: &[],
            };
            net.splice.client(&syn(client_first, 0, SYN), &mut net.toy);
            net.splice
                .server(&syn(server_first, client_first, SYN | ACK), &mut net.toy);
        }
        net
    }

    /// The client sends; `lost[0]` before the splice, `[1]` behind it, `[2]` what it injects.
    fn client_sends(&mut self, from: usize, len: usize, lost: [bool; 3]) {
        let (seq, ack, bytes) = self.client.piece(from, len);
        self.now += 30_000_000;
        if lost[0] {
            return;
        }
        let (fate, inject) = self
            .splice
            .client(&piece(seq, ack, self.now, &bytes), &mut self.toy);
        if let Some(inject) = inject
            && !lost[2]
        {
            self.client.take(inject.seq, inject.ack, &inject.payload);
        }
        if lost[1] {
            return;
        }
        match fate {
            Fate::Same => self.server.take(seq, ack, &bytes),
            Fate::Changed(c) => {
                let payload = c.payload.unwrap_or(bytes);
                self.server.take(c.seq, c.ack, &payload);
            }
            Fate::Drop => {}
            Fate::End => panic!("ended"),
        }
        self.server_answers();
    }

    /// One message for each whole request that it has heard.
    fn server_answers(&mut self) {
        let heard = self.server.heard[self.answered..].to_vec();
        let mut rest = &heard[..];
        while let [kind, length, ..] = *rest {
            let total = 2 + usize::from(length);
            if rest.len() < total {
                break;
            }
            self.server.out.extend_from_slice(&[0xaa, kind, rest[2]]);
            self.answered += total;
            rest = &rest[total..];
        }
    }

    fn server_sends(&mut self, from: usize, len: usize, lost: [bool; 2]) {
        let (seq, ack, bytes) = self.server.piece(from, len);
        self.now += 30_000_000;
        if lost[0] {
            return;
        }
        let fate = self
            .splice
            .server(&piece(seq, ack, self.now, &bytes), &mut self.toy);
        if lost[1] {
            return;
        }
        match fate {
            Fate::Same => self.client.take(seq, ack, &bytes),
            Fate::Changed(c) => {
                let payload = c.payload.unwrap_or(bytes);
                self.client.take(c.seq, c.ack, &payload);
            }
            Fate::Drop => {}
            Fate::End => panic!("ended"),
        }
    }
}

/// What is sent by which end, where it begins before what was acknowledged, how long, what is lost.
type Turn = (bool, usize, usize, [bool; 3]);

fn run(kinds: &[(u8, u8)], turns: &[Turn], firsts: (u32, u32), opening: bool) {
    let mut requests = Vec::new();
    for (n, (kind, length)) in kinds.iter().enumerate() {
        let length = (*length).max(1);
        requests.extend_from_slice(&[*kind, length, n as u8]);
        requests.extend(std::iter::repeat_n(7, usize::from(length) - 1));
    }
    let mut net = Net::new(&requests, firsts.0, firsts.1, opening);
    if !opening {
        // Met midway: by an acknowledgement.
        net.client_sends(0, 0, [false; 3]);
    }
    let calm = [(true, 0, 90, [false; 3]), (false, 0, 90, [false; 3])];
    let end = calm
        .iter()
        .cycle()
        .take(8 * (requests.len() / 40 + kinds.len() + 20));
    for &(by_client, back, len, lost) in turns.iter().chain(end) {
        if by_client {
            let from = net.client.acked.saturating_sub(back);
            net.client_sends(from, len, lost);
        } else {
            let from = net.server.acked.saturating_sub(back);
            net.server_sends(from, len, [lost[0], lost[1]]);
        }
    }
    let mut passed = Vec::new();
    let mut expected: Vec<[u8; 3]> = Vec::new();
    let mut rest = &requests[..];
    while let [kind, length, n, ..] = *rest {
        let total = 2 + usize::from(length);
        match kind {
            1 => expected.push([0xbb, 1, n]),
            2 => {}
            _ => {
                passed.extend_from_slice(&rest[..total]);
                expected.push([0xaa, kind, n]);
            }
        }
        rest = &rest[total..];
    }
    assert_eq!(net.server.heard, passed, "what the server heard");
    assert_eq!(
        net.client.acked,
        requests.len(),
        "what the client knows to have arrived"
    );
    let (answers, left) = net.client.heard.as_chunks::<3>();
    assert!(left.is_empty());
    let mut answers = answers.to_vec();
    // Answers of ours may stand earlier or later than the server's; each stands once.
    answers.sort_unstable_by_key(|a| (a[2], a[0]));
    expected.sort_unstable_by_key(|a| (a[2], a[0]));
    assert_eq!(answers, expected, "what the client heard");
}

#[test]
fn one_request_is_denied_and_the_next_ones_are_answered() {
    run(
        &[(3, 4), (1, 4), (3, 4), (1, 9), (3, 1)],
        &[],
        (u32::MAX - 5, 77),
        true,
    );
    run(&[(1, 4), (1, 4), (2, 4), (3, 4)], &[], (5, u32::MAX - 1), false);
}

/// The zone let a request and its answer pass while nobody judged.
#[test]
fn a_session_finds_back_after_what_passed_unseen() {
    let requests = [[3, 1, 0], [3, 1, 1], [3, 1, 2]].concat();
    let mut net = Net::new(&requests, u32::MAX - 4, 900, true);
    net.client_sends(0, 3, [false; 3]);
    net.server_sends(0, 3, [false; 2]);
    let unseen = |net: &mut Net| {
        let (seq, ack, bytes) = net.client.piece(3, 3);
        net.server.take(seq, ack, &bytes);
        net.server_answers();
        let (seq, ack, bytes) = net.server.piece(3, 3);
        net.client.take(seq, ack, &bytes);
    };
    unseen(&mut net);
    // The next one is asked about, by a packet that lies before all that the server expects.
    let (seq, ack, bytes) = net.client.piece(6, 3);
    let (fate, _) = net.splice.client(&piece(seq, ack, 0, &bytes), &mut net.toy);
    let Fate::Changed(asks) = fate else {
        panic!("{fate:?}")
    };
    assert_eq!(asks.payload.as_deref(), Some(&[][..]));
    assert!((asks.seq.wrapping_sub(net.server.ack()) as i32) < 0);
    // The server says what it has; what comes again passes.
    net.server_sends(6, 0, [false; 2]);
    net.client_sends(6, 3, [false; 3]);
    net.server_sends(6, 3, [false; 2]);
    assert_eq!(net.server.heard, requests);
    assert_eq!(
        net.client.heard,
        [[0xaa, 3, 0], [0xaa, 3, 1], [0xaa, 3, 2]].concat()
    );
    // The same where the server speaks first after the gap.
    let mut net = Net::new(&requests, 5, 900, true);
    net.client_sends(0, 3, [false; 3]);
    net.server_sends(0, 3, [false; 2]);
    unseen(&mut net);
    net.server.out.extend_from_slice(&[0xaa, 9, 9]);
    let (seq, ack, bytes) = net.server.piece(6, 3);
    let fate = net.splice.server(&piece(seq, ack, 0, &bytes), &mut net.toy);
    let Fate::Changed(asks) = fate else {
        panic!("{fate:?}")
    };
    assert!((asks.seq.wrapping_sub(net.client.ack()) as i32) < 0);
    net.client_sends(6, 0, [false; 3]);
    net.server_sends(6, 3, [false; 2]);
    assert_eq!(net.client.heard[6..], [0xaa, 9, 9]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_lost_both_ends_agree(
        kinds in proptest::collection::vec((1u8..5, 1u8..40), 1..25),
        turns in proptest::collection::vec((any::<bool>(), 0usize..60, 0usize..90, any::<[bool; 3]>()), 0..60),
        firsts: (u32, u32),
        opening: bool,
    ) {
        run(&kinds, &turns, firsts, opening);
    }
}
