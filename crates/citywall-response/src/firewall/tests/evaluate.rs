//! A packet walks through our tables: what the kernel would do, said independently in few lines.

use std::net::IpAddr;

use citywall_event::Mac;

use crate::firewall::model::{Field, Mark, Right, Statement, Table, Value, Verdict};

/// A packet that begins a conversation.
#[derive(Clone, Debug)]
pub struct Packet {
    pub from: IpAddr,
    pub to: IpAddr,
    pub from_mac: Mac,
    /// On a bridge alone it is the target's.
    pub to_mac: Mac,
    pub protocol: u8,
    /// The responder's port, or the type of an ICMP message.
    pub port: u16,
    /// Bits of `ct state`.
    pub state: u32,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    pub accepted: bool,
    pub mark: u32,
    pub conversation: u32,
    pub counted: Vec<String>,
}

struct Walk<'a> {
    table: &'a Table,
    packet: &'a Packet,
    fate: Fate,
    depth: usize,
}

/// From a base chain to a verdict.
pub fn walk(table: &Table, base: &str, packet: &Packet) -> Fate {
    let mut walk = Walk {
        table,
        packet,
        fate: Fate {
            accepted: false,
            mark: 0,
            conversation: 0,
            counted: Vec::new(),
        },
        depth: 0,
    };
    let end = walk.chain(base);
    let chain = table.chains.iter().find(|c| c.name == base).unwrap();
    walk.fate.accepted = end.unwrap_or(chain.base.as_ref().unwrap().accept);
    walk.fate
}

impl Walk<'_> {
    /// `None`: came back.
    fn chain(&mut self, name: &str) -> Option<bool> {
        // NFT_JUMP_STACK_SIZE of the kernel.
        self.depth += 1;
        assert!(self.depth <= 16, "too deep: {name}");
        let chain = self
            .table
            .chains
            .iter()
            .find(|c| c.name == name)
            .unwrap_or_else(|| panic!("no chain {name}"));
        let mut end = None;
        for rule in &chain.rules {
            match self.rule(rule) {
                None => {}
                Some(Verdict::Accept) => end = Some(true),
                Some(Verdict::Drop) => end = Some(false),
                Some(Verdict::Return) => break,
                Some(Verdict::Jump(target)) => end = self.chain(&target),
                Some(Verdict::Goto(target)) => {
                    end = self.chain(&target);
                    break;
                }
            }
            if end.is_some() {
                break;
            }
        }
        self.depth -= 1;
        end
    }

    fn rule(&mut self, rule: &[Statement]) -> Option<Verdict> {
        for statement in rule {
            match statement {
                Statement::Match { left, not, right } => {
                    let key: Vec<Value> = left.iter().map(|f| self.field(*f)).collect::<Option<Vec<_>>>()?;
                    let hit = match right {
                        Right::Values(values) => values.iter().any(|v| v.holds(&key[0])),
                        Right::Keys(keys) => keys.iter().any(|k| k.iter().zip(&key).all(|(a, b)| a.holds(b))),
                        Right::Set(name) => self.in_set(name, &key),
                    };
                    if hit == *not {
                        return None;
                    }
                }
                // A packet that begins a conversation, once its protocol is TCP.
                Statement::Opens => {
                    if self.packet.protocol != 6 {
                        return None;
                    }
                }
                Statement::Accepts => return None,
                Statement::State(bits) => {
                    if self.packet.state & bits == 0 {
                        return None;
                    }
                }
                Statement::Marked(mark, bits) => {
                    let value = match mark {
                        Mark::Packet => self.fate.mark,
                        Mark::Conversation => self.fate.conversation,
                    };
                    if value & bits != *bits {
                        return None;
                    }
                }
                Statement::SetMark(Mark::Packet, bits) => self.fate.mark |= bits,
                Statement::SetMark(Mark::Conversation, bits) => self.fate.conversation |= bits,
                Statement::Map { key, entries } => {
                    let value = self.field(*key)?;
                    let found = entries.iter().find(|(v, _)| v.holds(&value))?;
                    return Some(found.1.clone());
                }
                Statement::Count(name) => self.fate.counted.push(name.clone()),
                Statement::Rate { .. } | Statement::Log { .. } | Statement::NoTrack => {}
                // It is gone, whoever answers it.
                Statement::SynProxy { .. } | Statement::Reset => return Some(Verdict::Drop),
                Statement::Verdict(verdict) => return Some(verdict.clone()),
                Statement::Foreign(what) => panic!("{what}"),
            }
        }
        None
    }

    fn in_set(&self, name: &str, key: &[Value]) -> bool {
        let set = self
            .table
            .sets
            .iter()
            .find(|s| s.name == name)
            .unwrap_or_else(|| panic!("no set {name}"));
        assert_eq!(set.key.len(), key.len(), "{name}");
        match &set.elements {
            Some(values) => values.iter().any(|v| v.holds(&key[0])),
            // No measure is in force; the enforcer lives.
            None => name == "alive",
        }
    }

    fn field(&self, field: Field) -> Option<Value> {
        let p = self.packet;
        let ip = |ip: IpAddr, v4: bool| (ip.is_ipv4() == v4).then(|| Value::ip(ip));
        let port = |protocol: u8| (p.protocol == protocol).then(|| Value::number(p.port.into()));
        match field {
            Field::Ip4Source | Field::Began4 => ip(p.from, true),
            Field::Ip4Target | Field::Called4 => ip(p.to, true),
            Field::Ip6Source | Field::Began6 => ip(p.from, false),
            Field::Ip6Target | Field::Called6 => ip(p.to, false),
            Field::EtherSource => Some(Value::Mac(p.from_mac)),
            Field::EtherTarget => Some(Value::Mac(p.to_mac)),
            Field::TcpPort => port(6),
            Field::TcpSourcePort | Field::UdpSourcePort => None,
            Field::UdpPort => port(17),
            Field::SctpPort => port(132),
            Field::IcmpType => port(1),
            Field::Icmp6Type => port(58),
            Field::Protocol => Some(Value::number(p.protocol.into())),
            Field::Family => Some(Value::number(if p.from.is_ipv4() { 2 } else { 10 })),
            Field::Direction => Some(Value::number(0)),
            Field::EtherType | Field::ArpSource => None,
        }
    }
}
