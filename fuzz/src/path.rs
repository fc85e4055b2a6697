//! The whole way of a frame: packet, defragmentation, flow, session, JSON.

use citywall_flow::{
    CloseReason, Direction, Flow, FlowLimits, FlowTable, HostPolicies, Observer, Segment, StreamMalformed,
    community_id,
};
use citywall_packet::{
    DefragLimits, Defragmenter, Frame, LinkType, Malformed, OverlapPolicies, decode, decode_reassembled,
    verify_transport,
};
use citywall_transaction::{Hint, Limits, Output, Session};

use crate::dissector::Lines;
use crate::frames::LINKS;
use crate::turns::parts;

/// Packets that come out of each other by reassembly.
const NESTED: usize = 4;

/// Each part is a frame: a byte for its link type, one for the pause before it, its bytes.
pub fn run(data: &[u8]) {
    let limits = FlowLimits {
        flows: 8,
        ..FlowLimits::default()
    };
    let mut table = FlowTable::new(limits, HostPolicies::default());
    let mut defragmenter = Defragmenter::new(DefragLimits::default(), OverlapPolicies::default());
    let mut worker = Worker::default();
    let mut now = 0i64;
    for (part, id) in parts(data).zip(1u64..) {
        let Some((&[link, pause], bytes)) = part.split_first_chunk() else {
            continue;
        };
        now += 1i64 << (pause & 31);
        table.expire(now / 1_000_000_000 * 1_000_000_000, &mut worker);
        let frame = Frame {
            data: bytes,
            wire_len: bytes.len() as u32 + u32::from(pause >> 5),
            at: now,
            link: LinkType(LINKS[usize::from(link) % LINKS.len()]),
        };
        let mut out: Vec<Malformed> = Vec::new();
        let mut packet = decode(&frame, &mut out);
        let mut data = std::borrow::Cow::Borrowed(bytes);
        for _ in 0..NESTED {
            let Some(whole) = defragmenter.push(&packet, &data, &mut out) else {
                break;
            };
            packet = decode_reassembled(&whole, &packet, &mut out);
            data = whole.into();
        }
        verify_transport(&mut packet, &data);
        if let Some((flow, _)) = table.push(&packet, &data, id, now, &mut worker) {
            std::hint::black_box(community_id(flow, 0));
        }
    }
    table.finish(&mut worker);
    assert_eq!(worker.opened, worker.closed);
}

#[derive(Default)]
struct Worker {
    limits: Limits,
    lines: Lines,
    opened: u32,
    closed: u32,
}

impl Observer<Option<Session>> for Worker {
    fn opened(&mut self, flow: &mut Flow<Option<Session>>) {
        self.opened += 1;
        flow.user = Some(Session::new(Hint {
            carrier: flow.carrier,
            direction: Direction::ToResponder,
            initiator_port: flow.initiator.port,
            responder_port: flow.responder.port,
        }));
    }

    fn segment(&mut self, flow: &mut Flow<Option<Session>>, segment: Segment<'_>) {
        let Some(session) = &mut flow.user else { return };
        let mut out = Output::default();
        session.feed(&segment, &self.limits, &mut out);
        self.lines.text.clear();
        self.lines.take(&out, segment.at);
        flow.stop_stream = [
            flow.stop_stream[0] | out.done[0],
            flow.stop_stream[1] | out.done[1],
        ];
    }

    fn malformed(&mut self, _: &mut Flow<Option<Session>>, _: Direction, _: StreamMalformed) {}

    fn closed(&mut self, flow: &mut Flow<Option<Session>>, _: CloseReason) {
        self.closed += 1;
        if let Some(session) = &mut flow.user {
            let mut out = Output::default();
            session.finish(flow.last, &mut out);
            self.lines.text.clear();
            self.lines.take(&out, flow.last);
        }
    }
}
