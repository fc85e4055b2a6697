//! From the text of a city file to a `City`.
//!
//! Owns: the sections and their fields, and the order in which they are read: what is referred to
//! before what refers. All errors are collected. Does not own: types (`reader`), names (`resolve`).

use citywall_event::{ConduitEnd, Criticality, Dependency, Phrase, ServiceInfo, say};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::city::{Asset, City, Conduit, Domain, Person, Role, Zone};
use crate::error::{CityError, Report, quoted};
use crate::overlap::{self, Network, ZoneSearch};
use crate::reader::{self, Fields, Word, choose};
use crate::resolve::{Names, Register, Thing};
use crate::{
    Denied, Inspect, Timezone, WhenDown, Window, allow, limits, response, suggest, timezone, window,
};

const SECTIONS: [&str; 9] = [
    "city", "domain", "zone", "asset", "conduit", "service", "person", "window", "response",
];

const CRITICALITY: [(&str, Criticality); 3] = [
    ("safety", Criticality::Safety),
    ("essential", Criticality::Essential),
    ("normal", Criticality::Normal),
];

/// Bytes of a text of which all syntax errors are told.
const RECOVERED: usize = 128 << 10;

impl City {
    /// Reads a city file. `file` is only for messages.
    ///
    /// # Errors
    /// All that is wrong, in the order of the file, at most `limits::ERRORS`.
    pub fn parse(text: &str, file: &str) -> Result<City, Vec<CityError>> {
        let mut report = Report::new(file, text.get(..limits::BYTES).unwrap_or(text));
        if text.len() > limits::BYTES {
            report.error(
                &(0..0),
                say!(
                    "file-long",
                    "the file has {n} bytes, more than {most}",
                    n = text.len(),
                    most = limits::BYTES
                ),
                say!(
                    "file-long-fix",
                    "split the city, or name networks instead of single devices"
                ),
            );
            return Err(report.finish());
        }
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(first) => {
                syntax_errors(text, first, &mut report);
                return Err(report.finish());
            }
        };
        let mut reading = Reading {
            report,
            city: City {
                file: file.to_owned(),
                ..City::default()
            },
            names: Names::new(),
            domains: Names::new(),
            people: Names::new(),
            register: Register::default(),
            networks: Vec::new(),
            pairs: 0,
        };
        reading.document(document.get_ref());
        if reading.report.has_errors() {
            return Err(reading.report.finish());
        }
        Ok(reading.city)
    }
}

/// Tells what is wrong with the syntax of a text, and nothing else: what follows a broken line is
/// guesswork, so of errors that say the same one after the other only the first is told. Of a large text
/// only the first error is told, because a file that is no TOML at all has one for each byte, and each takes
/// memory.
fn syntax_errors(text: &str, first: toml::de::Error, report: &mut Report<'_>) {
    let errors = if text.len() <= RECOVERED {
        DeTable::parse_recoverable(text).1
    } else {
        vec![first]
    };
    let mut before = "";
    for error in errors.iter().take(limits::ERRORS) {
        if std::mem::replace(&mut before, error.message()) == error.message() {
            continue;
        }
        let span = error.span().unwrap_or(0..0);
        report.error(
            &span,
            Phrase::as_written(error.message()),
            say!("file-toml-fix", "see the TOML syntax in the commented example"),
        );
    }
}

fn zone_or_asset() -> Phrase {
    say!("file-a-zone-or-asset", "a zone or an asset")
}

struct Reading<'a> {
    report: Report<'a>,
    city: City,
    /// Zones, assets and services share one space: `depends_on` and `on` name any.
    names: Names<Thing>,
    domains: Names<usize>,
    people: Names<usize>,
    register: Register,
    networks: Vec<Network>,
    /// Zone pairs that conduits have named so far.
    pairs: usize,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reading<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        for key in document.keys() {
            let name: &str = key.get_ref();
            if !SECTIONS.contains(&name) {
                let fix = suggest::did_you_mean(name, SECTIONS, || {
                    say!(
                        "file-sections",
                        "the sections are {all}",
                        all = SECTIONS.join(", ")
                    )
                });
                let what = say!(
                    "file-section-unknown",
                    "unknown section {name}",
                    name = quoted(name)
                );
                self.report.error(&key.span(), what, fix);
            }
        }
        self.city_section(document.get("city"));
        self.each(document, "domain", limits::ZONES, Self::domain);
        self.each(document, "zone", limits::ZONES, Self::zone);
        let zones = &self.city.zones;
        let name = |zone: usize| zones.get(zone).map_or(String::new(), |z| z.name.clone());
        overlap::check(&mut self.report, self.networks.clone(), name);
        let search = ZoneSearch::new(&self.networks);
        self.each(document, "asset", limits::ASSETS, |r, v| r.asset(v, &search));
        self.each(document, "conduit", limits::CONDUITS, Self::conduit);
        let mut waiting = Vec::new();
        self.each(document, "service", limits::SERVICES, |r, v| {
            waiting.extend(r.service(v))
        });
        for (index, words) in waiting {
            let depends_on = self.dependencies(&words, true);
            if let Some(service) = self.city.services.get_mut(index) {
                service.depends_on = depends_on;
            }
        }
        self.each(document, "person", limits::PEOPLE, Self::person);
        self.each(document, "window", limits::WINDOWS, Self::window);
        self.response_section(document.get("response"));
    }

    /// Calls `read` for each table of an array of tables.
    fn each<'d, 'i>(
        &mut self,
        document: &'d DeTable<'i>,
        section: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Self, &'d Value<'i>),
    ) {
        let Some(value) = document.get(section) else {
            return;
        };
        let Some(tables) = value.get_ref().as_array() else {
            self.report.error(
                &value.span(),
                say!("file-tables", "{section} is a list of tables", section = section),
                say!(
                    "file-tables-fix",
                    "begin each with [[{section}]]",
                    section = section
                ),
            );
            return;
        };
        for (count, table) in tables.iter().enumerate() {
            if count == most {
                self.report.error(
                    &table.span(),
                    say!(
                        "file-many",
                        "more than {most} of [[{section}]]",
                        most = most,
                        section = section
                    ),
                    say!("file-many-fix", "declare fewer"),
                );
                return;
            }
            read(self, table);
        }
    }

    fn city_section(&mut self, value: Option<&Value<'_>>) {
        let Some(value) = value else {
            self.report.error(
                &(0..0),
                say!("file-no-city", "the file has no [city]"),
                say!("file-no-city-fix", "add [city] with a name"),
            );
            return;
        };
        let report = &mut self.report;
        let Some(fields) = reader::open(report, value, "[city]", &["name", "timezone"]) else {
            return;
        };
        if let Some(name) = fields.name(report) {
            self.city.name = name.text;
        }
        if let Some(word) = fields.text(report, "timezone") {
            match Timezone::find(&word.text) {
                Some(zone) => self.city.timezone = zone,
                None => report.error(
                    &word.span,
                    say!(
                        "file-timezone",
                        "unknown time zone {name}",
                        name = quoted(&word.text)
                    ),
                    timezone::suggest(&word.text),
                ),
            }
        }
    }

    fn response_section(&mut self, value: Option<&Value<'_>>) {
        let Some(value) = value else { return };
        let report = &mut self.report;
        let Some(fields) = reader::open(report, value, "[response]", &response::FIELDS) else {
            return;
        };
        let words = response::read(report, &fields, &mut self.city.response);
        for word in &words {
            if matches!(word.text.as_str(), "*" | citywall_event::OUTSIDE) {
                let what = say!(
                    "file-management",
                    "{name} cannot be the way to the city's management",
                    name = quoted(&word.text)
                );
                let fix = say!("file-management-fix", "name zones and assets");
                self.report.error(&word.span, what, fix);
                return;
            }
        }
        self.city.response.management = self.ends(&words);
    }

    fn domain(&mut self, value: &Value<'_>) {
        let report = &mut self.report;
        let Some(fields) = reader::open(report, value, "[[domain]]", &["name", "department"]) else {
            return;
        };
        let Some(name) = fields.name(report) else { return };
        let department = fields.text(report, "department");
        if self.domains.declare(report, &name, self.city.domains.len()) {
            self.city.domains.push(Domain {
                line: report.line(name.span.start),
                name: name.text,
                department: department.map(|d| d.text).unwrap_or_default(),
            });
        }
    }

    fn zone(&mut self, value: &Value<'_>) {
        const FIELDS: [&str; 10] = [
            "name",
            "domain",
            "networks",
            "macs",
            "criticality",
            "inside",
            "isolated",
            "when_down",
            "inspect",
            "denied",
        ];
        let report = &mut self.report;
        let Some(fields) = reader::open(report, value, "[[zone]]", &FIELDS) else {
            return;
        };
        let name = fields.name(report);
        let domain = fields.required_text(report, "domain").and_then(|word| {
            self.domains
                .find(report, &word, &say!("file-a-domain", "a domain"))
        });
        let index = self.city.zones.len();
        let mut networks = Vec::new();
        for word in fields.texts(report, "networks") {
            if let Some(prefix) = overlap::parse(report, &word) {
                networks.push(prefix);
                self.networks.push(Network {
                    prefix,
                    zone: index,
                    span: word.span,
                });
            }
        }
        let mut macs = Vec::new();
        for word in fields.texts(report, "macs") {
            macs.extend(self.register.mac(report, &word));
        }
        let criticality = fields.choice(report, "criticality", &CRITICALITY);
        let inside = fields.choice(report, "inside", &[("allow", false), ("deny", true)]);
        let isolated = fields.flag(report, "isolated");
        let when_down = fields.choice(report, "when_down", &WhenDown::NAMES);
        let inspect = fields.choice(report, "inspect", &Inspect::NAMES);
        let denied = fields.choice(report, "denied", &Denied::NAMES);
        // A zone that is half wrong still has its name, so that references to it are not wrong too.
        let fallback = Word {
            text: String::new(),
            span: fields.span.clone(),
        };
        let known = name.is_some();
        let name = name.unwrap_or(fallback);
        if known {
            self.names.declare(report, &name, Thing::Zone(index));
        }
        self.city.zones.push(Zone {
            line: report.line(name.span.start),
            name: name.text,
            domain: domain.unwrap_or(0),
            networks,
            macs,
            criticality: criticality.unwrap_or(Criticality::Safety),
            inside_denied: inside.unwrap_or(false),
            isolated: isolated.unwrap_or(false),
            when_down: when_down.unwrap_or_default(),
            inspect: inspect.unwrap_or_default(),
            denied: denied.unwrap_or_default(),
        });
    }

    fn asset(&mut self, value: &Value<'_>, search: &ZoneSearch) {
        const FIELDS: [&str; 7] = ["name", "address", "mac", "zone", "role", "criticality", "maker"];
        let report = &mut self.report;
        let Some(fields) = reader::open(report, value, "[[asset]]", &FIELDS) else {
            return;
        };
        let name = fields.name(report);
        let mut addresses = Vec::new();
        for word in fields.texts(report, "address") {
            addresses.extend(self.register.ip(report, &word));
        }
        let mut macs = Vec::new();
        for word in fields.texts(report, "mac") {
            macs.extend(self.register.mac(report, &word));
        }
        if !fields.has("address") && !fields.has("mac") {
            report.error(
                &fields.span,
                say!("file-asset-address", "[[asset]] has no address"),
                say!(
                    "file-asset-address-fix",
                    "add `address = \"...\"` or `mac = \"...\"`"
                ),
            );
        }
        let zone = self.asset_zone(&fields, &addresses, search);
        let report = &mut self.report;
        let roles = fields.texts(report, "role");
        let criticality = fields.choice(report, "criticality", &CRITICALITY);
        let of_zone = zone.and_then(|z| self.city.zones.get(z)).map(|z| z.criticality);
        let maker = fields.text(report, "maker");
        let Some(name) = name else { return };
        if self
            .names
            .declare(report, &name, Thing::Asset(self.city.assets.len()))
        {
            self.city.assets.push(Asset {
                line: report.line(name.span.start),
                name: name.text,
                addresses,
                macs,
                zone,
                roles: roles.into_iter().map(|w| w.text).collect(),
                criticality: criticality.or(of_zone).unwrap_or(Criticality::Safety),
                maker: maker.map(|m| m.text).unwrap_or_default(),
            });
        }
    }

    /// The zone that an asset says, held against the zones that its addresses lie in.
    fn asset_zone(
        &mut self,
        fields: &Fields<'_, '_>,
        addresses: &[std::net::IpAddr],
        search: &ZoneSearch,
    ) -> Option<usize> {
        let report = &mut self.report;
        let mut found: Vec<usize> = addresses.iter().filter_map(|ip| search.find(*ip)).collect();
        found.sort_unstable();
        found.dedup();
        let names = |zones: &[usize]| {
            let name = |z: &usize| self.city.zones.get(*z).map_or("", |z| z.name.as_str());
            zones.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        if let Some(word) = fields.text(report, "zone") {
            if word.text == citywall_event::OUTSIDE {
                return None;
            }
            let zone = match self.names.find(report, &word, &say!("file-a-zone", "a zone"))? {
                Thing::Zone(zone) => zone,
                Thing::Asset(_) | Thing::Service(_) => {
                    report.error(
                        &word.span,
                        say!("file-no-zone", "{name} is no zone", name = quoted(&word.text)),
                        say!("file-no-zone-fix", "name a zone"),
                    );
                    return None;
                }
            };
            if !found.is_empty() && !found.contains(&zone) {
                let lies = names(&found);
                report.error(
                    &word.span,
                    say!(
                        "file-asset-zone",
                        "the asset says zone {zone}, but its address lies in {zones}",
                        zone = quoted(&word.text),
                        zones = lies
                    ),
                    say!(
                        "file-asset-zone-fix",
                        "leave out the zone, or correct the address"
                    ),
                );
            }
            return Some(zone);
        }
        if found.len() > 1 {
            let lies = names(&found);
            report.error(
                &fields.span_of("address"),
                say!(
                    "file-asset-zones",
                    "the addresses lie in more than one zone: {zones}",
                    zones = lies
                ),
                say!(
                    "file-asset-zones-fix",
                    "say which is the asset's: `zone = \"...\"`"
                ),
            );
        }
        if addresses.is_empty() && fields.has("mac") {
            report.error(
                &fields.span_of("mac"),
                say!(
                    "file-asset-mac",
                    "an asset that has only a hardware address lies in no network"
                ),
                say!("file-asset-mac-fix", "say its zone: `zone = \"...\"`"),
            );
        }
        found.first().copied()
    }

    fn conduit(&mut self, value: &Value<'_>) {
        let report = &mut self.report;
        let Some(fields) = reader::open(report, value, "[[conduit]]", &["from", "to", "allow", "reason"])
        else {
            return;
        };
        let from_words = fields.required_texts(report, "from");
        let to_words = fields.required_texts(report, "to");
        let from = self.ends(&from_words);
        let to = self.ends(&to_words);
        let report = &mut self.report;
        let mut grants = Vec::new();
        for word in fields.required_texts(report, "allow") {
            match allow::parse(&word.text) {
                Ok(grant) => grants.push(grant),
                Err(error) => {
                    // The entry begins after its quote.
                    let start = word.span.start + 1 + error.offset;
                    report.error(&(start..start), error.what, error.fix);
                }
            }
        }
        self.pairs = self.pairs.saturating_add(from.len().saturating_mul(to.len()));
        if self.pairs > limits::PAIRS {
            report.error(
                &fields.span,
                say!(
                    "file-pairs",
                    "conduits name more than {n} zone pairs",
                    n = limits::PAIRS
                ),
                say!("file-pairs-fix", "use \"*\", or join zones"),
            );
            return;
        }
        let reason = fields.text(report, "reason");
        self.city.conduits.push(Conduit {
            from,
            to,
            allow: grants,
            reason: reason.map(|r| r.text).unwrap_or_default(),
            line: report.line(fields.span.start),
        });
    }

    fn ends(&mut self, words: &[Word]) -> Vec<ConduitEnd> {
        let mut ends = Vec::new();
        for word in words {
            let end = match word.text.as_str() {
                "*" => Some(ConduitEnd::EveryZone),
                citywall_event::OUTSIDE => Some(ConduitEnd::Outside),
                _ => match self.names.find(&mut self.report, word, &zone_or_asset()) {
                    Some(Thing::Zone(id)) => Some(ConduitEnd::Zone(id as u16)),
                    Some(Thing::Asset(id)) => Some(ConduitEnd::Asset(id as u32)),
                    Some(Thing::Service(_)) | None => None,
                },
            };
            match end {
                Some(end) if ends.contains(&end) => self.report.error(
                    &word.span,
                    say!("file-twice", "{name} is named twice", name = quoted(&word.text)),
                    say!("file-twice-fix", "name it once"),
                ),
                Some(end) if ends.len() < limits::ZONES => ends.push(end),
                Some(_) => {
                    let what = say!(
                        "file-conduit-names",
                        "more than {n} names in one conduit",
                        n = limits::ZONES
                    );
                    let fix = say!("file-conduit-names-fix", "use \"*\"");
                    self.report.error(&word.span, what, fix);
                    break;
                }
                None => {}
            }
        }
        ends
    }

    fn service(&mut self, value: &Value<'_>) -> Option<(usize, Vec<Word>)> {
        let report = &mut self.report;
        let fields = reader::open(
            report,
            value,
            "[[service]]",
            &["name", "depends_on", "criticality"],
        )?;
        let name = fields.name(report);
        let depends_on = fields.required_texts(report, "depends_on");
        let criticality = fields.choice(report, "criticality", &CRITICALITY);
        let name = name?;
        let index = self.city.services.len();
        if !self.names.declare(report, &name, Thing::Service(index)) {
            return None;
        }
        self.city.service_lines.push(report.line(name.span.start));
        self.city.services.push(ServiceInfo {
            name: name.text,
            criticality: criticality.unwrap_or(Criticality::Safety),
            depends_on: Vec::new(),
        });
        Some((index, depends_on))
    }

    fn dependencies(&mut self, words: &[Word], services: bool) -> Vec<Dependency> {
        let kind = if services {
            say!("file-a-zone-asset-service", "a zone, an asset or a service")
        } else {
            zone_or_asset()
        };
        let mut found = Vec::new();
        if let Some(word) = words.get(limits::DEPENDENCIES) {
            let what = say!(
                "file-list-names",
                "more than {n} names in one list",
                n = limits::DEPENDENCIES
            );
            let fix = say!("file-list-names-fix", "name zones instead of single devices");
            self.report.error(&word.span, what, fix);
        }
        for word in words.iter().take(limits::DEPENDENCIES) {
            let dependency = match self.names.find(&mut self.report, word, &kind) {
                Some(Thing::Zone(id)) => Dependency::Zone(id as u16),
                Some(Thing::Asset(id)) => Dependency::Asset(id as u32),
                Some(Thing::Service(id)) if services => Dependency::Service(id as u32),
                Some(Thing::Service(_)) => {
                    self.report.error(
                        &word.span,
                        say!(
                            "file-is-service",
                            "{name} is a service",
                            name = quoted(&word.text)
                        ),
                        say!("file-name-kind", "name {kind}", kind = &kind),
                    );
                    continue;
                }
                None => continue,
            };
            found.push(dependency);
        }
        found
    }

    fn person(&mut self, value: &Value<'_>) {
        let report = &mut self.report;
        let Some(fields) = reader::open(
            report,
            value,
            "[[person]]",
            &["name", "department", "roles", "unix"],
        ) else {
            return;
        };
        let name = fields.name(report);
        let department = fields.text(report, "department");
        let mut roles = Vec::new();
        for word in fields.required_texts(report, "roles") {
            roles.extend(choose(report, "roles", &word, &Role::NAMES));
        }
        let mut unix: Vec<String> = Vec::new();
        for word in fields.texts(report, "unix") {
            if let Some(other) = self.city.people.iter().find(|p| p.unix.contains(&word.text)) {
                let what = say!(
                    "file-account-taken",
                    "the account {account} is that of {who} (line {line})",
                    account = quoted(&word.text),
                    who = other.name.as_str(),
                    line = other.line
                );
                let fix = say!("file-account-taken-fix", "an account belongs to one person");
                report.error(&word.span, what, fix);
            } else if word.text.is_empty() || unix.contains(&word.text) || unix.len() >= limits::ACCOUNTS {
                let what = say!(
                    "file-account",
                    "the account {account} is empty, or said twice, or one too many",
                    account = quoted(&word.text)
                );
                let fix = say!("file-account-fix", "name each account once");
                report.error(&word.span, what, fix);
            } else {
                unix.push(word.text);
            }
        }
        let Some(name) = name else { return };
        if self.people.declare(report, &name, self.city.people.len()) {
            self.city.people.push(Person {
                line: report.line(name.span.start),
                name: name.text,
                department: department.map(|d| d.text).unwrap_or_default(),
                roles,
                unix,
            });
        }
    }

    fn window(&mut self, value: &Value<'_>) {
        const FIELDS: [&str; 8] = ["name", "on", "days", "from", "to", "starts", "ends", "people"];
        let report = &mut self.report;
        let Some(fields) = reader::open(report, value, "[[window]]", &FIELDS) else {
            return;
        };
        let name = fields.name(report);
        let on = fields.required_texts(report, "on");
        let when = window::occurrence(report, &fields);
        let mut people = Vec::new();
        for word in fields.texts(report, "people") {
            people.extend(
                self.people
                    .find(report, &word, &say!("file-a-person", "a person")),
            );
        }
        let on = self.dependencies(&on, false);
        if let (Some(name), Some(when)) = (name, when) {
            self.city.windows.push(Window {
                line: self.report.line(name.span.start),
                name: name.text,
                on,
                when,
                people,
            });
        }
    }
}
