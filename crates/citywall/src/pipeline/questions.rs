//! What a worker asks the policy: of each contact, each command, and who asks on a link for whom.
//!
//! Owns: when it is asked, and how often a conversation tells that it is not allowed. Does not own: the answer
//! (`citywall_event::Context`).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use citywall_event::{Body, Command, Context, Mac, Place, Service, Violation, ViolationKind};
use citywall_flow::{Carrier, Direction, Flow};
use citywall_transaction::arp::ArpMessage;

use super::conversation::{Conversation, service};
use super::worker::Teller;

/// Violating commands that are told per conversation; more are counted.
const COMMAND_VIOLATIONS: u8 = 16;

impl Teller {
    pub(super) fn violation(&mut self, flow: &Flow<Conversation>, violation: Violation) {
        self.flow_event(flow, flow.user.forward(), Body::Violation(Box::new(violation)));
    }

    /// The border of an isolated zone is one whoever began, so the guess of a midstream
    /// conversation is good enough.
    pub(super) fn judge_isolation(
        &mut self,
        flow: &mut Flow<Conversation>,
        from: (Place, Option<IpAddr>),
        to: (Place, Option<IpAddr>),
    ) {
        if let Err(violation) = self.settings.context.judge_isolation(from, to)
            && !flow.user.violated
        {
            flow.user.violated = true;
            self.violation(flow, violation);
        }
    }

    /// Who asks on a link for somebody of another zone is on that zone's link.
    pub(super) fn judge_arp(&mut self, flow: &mut Flow<Conversation>, message: &ArpMessage) {
        let Some(parties) = message.parties() else { return };
        let end = |(mac, ip): (Mac, Ipv4Addr)| {
            let ip = Some(IpAddr::V4(ip));
            (self.settings.context.locate(ip, Some(mac)), ip)
        };
        let [from, to] = parties.map(end);
        self.judge_isolation(flow, from, to);
    }

    pub(super) fn judge_contact(&mut self, flow: &mut Flow<Conversation>) {
        let settings = Arc::clone(&self.settings);
        let context: &Context = &settings.context;
        let (from, to) = flow.user.parties(flow);
        let service: Service<'_> = service(flow);
        let Err(violation) = context.judge_contact(from, to, &service) else {
            return;
        };
        // A piece of a datagram names no port, and may be of an answer: the whole is judged when it is there.
        // Until then it is enough that one of the two may reach the other at all.
        let piece = matches!(flow.carrier, Carrier::Ip(6 | 17 | 132));
        let barred = match violation.kind {
            ViolationKind::Isolation => true,
            ViolationKind::Conduit => !piece || no_conduit(&context.judge_contact(to, from, &service)),
            _ => !piece,
        };
        if barred && !flow.user.violated {
            flow.user.violated = true;
            self.violation(flow, violation);
        }
    }

    pub(super) fn command(
        &mut self,
        flow: &mut Flow<Conversation>,
        direction: Direction,
        command: Box<Command>,
    ) {
        let settings = Arc::clone(&self.settings);
        let (mut from, mut to) = flow.user.parties(flow);
        if direction != flow.user.forward() {
            std::mem::swap(&mut from, &mut to);
        }
        let verdict = settings
            .context
            .judge_command_on(from, to, Some(&service(flow)), &command);
        self.flow_event(flow, direction, Body::Command(command));
        if let Err(violation) = verdict
            && flow.user.command_violations < COMMAND_VIOLATIONS
        {
            flow.user.command_violations += 1;
            self.flow_event(flow, direction, Body::Violation(Box::new(violation)));
        }
    }
}

/// Neither this nor anything else may be opened in this direction.
fn no_conduit(verdict: &Result<(), Violation>) -> bool {
    matches!(
        verdict,
        Err(Violation {
            kind: ViolationKind::Conduit,
            ..
        })
    )
}
