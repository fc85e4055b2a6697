//! The bytes of a list: version 1, frozen (`docs/spec/allow-list.md`).
//!
//! Owns: their form, and refusing what is not in it. Equal lists have equal bytes, and only the bytes of
//! `encode` are read: entries are sorted, and none stands twice. Does not own: the signature over them.

use citywall_event::{Mac, Verb};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use super::list::{AllowList, Device, Doubt, End, Evidence, Order, Print, Range, Talk};
use super::peer::{Kind, Peer};

const VERSION: u32 = 1;
/// Bytes that are read: what a signed payload can hold.
const BYTES: usize = 4 << 20;
/// Bytes of any text in it.
const TEXT: usize = 512;

/// Why bytes are no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowListError {
    /// More than is read.
    #[error("the allow-list has {0} bytes, more than {BYTES}")]
    TooLarge(usize),
    /// No JSON of this shape.
    #[error("this is no allow-list: {0}")]
    Form(String),
    /// A version that this program does not know.
    #[error(
        "the allow-list has version {0}, this program knows version {VERSION}; use the program that wrote it"
    )]
    Version(u32),
    /// It says something that no list can say.
    #[error("the allow-list is wrong: {0}")]
    Content(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    citywall_allow_list: u32,
    name: String,
    slot: i64,
    first: i64,
    last: i64,
    covered: u32,
    kinds: Vec<Kind>,
    devices: Vec<DeviceWire>,
    talks: Vec<TalkWire>,
    orders: Vec<OrderWire>,
    prints: Vec<PrintWire>,
}

/// Only to tell another version from nonsense.
#[derive(Deserialize)]
struct Version {
    citywall_allow_list: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EndWire {
    Kind(u16),
    Asset(String),
    Ip(IpAddr),
    Mac(Mac),
    Name(String),
    Outside,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceWire {
    peer: Peer,
    zone: String,
    kind: Option<u16>,
    open: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenWire {
    times: u64,
    often: u32,
    hours: u32,
    doubt: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TalkWire {
    from: EndWire,
    to: EndWire,
    protocol: u8,
    port: u16,
    app: String,
    seen: SeenWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderWire {
    from: EndWire,
    to: EndWire,
    protocol: String,
    verb: String,
    function: String,
    unit: Option<u32>,
    point: Option<(String, u32)>,
    /// Numbers as decimals in text: usual smallest and largest, then seen smallest and largest.
    values: Option<[String; 4]>,
    seen: SeenWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrintWire {
    of: EndWire,
    name: String,
    value: String,
    seen: SeenWire,
}

impl AllowList {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let file = File {
            citywall_allow_list: VERSION,
            name: self.name.clone(),
            slot: self.slot,
            first: self.span.0,
            last: self.span.1,
            covered: self.covered,
            kinds: self.kinds.clone(),
            devices: self.devices.iter().map(device_wire).collect(),
            talks: self.talks.iter().map(talk_wire).collect(),
            orders: self.orders.iter().map(order_wire).collect(),
            prints: self.prints.iter().map(print_wire).collect(),
        };
        // Texts and numbers always have a form in JSON.
        serde_json::to_vec(&file).unwrap_or_default()
    }

    /// Reads `encode`'s bytes.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<AllowList, AllowListError> {
        if bytes.len() > BYTES {
            return Err(AllowListError::TooLarge(bytes.len()));
        }
        if let Ok(Version { citywall_allow_list }) = serde_json::from_slice(bytes)
            && citywall_allow_list != VERSION
        {
            return Err(AllowListError::Version(citywall_allow_list));
        }
        let file: File = serde_json::from_slice(bytes).map_err(|e| AllowListError::Form(e.to_string()))?;
        let list = AllowList {
            name: file.name,
            slot: file.slot,
            span: (file.first, file.last),
            covered: file.covered,
            kinds: file.kinds,
            devices: file.devices.into_iter().map(device).collect(),
            talks: file.talks.into_iter().map(talk).collect::<Result<_, _>>()?,
            orders: file.orders.into_iter().map(order).collect::<Result<_, _>>()?,
            prints: file.prints.into_iter().map(print).collect::<Result<_, _>>()?,
        };
        list.check()?;
        Ok(list)
    }

    fn check(&self) -> Result<(), AllowListError> {
        let wrong = |what| Err(AllowListError::Content(what));
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return wrong("its name is empty or holds control characters");
        }
        if self.slot < 1 || self.span.0 > self.span.1 {
            return wrong("its slot or its time is not after the beginning");
        }
        if self.covered >> 24 != 0 {
            return wrong("a day has 24 hours");
        }
        let kinds = self.kinds.len();
        let known = |end: &End| !matches!(end, End::Kind(kind) if usize::from(*kind) >= kinds);
        let ends = self.talks.iter().flat_map(|t| [&t.from, &t.to]);
        let ends = ends.chain(self.orders.iter().flat_map(|o| [&o.from, &o.to]));
        if !ends.chain(self.prints.iter().map(|p| &p.of)).all(known)
            || self
                .devices
                .iter()
                .any(|d| d.kind.is_some_and(|k| usize::from(k) >= kinds))
        {
            return wrong("it names a kind that it does not have");
        }
        let values = self.orders.iter().filter_map(|o| o.values);
        if values
            .into_iter()
            .any(|r| !(r.all.0 <= r.usual.0 && r.usual.0 <= r.usual.1 && r.usual.1 <= r.all.1))
        {
            return wrong("a range of values is none");
        }
        let texts = self.talks.iter().map(|t| &t.app);
        let texts = texts.chain(self.orders.iter().flat_map(|o| [&o.protocol, &o.function]));
        let texts = texts.chain(
            self.orders
                .iter()
                .filter_map(|o| o.point.as_ref().map(|(p, _)| p)),
        );
        let texts = texts.chain(self.prints.iter().flat_map(|p| [&p.name, &p.value]));
        let texts = texts.chain(self.devices.iter().map(|d| &d.zone));
        if texts.chain([&self.name]).any(|text| text.len() > TEXT) {
            return wrong("a text is too long");
        }
        let sorted = self.kinds.is_sorted_by(|a, b| a < b)
            && self.devices.is_sorted_by(|a, b| a.peer < b.peer)
            && self.talks.is_sorted_by(|a, b| talk_key(a) < talk_key(b))
            && self.orders.is_sorted_by(|a, b| order_key(a) < order_key(b))
            && self.prints.is_sorted_by(|a, b| print_key(a) < print_key(b));
        if !sorted {
            return wrong("its entries are not sorted, or one stands twice");
        }
        Ok(())
    }
}

fn talk_key(t: &Talk) -> (&End, &End, u8, u16) {
    (&t.from, &t.to, t.protocol, t.port)
}

#[allow(clippy::type_complexity)]
fn order_key(o: &Order) -> (&End, &End, &str, Verb, &str, Option<u32>, Option<(&str, u32)>) {
    let point = o.point.as_ref().map(|(point, count)| (point.as_str(), *count));
    (&o.from, &o.to, &o.protocol, o.verb, &o.function, o.unit, point)
}

fn print_key(p: &Print) -> (&End, &str, &str) {
    (&p.of, &p.name, &p.value)
}

fn end_wire(end: &End) -> EndWire {
    match end.clone() {
        End::Kind(kind) => EndWire::Kind(kind),
        End::Peer(Peer::Asset(name)) => EndWire::Asset(name),
        End::Peer(Peer::Ip(ip)) => EndWire::Ip(ip),
        End::Peer(Peer::Mac(mac)) => EndWire::Mac(mac),
        End::Peer(Peer::Name(name)) => EndWire::Name(name),
        End::Peer(Peer::Outside) => EndWire::Outside,
    }
}

fn end(wire: EndWire) -> End {
    End::Peer(match wire {
        EndWire::Kind(kind) => return End::Kind(kind),
        EndWire::Asset(name) => Peer::Asset(name),
        EndWire::Ip(ip) => Peer::Ip(ip),
        EndWire::Mac(mac) => Peer::Mac(mac),
        EndWire::Name(name) => Peer::Name(name),
        EndWire::Outside => Peer::Outside,
    })
}

fn seen_wire(seen: &Evidence) -> SeenWire {
    SeenWire {
        times: seen.times,
        often: seen.often,
        hours: seen.hours,
        doubt: seen.doubt.map(|d| d.name().to_owned()),
    }
}

fn seen(wire: SeenWire) -> Result<Evidence, AllowListError> {
    let doubt = match &wire.doubt {
        None => None,
        Some(name) => Some(
            Doubt::ALL
                .into_iter()
                .find(|d| d.name() == name)
                .ok_or(AllowListError::Content("it has a doubt that is not known"))?,
        ),
    };
    if wire.hours >> 24 != 0 {
        return Err(AllowListError::Content("a day has 24 hours"));
    }
    Ok(Evidence {
        times: wire.times,
        often: wire.often,
        hours: wire.hours,
        doubt,
    })
}

fn device_wire(device: &Device) -> DeviceWire {
    DeviceWire {
        peer: device.peer.clone(),
        zone: device.zone.clone(),
        kind: device.kind,
        open: device.open,
    }
}

fn device(wire: DeviceWire) -> Device {
    Device {
        peer: wire.peer,
        zone: wire.zone,
        kind: wire.kind,
        open: wire.open,
    }
}

fn talk_wire(talk: &Talk) -> TalkWire {
    TalkWire {
        from: end_wire(&talk.from),
        to: end_wire(&talk.to),
        protocol: talk.protocol,
        port: talk.port,
        app: talk.app.clone(),
        seen: seen_wire(&talk.seen),
    }
}

fn talk(wire: TalkWire) -> Result<Talk, AllowListError> {
    Ok(Talk {
        from: end(wire.from),
        to: end(wire.to),
        protocol: wire.protocol,
        port: wire.port,
        app: wire.app,
        seen: seen(wire.seen)?,
    })
}

fn order_wire(order: &Order) -> OrderWire {
    OrderWire {
        from: end_wire(&order.from),
        to: end_wire(&order.to),
        protocol: order.protocol.clone(),
        verb: order.verb.name().to_owned(),
        function: order.function.clone(),
        unit: order.unit,
        point: order.point.clone(),
        values: order
            .values
            .map(|r| [r.usual.0, r.usual.1, r.all.0, r.all.1].map(|value| value.to_string())),
        seen: seen_wire(&order.seen),
    }
}

fn order(wire: OrderWire) -> Result<Order, AllowListError> {
    let number = |text: &String| -> Result<f64, AllowListError> {
        let value: f64 = text
            .parse()
            .map_err(|_| AllowListError::Content("a value is no number"))?;
        match value.is_finite() && value.to_string() == *text {
            true => Ok(value),
            false => Err(AllowListError::Content("a value is not written as it should be")),
        }
    };
    let values = match &wire.values {
        None => None,
        Some([a, b, c, d]) => Some(Range {
            usual: (number(a)?, number(b)?),
            all: (number(c)?, number(d)?),
        }),
    };
    Ok(Order {
        from: end(wire.from),
        to: end(wire.to),
        protocol: wire.protocol,
        verb: Verb::parse(&wire.verb).ok_or(AllowListError::Content("a verb is not known"))?,
        function: wire.function,
        unit: wire.unit,
        point: wire.point,
        values,
        seen: seen(wire.seen)?,
    })
}

fn print_wire(print: &Print) -> PrintWire {
    PrintWire {
        of: end_wire(&print.of),
        name: print.name.clone(),
        value: print.value.clone(),
        seen: seen_wire(&print.seen),
    }
}

fn print(wire: PrintWire) -> Result<Print, AllowListError> {
    Ok(Print {
        of: end(wire.of),
        name: wire.name,
        value: wire.value,
        seen: seen(wire.seen)?,
    })
}
