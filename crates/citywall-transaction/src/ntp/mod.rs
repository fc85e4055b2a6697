//! (being written)

use citywall_event::json::Object;
use citywall_flow::Carrier;

use crate::{Dissector, Hint, Input, Limits, Output, Probe, Protocol, ProtocolEntry, Record};

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Ntp,
    carried_by: |c| c == Carrier::Udp,
    probe,
    open,
};

/// Being written.
#[derive(Debug)]
pub struct NtpMessage {}

impl Record for NtpMessage {
    fn event_type(&self) -> &'static str {
        "ntp"
    }
    fn write(&self, _o: &mut Object<'_>) {}
}

fn probe(_hint: &Hint, _data: &[u8]) -> Probe {
    Probe::No
}

fn open(_limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    struct Nothing;
    impl Dissector for Nothing {
        fn feed(&mut self, _input: &Input<'_>, _out: &mut Output) {}
    }
    Box::new(Nothing)
}
