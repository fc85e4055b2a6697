//! Ends that a person may ask about: a zone, an asset, an address, "outside".
//!
//! Owns: finding what a word means, and an example of an address that stands for it. Does not own:
//! what may pass between two ends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use citywall_event::{ConduitEnd, Context, Mac, OUTSIDE, Place, Prefix, say};
use hashbrown::HashSet;

use crate::city::City;
use crate::resolve::parse_mac;
use crate::suggest::did_you_mean;

/// Addresses of a network that are looked at for one that no asset has.
const TRIES: usize = 4_096;

/// Addresses that stand for "outside", the first that is in no zone: those that are for examples
/// (RFC 5737, RFC 3849) first.
const ELSEWHERE: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)),
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
];

/// One end of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// As the question names it.
    pub name: String,
    /// What it is, for people: `asset recorder of zone core`.
    pub words: String,
    /// Where it lives.
    pub place: Place,
    /// An address that it has, or that stands for it.
    pub ip: Option<IpAddr>,
    /// The end by which a conduit would name it; `None`: an address without a name.
    pub conduit: Option<ConduitEnd>,
}

impl End {
    pub(crate) fn party(&self) -> (Place, Option<IpAddr>) {
        (self.place, self.ip)
    }
}

/// A city with its compiled table, to ask about.
#[derive(Debug)]
pub struct Judged<'a> {
    pub(crate) city: &'a City,
    pub(crate) context: Context,
    taken: HashSet<IpAddr>,
}

impl<'a> Judged<'a> {
    /// Compiles the city.
    pub fn new(city: &'a City) -> Judged<'a> {
        Judged {
            city,
            context: city.compile().1,
            taken: city
                .assets
                .iter()
                .flat_map(|a| a.addresses.iter().copied())
                .collect(),
        }
    }

    /// The compiled table.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The city.
    pub fn city(&self) -> &'a City {
        self.city
    }

    /// What a word means: the name of a zone or an asset, "outside", an IP or a hardware address.
    ///
    /// # Errors
    /// In words, with a suggestion.
    pub fn end(&self, word: &str) -> Result<End, String> {
        if word == OUTSIDE {
            return Ok(self.outside());
        }
        if let Some(id) = self.city.zones.iter().position(|z| z.name == word) {
            return Ok(self.zone(id));
        }
        if let Some(id) = self.city.assets.iter().position(|a| a.name == word) {
            return Ok(self.asset(id));
        }
        if let Ok(ip) = word.parse::<IpAddr>() {
            return Ok(self.address(Some(ip.to_canonical()), None, word));
        }
        if let Some(mac) = parse_mac(word) {
            return Ok(self.address(None, Some(mac), word));
        }
        let zones = self.city.zones.iter().map(|z| z.name.as_str());
        let names = zones.chain(self.city.assets.iter().map(|a| a.name.as_str()));
        let fix = did_you_mean(word, names.chain([OUTSIDE]), || {
            say!(
                "file-end-fix",
                "name a zone, an asset, \"outside\", or an address"
            )
        });
        Err(format!("nothing is called {word:?} in {}; {fix}", self.city.file))
    }

    /// Members of a zone that have no name of their own.
    pub(crate) fn zone(&self, id: usize) -> End {
        let zone = self.city.zones.get(id);
        let networks = zone.map_or(&[][..], |z| &z.networks);
        let name = zone.map_or(String::new(), |z| z.name.clone());
        End {
            words: format!("zone {name}"),
            name,
            place: Place {
                zone: u16::try_from(id).ok(),
                asset: None,
            },
            ip: self.example(networks),
            conduit: u16::try_from(id).ok().map(ConduitEnd::Zone),
        }
    }

    fn example(&self, networks: &[Prefix]) -> Option<IpAddr> {
        let free = |ip: &IpAddr| !self.taken.contains(ip);
        networks
            .iter()
            .find_map(|network| hosts(*network).take(TRIES).find(free))
            .or_else(|| networks.first().and_then(|network| hosts(*network).next()))
    }

    pub(crate) fn asset(&self, id: usize) -> End {
        let asset = self.city.assets.get(id);
        let own = asset.and_then(|a| a.zone).and_then(|z| u16::try_from(z).ok());
        let addresses = asset.map_or(&[][..], |a| &a.addresses);
        let at_home = addresses
            .iter()
            .find(|ip| self.context.locate(Some(**ip), None).zone == own);
        let ip = at_home.or(addresses.first()).copied();
        let mac = asset.and_then(|a| a.macs.first()).copied();
        let place = self.context.locate(ip, mac);
        let name = asset.map_or(String::new(), |a| a.name.clone());
        End {
            words: format!("asset {name} {}", self.whose(place)),
            name,
            place,
            ip,
            conduit: Some(ConduitEnd::Asset(id as u32)),
        }
    }

    fn address(&self, ip: Option<IpAddr>, mac: Option<Mac>, word: &str) -> End {
        let place = self.context.locate(ip, mac);
        let asset = place.asset.and_then(|id| self.context.asset(id));
        let what = match asset {
            Some(asset) => format!("{word}, asset {} {}", asset.name, self.whose(place)),
            None => format!("{word} {}", self.whose(place)),
        };
        End {
            name: word.to_owned(),
            words: what,
            place,
            ip,
            conduit: place.asset.map(ConduitEnd::Asset),
        }
    }

    pub(crate) fn outside(&self) -> End {
        let free = |ip: &&IpAddr| self.context.locate(Some(**ip), None) == Place::default();
        End {
            name: OUTSIDE.to_owned(),
            words: OUTSIDE.to_owned(),
            place: Place::default(),
            ip: ELSEWHERE.iter().find(free).copied(),
            conduit: Some(ConduitEnd::Outside),
        }
    }

    fn whose(&self, place: Place) -> String {
        match place.zone {
            Some(_) => format!("of zone {}", self.context.zone_name(place.zone)),
            None => OUTSIDE.to_owned(),
        }
    }
}

/// Does an end of a conduit mean this place? As `Context` has it.
pub(crate) fn means(end: ConduitEnd, place: Place) -> bool {
    match end {
        ConduitEnd::EveryZone => place.zone.is_some(),
        ConduitEnd::Outside => place.zone.is_none(),
        ConduitEnd::Zone(zone) => place.zone == Some(zone),
        ConduitEnd::Asset(asset) => place.asset == Some(asset),
    }
}

/// The addresses of hosts of a network: without the two that have a meaning of their own.
pub(crate) fn hosts(network: Prefix) -> impl Iterator<Item = IpAddr> {
    let (first, last) = match (network.first(), network.last()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits())),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
        // A network's ends are of one family.
        _ => (1, 0),
    };
    let v4 = network.first().is_ipv4();
    let (first, last) = match last.saturating_sub(first) {
        0..=1 => (first, last),
        _ if v4 => (first + 1, last - 1),
        _ => (first + 1, last),
    };
    (first..=last).map(move |bits| match v4 {
        true => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        false => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    })
}
