//! The telnet protocol's own bytes, taken out of the text.
//!
//! Owns: IAC commands, option negotiation and sub-negotiation (RFC 854, RFC 855). Does not own: the text.

/// "Interpret as command".
pub(super) const IAC: u8 = 0xff;
const SB: u8 = 0xfa;
const SE: u8 = 0xf0;

/// True for WILL, WONT, DO and DONT.
pub(super) fn negotiates(command: u8) -> bool {
    (0xfb..=0xfe).contains(&command)
}

/// Takes the text out of one direction, byte by byte, wherever the stream is cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Negotiation {
    /// Text.
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After WILL, WONT, DO or DONT: the option comes.
    Option,
    /// In a sub-negotiation.
    Sub,
    /// In a sub-negotiation, after IAC.
    SubCommand,
}

impl Negotiation {
    /// The byte where it is text.
    pub(super) fn text(&mut self, byte: u8) -> Option<u8> {
        let (next, text) = match (*self, byte) {
            (Negotiation::Text, IAC) => (Negotiation::Command, None),
            (Negotiation::Text, _) => (Negotiation::Text, Some(byte)),
            (Negotiation::Command, IAC) => (Negotiation::Text, Some(byte)),
            (Negotiation::Command, SB) => (Negotiation::Sub, None),
            (Negotiation::Command, _) if negotiates(byte) => (Negotiation::Option, None),
            (Negotiation::Command | Negotiation::Option, _) => (Negotiation::Text, None),
            (Negotiation::Sub, IAC) => (Negotiation::SubCommand, None),
            (Negotiation::Sub, _) => (Negotiation::Sub, None),
            (Negotiation::SubCommand, SE) => (Negotiation::Text, None),
            (Negotiation::SubCommand, _) => (Negotiation::Sub, None),
        };
        *self = next;
        text
    }
}
