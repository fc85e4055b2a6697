//! From events to what a learner is told: which command belongs to which conversation.
//!
//! Owns: the commands that wait for the end of their conversation, and which side is the client where a
//! conversation was met midstream. Does not own: where events come from (captures, a run's log, the
//! console's memory), and what is proposed.

use std::collections::HashMap;
use std::net::IpAddr;

use citywall_event::{Body, Command, Event, Nanos, Service, Verb};

use super::{Doubt, Learner, Proposal, Who};
use crate::city::City;

/// Commands that wait for the end of their conversation.
const WAITING: usize = 1_000_000;

/// Puts commands to the conversations that carried them.
#[derive(Debug, Default)]
pub struct Listener {
    learner: Learner,
    waiting: HashMap<u64, Vec<(IpAddr, Command, Nanos)>>,
    held: usize,
    left_out: u64,
}

impl Listener {
    /// Hears an event; those that say nothing of who opens what with whom, or is suspected, are passed over.
    pub fn event(&mut self, event: &Event) {
        if let Body::Incident(incident) = &event.body {
            let suspects = incident
                .parties
                .suspects
                .iter()
                .filter_map(|suspect| suspect.address);
            return suspects.for_each(|ip| self.learner.suspect(ip));
        }
        let subject = &event.subject;
        let (Some(from), Some(to)) = (subject.src_ip, subject.dst_ip) else {
            return;
        };
        match &event.body {
            Body::Command(command) => self.command(subject.flow_id, from, command, event.at),
            Body::Flow(summary) => {
                let Some(protocol) = subject.protocol else { return };
                let service = Service {
                    protocol,
                    port: subject.dst_port,
                    app_proto: event.app_proto,
                };
                let answered = summary.packets[1] > 0 && (protocol != 6 || summary.established);
                let span = (summary.start, summary.end);
                self.flow(subject.flow_id, (from, to), &service, span, answered);
            }
            _ => {}
        }
    }

    /// Commands that found no room and were not learned.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The proposal, as [`Learner::propose`].
    pub fn propose(&self, city: Option<&City>, doubt: Doubt) -> Proposal {
        self.learner.propose(city, doubt)
    }

    fn command(&mut self, flow_id: u64, from: IpAddr, command: &Command, at: Nanos) {
        if self.held >= WAITING {
            self.left_out += 1;
            return;
        }
        self.held += 1;
        self.waiting
            .entry(flow_id)
            .or_default()
            .push((from, command.clone(), at));
    }

    fn flow(
        &mut self,
        flow_id: u64,
        ends: (IpAddr, IpAddr),
        service: &Service<'_>,
        span: (Nanos, Nanos),
        answered: bool,
    ) {
        let commands = self.waiting.remove(&flow_id).unwrap_or_default();
        self.held -= commands.len();
        let who = |ip: IpAddr| Who {
            ip: ip.to_canonical(),
            mac: None,
        };
        let (mut from, mut to) = (who(ends.0), who(ends.1));
        // Midstream the sides may be the wrong way round; who gives commands is the client.
        let backward =
            |command: &Command, actor: IpAddr| command.verb != Verb::Publish && actor.to_canonical() == to.ip;
        let mut service = *service;
        if from.ip != to.ip && commands.first().is_some_and(|(actor, c, _)| backward(c, *actor)) {
            let usual = service.port.is_some_and(|p| p < 1_024);
            if !usual {
                std::mem::swap(&mut from, &mut to);
                service.port = None;
            }
        }
        self.learner.conversation(from, to, &service, span, answered);
        for (actor, command, at) in commands {
            if actor.to_canonical() == from.ip {
                self.learner.command(from, to, &service, &command, at);
            } else if command.function == Verb::Publish.name() {
                // What is told to somebody was subscribed to.
                let subscription = Command {
                    verb: Verb::Subscribe,
                    function: Verb::Subscribe.name(),
                    ..command
                };
                self.learner.command(from, to, &service, &subscription, at);
            }
        }
    }
}
