//! Telnet (RFC 854): who logged in, with what kind of password, and whether it worked.
//!
//! Owns: following the dialogue of prompts and answers. `negotiation` owns the protocol's own bytes,
//! `screen` what the server shows, `typed` what the client types.
//!
//! A prompt is judged when the client starts to type, since only then it is known to be complete; so the cut
//! of the stream does not matter. A password lives until its line ends; then only its length and whether it
//! is a known default are left.

mod eve;
mod negotiation;
mod screen;
#[cfg(test)]
mod tests;
mod typed;

use citywall_event::{Login, Nanos, Side, Sighting, SightingTrait};
use citywall_flow::{Carrier, Content, Direction};

pub use eve::TelnetSession;

use crate::{
    Dissector, Hint, Input, Item, Limits, Output, Probe, Protocol, ProtocolEntry, Transaction, credentials,
};
use negotiation::{IAC, Negotiation};
use screen::{Prompt, Screen};
use typed::Typed;

/// How this protocol is found.
pub const ENTRY: ProtocolEntry = ProtocolEntry {
    protocol: Protocol::Telnet,
    carried_by: |c| c == Carrier::Tcp,
    probe,
    open,
};

/// The registered port.
const PORT: u16 = 23;

/// Bytes in which a banner has to come to its prompt.
const BANNER: usize = 1_024;

/// The highest assigned option below 128 (IANA "Telnet Options").
const LAST_OPTION: u8 = 49;

fn open(_limits: &Limits, _hint: &Hint) -> Box<dyn Dissector> {
    Box::new(Telnet::default())
}

/// Negotiation at the start, or a server's banner that ends in a login prompt.
fn probe(hint: &Hint, data: &[u8]) -> Probe {
    let yes = match (hint.initiator_port == PORT, hint.responder_port == PORT) {
        (true, false) => Probe::Reversed,
        _ => Probe::Yes,
    };
    match data {
        [] => Probe::Maybe,
        [IAC, ..] => probe_negotiation(data, yes),
        _ => {
            let from_server = match yes {
                Probe::Reversed => hint.direction == Direction::ToResponder,
                _ => hint.direction == Direction::ToInitiator,
            };
            if from_server {
                probe_banner(data, yes)
            } else {
                Probe::No
            }
        }
    }
}

/// `data` starts with IAC: an option has to follow.
fn probe_negotiation(data: &[u8], yes: Probe) -> Probe {
    match data {
        [_] => Probe::Maybe,
        [_, command, rest @ ..] if negotiation::negotiates(*command) => match rest {
            [] => Probe::Maybe,
            [option, ..] if *option <= LAST_OPTION || *option == IAC => yes,
            _ => Probe::No,
        },
        _ => Probe::No,
    }
}

/// Text that a server sends first and that ends a line with `login:` or the like.
fn probe_banner(data: &[u8], yes: Probe) -> Probe {
    /// How servers of other protocols greet.
    const OTHERS: [&[u8]; 7] = [b"HTTP/", b"SSH-", b"220", b"+OK", b"* OK", b"RFB ", b"@RSYNCD"];
    let head = &data[..data.len().min(BANNER)];
    if OTHERS.iter().any(|other| head.starts_with(other)) {
        return Probe::No;
    }
    let mut line: Vec<u8> = Vec::with_capacity(80);
    for (place, &byte) in head.iter().enumerate() {
        match byte {
            b'\r' | b'\n' => line.clear(),
            0x1b | b'\t' | 0x20..=0x7e => line.push(byte.to_ascii_lowercase()),
            0 => {}
            // Negotiation after a banner.
            IAC => return probe_negotiation(&data[place..], yes),
            _ => return Probe::No,
        }
        if byte == b':' && line.len() <= 64 {
            let plain = line
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b" -_.:()[]@/".contains(b));
            if plain && matches!(screen::prompt(&line), Some(Prompt::User | Prompt::Password)) {
                return yes;
            }
        }
    }
    let could_still = OTHERS.iter().any(|other| other.starts_with(head)) || data.len() < BANNER;
    if could_still { Probe::Maybe } else { Probe::No }
}

/// What the line that is being typed is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Not known.
    #[default]
    Other,
    User,
    Password,
    Command,
}

/// A password was sent; the answer is open.
#[derive(Debug)]
struct Attempt {
    user: Vec<u8>,
    password_length: Option<u32>,
    default_credentials: bool,
}

/// One telnet conversation.
#[derive(Default)]
struct Telnet {
    negotiation: [Negotiation; 2],
    screen: Screen,
    typed: Typed,
    line: Line,
    user: Vec<u8>,
    /// A user name was sent; a password comes even if no prompt for it is seen.
    user_sent: bool,
    attempt: Option<Attempt>,
    logged_in: bool,
    server_known: bool,
    any_text: bool,
    session: TelnetSession,
}

impl Dissector for Telnet {
    fn feed(&mut self, input: &Input<'_>, out: &mut Output) {
        let i = input.direction.index();
        match (input.content, input.direction) {
            (Content::Bytes(data), Direction::ToResponder) => {
                for &byte in data {
                    if let Some(text) = self.negotiation[i].text(byte) {
                        self.client(text, out);
                    }
                }
            }
            (Content::Bytes(data), Direction::ToInitiator) => {
                for &byte in data {
                    if let Some(text) = self.negotiation[i].text(byte) {
                        self.server(text, out);
                    }
                }
            }
            (Content::Gap(_), Direction::ToResponder) => {
                self.negotiation[i] = Negotiation::Text;
                if !self.typed.started {
                    self.start_line(out);
                }
                self.typed.damaged = true;
                self.end_line(out);
            }
            (Content::Gap(_), Direction::ToInitiator) => {
                self.negotiation[i] = Negotiation::Text;
                self.screen.lose();
            }
            (Content::Datagram(_) | Content::End { .. }, _) => {}
        }
    }

    fn finish(&mut self, _at: Nanos, out: &mut Output) {
        let prompt = self.screen.prompt();
        self.meet_server(prompt, out);
        if self.attempt.is_some() {
            let success = self.outcome(prompt);
            self.resolve(success, out);
        }
        if std::mem::take(&mut self.any_text) {
            let session = Box::new(std::mem::take(&mut self.session));
            out.transaction(Direction::ToResponder, Transaction::Telnet(session));
        }
    }
}

impl Telnet {
    fn client(&mut self, byte: u8, out: &mut Output) {
        if self.typed.completes_line_end(byte) {
            return;
        }
        self.any_text = true;
        if !self.typed.started {
            self.start_line(out);
        }
        if self.typed.push(byte) {
            self.end_line(out);
        }
    }

    fn server(&mut self, byte: u8, out: &mut Output) {
        self.any_text = true;
        if self.typed.started {
            // The echo of what is being typed; a line end says that the server does not wait for it.
            if byte == b'\n' {
                self.typed.end();
                self.line = Line::Other;
            }
            return;
        }
        if self.screen.push(byte) && self.screen.refused && self.attempt.is_some() {
            self.resolve(Some(false), out);
        }
    }

    /// The client begins to type: now the server's last line is complete.
    fn start_line(&mut self, out: &mut Output) {
        self.typed.started = true;
        let prompt = self.screen.prompt();
        self.meet_server(prompt, out);
        if self.attempt.is_some()
            && let Some(success) = self.outcome(prompt)
        {
            self.resolve(Some(success), out);
        }
        self.line = match prompt {
            Some(Prompt::User) => Line::User,
            Some(Prompt::Password) => Line::Password,
            Some(Prompt::Shell) => Line::Command,
            None if self.user_sent && self.screen.quiet => Line::Password,
            None if self.logged_in || self.attempt.is_some() => Line::Command,
            None => Line::Other,
        };
    }

    fn end_line(&mut self, out: &mut Output) {
        let whole = !self.typed.damaged;
        match self.line {
            Line::User => {
                self.user = self.typed.line().to_vec();
                self.user_sent = true;
            }
            Line::Password => {
                if self.attempt.is_some() {
                    // Sent without waiting for the answer to the one before.
                    self.resolve(None, out);
                }
                self.user_sent = false;
                self.session.attempts = self.session.attempts.saturating_add(1);
                let kept_whole = whole && self.typed.length() as usize == self.typed.line().len();
                self.attempt = Some(Attempt {
                    default_credentials: kept_whole && credentials::is_default(&self.user, self.typed.line()),
                    password_length: whole.then(|| self.typed.length()),
                    user: std::mem::take(&mut self.user),
                });
            }
            Line::Command => {
                let blank = self.typed.line().trim_ascii().is_empty();
                self.session.commands = self.session.commands.saturating_add((!blank).into());
            }
            Line::Other => {}
        }
        if self.line != Line::Command || self.attempt.is_none() {
            self.screen.reset();
        }
        self.line = Line::Other;
        self.typed.end();
    }

    /// How the open attempt ended, as far as the screen tells.
    fn outcome(&self, prompt: Option<Prompt>) -> Option<bool> {
        match prompt {
            _ if self.screen.refused => Some(false),
            Some(Prompt::User | Prompt::Password) => Some(false),
            Some(Prompt::Shell) => Some(true),
            None => self.screen.greeted.then_some(true),
        }
    }

    fn resolve(&mut self, success: Option<bool>, out: &mut Output) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        if success == Some(true) {
            self.logged_in = true;
        }
        let login = Login {
            protocol: "telnet",
            user: String::from_utf8_lossy(&attempt.user).into_owned(),
            password_length: attempt.password_length,
            default_credentials: attempt.default_credentials,
            success,
        };
        out.items.push((Direction::ToResponder, Item::Login(login)));
        if self.session.success != Some(true) {
            self.session.user = Some(attempt.user);
            self.session.password_length = attempt.password_length;
            self.session.default_credentials = attempt.default_credentials;
            self.session.success = success;
        }
    }

    /// The first prompt shows that the server really is one.
    fn meet_server(&mut self, prompt: Option<Prompt>, out: &mut Output) {
        if prompt.is_none() || std::mem::replace(&mut self.server_known, true) {
            return;
        }
        let mut sighting = |trait_, value: String| {
            let item = Sighting {
                side: Side::Source,
                trait_,
                value,
                evidence: "telnet.prompt",
            };
            out.items.push((Direction::ToInitiator, Item::Sighting(item)));
        };
        sighting(SightingTrait::Role, "telnet-server".to_owned());
        if let Some(host) = self.screen.host() {
            sighting(SightingTrait::Hostname, host);
        }
    }
}
