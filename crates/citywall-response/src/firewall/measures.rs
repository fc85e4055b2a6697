//! The chains in which the measures' sets are looked at: before what was allowed earlier, so that
//! a conversation that lives is cut, too.
//!
//! Owns: what each kind of set does to a packet, and whom no measure touches. Does not own: what is
//! in the sets (`elements`).

use super::conduits::{jump, verdict};
use super::deployment::{Deployment, Mode};
use super::elements::{self, names};
use super::ends::in_set;
use super::model::{Chain, Field, KeyType, Mark, Right, Rule, Statement, Value, Verdict, state};
use super::wall::{base, chain, count_drop, marks, spared_or};

/// Sets of whom no measure touches.
pub(super) const SPARED: &str = "spared";
/// Sets of what a host in quarantine still reaches.
pub(super) const LIFELINES: &str = "lifelines";

fn with(mut rule: Rule, tail: Rule) -> Rule {
    rule.extend(tail);
    rule
}

fn numbers(list: &[u32]) -> Vec<Value> {
    list.iter().map(|n| Value::number(*n)).collect()
}

fn pair(left: [Field; 2], set: &str) -> Statement {
    Statement::Match {
        left: left.to_vec(),
        not: false,
        right: Right::Set(set.to_owned()),
    }
}

/// The fields of one family.
struct Fields {
    suffix: &'static str,
    source: Field,
    target: Field,
    began: Field,
    called: Field,
}

const FAMILIES: [Fields; 2] = [
    Fields {
        suffix: "4",
        source: Field::Ip4Source,
        target: Field::Ip4Target,
        began: Field::Began4,
        called: Field::Called4,
    },
    Fields {
        suffix: "6",
        source: Field::Ip6Source,
        target: Field::Ip6Target,
        began: Field::Began6,
        called: Field::Called6,
    },
];

pub(super) fn chains(at: &Deployment) -> Vec<Chain> {
    let bridge = at.mode == Mode::Bridge;
    let mut all = vec![
        quarantine("quarantine_from", true),
        quarantine("quarantine_to", false),
        inspect_for_a_while(),
        early(),
        floods(),
    ];
    for fields in &FAMILIES {
        all.push(chain(
            &format!("measures{}", fields.suffix),
            of_family(fields, bridge),
        ));
    }
    let mut rules = of_macs(bridge);
    rules.push(vec![Statement::Map {
        key: Field::Family,
        entries: vec![
            (
                Value::number(elements::IPV4),
                Verdict::Jump("measures4".to_owned()),
            ),
            (
                Value::number(elements::IPV6),
                Verdict::Jump("measures6".to_owned()),
            ),
        ],
    }]);
    all.push(chain("measures", rules));
    all
}

fn of_macs(bridge: bool) -> Vec<Rule> {
    let source = |set| spared_or(Field::EtherSource, "m", set);
    let target = |set| spared_or(Field::EtherTarget, "m", set);
    let mut rules = vec![with(source(names::ISOLATED), count_drop("isolated"))];
    if bridge {
        rules.push(with(target(names::ISOLATED), count_drop("isolated")));
    }
    rules.push(with(source(names::QUARANTINED), vec![jump("quarantine_from")]));
    if bridge {
        rules.push(with(target(names::QUARANTINED), vec![jump("quarantine_to")]));
    }
    rules.push(with(source(names::LIMITED), count_drop("limited")));
    rules
}

fn of_family(f: &Fields, bridge: bool) -> Vec<Rule> {
    let s = f.suffix;
    let listed = |field, name: &str, s: &str| {
        vec![
            super::ends::not_in_set(field, &format!("{SPARED}{s}")),
            in_set(field, &format!("{name}{s}")),
        ]
    };
    let mut rules = vec![
        with(spared_or(f.source, s, names::ISOLATED), count_drop("isolated")),
        with(spared_or(f.target, s, names::ISOLATED), count_drop("isolated")),
        with(listed(f.target, names::BLOCKED, s), count_drop("early")),
        with(listed(f.target, names::BLOCKED_NETWORKS, s), count_drop("early")),
        with(
            spared_or(f.source, s, names::QUARANTINED),
            vec![jump("quarantine_from")],
        ),
        with(
            spared_or(f.target, s, names::QUARANTINED),
            vec![jump("quarantine_to")],
        ),
    ];
    let cut = count_drop("denied_by_measure");
    rules.extend(pairs(f, bridge, [names::DENIED, names::DENIED_NETWORKS], &cut));
    rules.push(with(
        spared_or(f.source, s, names::LIMITED),
        count_drop("limited"),
    ));
    let inspect = vec![jump("inspect_for_a_while")];
    rules.extend(pairs(
        f,
        bridge,
        [names::INSPECTED, names::INSPECTED_NETWORKS],
        &inspect,
    ));
    rules
}

/// Conversations by who began them with whom, in both directions. Where the second end is a whole
/// network, conversations with those in it whom no measure touches go on.
fn pairs(f: &Fields, bridge: bool, sets: [&str; 2], tail: &Rule) -> Vec<Rule> {
    let s = f.suffix;
    let spared = |field, s: &str| super::ends::not_in_set(field, &format!("{SPARED}{s}"));
    let direction = |n| super::ends::is_in(Field::Direction, numbers(&[n]));
    let mut rules = Vec::new();
    for set in sets {
        let kept = |field| match set {
            names::DENIED_NETWORKS => vec![spared(field, s)],
            _ => Vec::new(),
        };
        let by_ip = format!("{set}{s}");
        rules.push(with(
            with(
                vec![pair([f.began, f.called], &by_ip), spared(f.began, s)],
                kept(f.called),
            ),
            tail.clone(),
        ));
        // Conversations that the kernel does not follow have no beginner: whoever sends.
        let untracked = vec![
            Statement::State(state::UNTRACKED),
            pair([f.source, f.target], &by_ip),
            spared(f.source, s),
        ];
        rules.push(with(with(untracked, kept(f.target)), tail.clone()));
        let by_mac = format!("{set}m{s}");
        let there = vec![
            direction(0),
            pair([Field::EtherSource, f.target], &by_mac),
            spared(Field::EtherSource, "m"),
        ];
        rules.push(with(with(there, kept(f.target)), tail.clone()));
        if bridge {
            let back = vec![
                direction(1),
                pair([Field::EtherTarget, f.source], &by_mac),
                spared(Field::EtherTarget, "m"),
            ];
            rules.push(with(with(back, kept(f.source)), tail.clone()));
        }
    }
    rules
}

/// DHCP, neighbour discovery, and the lifelines: the rest goes nowhere.
fn quarantine(name: &str, from: bool) -> Chain {
    let fields = if from {
        [(Field::Ip4Target, "4"), (Field::Ip6Target, "6")]
    } else {
        [(Field::Ip4Source, "4"), (Field::Ip6Source, "6")]
    };
    let back = || verdict(Verdict::Return);
    let mut rules = vec![
        vec![
            super::ends::is_in(Field::UdpPort, numbers(&[67, 68, 546, 547])),
            back(),
        ],
        vec![
            super::ends::is_in(Field::Icmp6Type, vec![Value::Numbers(133, 136)]),
            back(),
        ],
    ];
    for (field, family) in fields {
        rules.push(vec![in_set(field, &format!("{LIFELINES}{family}")), back()]);
    }
    rules.push(count_drop("quarantined"));
    chain(name, rules)
}

/// The mark lasts as long as the element, so the conversation's own mark is left alone.
fn inspect_for_a_while() -> Chain {
    let mut rules = Vec::new();
    for (field, family) in [(Field::Called4, "4"), (Field::Called6, "6")] {
        rules.push(vec![
            in_set(field, &format!("strict{family}")),
            Statement::SetMark(Mark::Packet, marks::INSPECT_CLOSED),
            verdict(Verdict::Return),
        ]);
    }
    rules.push(vec![Statement::SetMark(Mark::Packet, marks::INSPECT_OPEN)]);
    chain("inspect_for_a_while", rules)
}

/// What is dropped before anything else looks at it.
fn early() -> Chain {
    let mut rules = Vec::new();
    let back = || verdict(Verdict::Return);
    for (field, family) in [
        (Field::Ip4Source, "4"),
        (Field::Ip6Source, "6"),
        (Field::EtherSource, "m"),
    ] {
        rules.push(vec![in_set(field, &format!("{SPARED}{family}")), back()]);
    }
    for (field, family, blocked) in [
        (Field::Ip4Source, "4", true),
        (Field::Ip6Source, "6", true),
        (Field::EtherSource, "m", false),
    ] {
        rules.push(with(
            vec![in_set(field, &format!("{}{family}", names::ISOLATED))],
            count_drop("early"),
        ));
        if blocked {
            for set in [names::BLOCKED, names::BLOCKED_NETWORKS] {
                rules.push(with(
                    vec![in_set(field, &format!("{set}{family}"))],
                    count_drop("early"),
                ));
            }
        }
    }
    chain("early", rules)
}

/// New conversations with a flooded address: none with answers from a port that the flood comes from, and
/// those of other kinds up to its rate. What is asked who it is needs no limit.
fn floods() -> Chain {
    let mut rules = Vec::new();
    for (field, family) in [(Field::Ip4Target, "4"), (Field::Ip6Target, "6")] {
        let unasked = pair(
            [field, Field::UdpSourcePort],
            &format!("{}{family}", names::UNASKED),
        );
        rules.push(with(vec![unasked], count_drop("flooded")));
    }
    for (field, family) in [(Field::Ip4Target, "4"), (Field::Ip6Target, "6")] {
        rules.push(vec![proxied(field, family), verdict(Verdict::Return)]);
    }
    for (field, family) in [(Field::Ip4Target, "4"), (Field::Ip6Target, "6")] {
        rules.push(with(
            vec![pair(
                [field, Field::Protocol],
                &format!("{}{family}", names::FLOODED),
            )],
            count_drop("flooded"),
        ));
    }
    chain("floods", rules)
}

/// A packet to a port for which the wall answers.
fn proxied(target: Field, family: &str) -> Statement {
    pair([target, Field::TcpPort], &format!("{}{family}", names::PROXIED))
}

/// One family of what is answered in a device's place.
struct Proxied {
    source: Field,
    target: Field,
    suffix: &'static str,
    /// The segment that every device takes: where none is agreed on (RFC 9293, 3.7.1).
    mss: u16,
}

const PROXIED: [Proxied; 2] = [
    Proxied {
        source: Field::Ip4Source,
        target: Field::Ip4Target,
        suffix: "4",
        mss: 536,
    },
    Proxied {
        source: Field::Ip6Source,
        target: Field::Ip6Target,
        suffix: "6",
        mss: 1_220,
    },
];

/// Chains around the `forward` chain that answer SYNs in a device's place: `before` conversations are
/// followed, behind that (`opening`), and `behind` the policy. A SYN is followed by nobody until it was
/// answered, so a flood fills no table of the kernel's. Who may not open a conversation gets no answer here either.
///
/// The kernel agrees on options before it knows the device's own. So it offers none (no scaling of windows,
/// no time stamps, no selective acknowledgements) and the least segment: that holds whatever the device speaks.
///
/// The last segment of a handshake belongs to no conversation that the kernel knows: it is `new`, or
/// `invalid` where `net.netfilter.nf_conntrack_tcp_loose` is off.
///
/// What the device itself answers was asked before the measure was in force. It asks again after a second, for
/// up to a minute, and has no room for anybody else meanwhile: it is told that nobody is there. What the proxy
/// opened with it is marked, so that its answer to that is not meant.
pub(super) fn syn_proxy([before, opening, behind]: [i32; 3]) -> Vec<Chain> {
    let (mut asking, mut opened) = (Vec::new(), Vec::new());
    // What is inspected is followed from its first packet on, so it is not for the proxy to answer.
    let mut answering: Vec<Rule> = [marks::INSPECT_OPEN, marks::INSPECT_CLOSED]
        .into_iter()
        .map(|bits| vec![Statement::Marked(Mark::Packet, bits), verdict(Verdict::Accept)])
        .collect();
    for f in &PROXIED {
        let to = || proxied(f.target, f.suffix);
        asking.push(vec![Statement::Opens, to(), Statement::NoTrack]);
        opened.push(vec![
            Statement::Opens,
            to(),
            Statement::SetMark(Mark::Conversation, marks::PROXIED),
        ]);
        answering.push(vec![
            Statement::State(state::INVALID | state::NEW | state::UNTRACKED),
            to(),
            Statement::Count("proxied".to_owned()),
            Statement::SynProxy { mss: f.mss },
        ]);
    }
    answering.push(vec![
        Statement::Marked(Mark::Conversation, marks::PROXIED),
        verdict(Verdict::Accept),
    ]);
    for f in &PROXIED {
        let from = pair(
            [f.source, Field::TcpSourcePort],
            &format!("{}{}", names::PROXIED, f.suffix),
        );
        answering.push(vec![Statement::Accepts, from, Statement::Reset]);
    }
    vec![
        base("asking", "prerouting", None, before, true, asking),
        base("opened", "output", None, opening, true, opened),
        base(super::ANSWERING, "forward", None, behind, true, answering),
    ]
}

/// The key types of a pair's sets.
pub(super) fn pair_keys(suffix: &str) -> Vec<KeyType> {
    match suffix {
        "4" => vec![KeyType::Ip4, KeyType::Ip4],
        "6" => vec![KeyType::Ip6, KeyType::Ip6],
        "m4" => vec![KeyType::Ether, KeyType::Ip4],
        _ => vec![KeyType::Ether, KeyType::Ip6],
    }
}
