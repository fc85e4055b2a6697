//! Everything that a run is told, compiled: city, rules, limits, what to write.
//!
//! Owns: reading and checking the three files, with errors that name the place and the fix, and
//! the embedded defaults. A value of it never changes; a reload makes a new one.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use citywall_behaviour::Model;
use citywall_behaviour::allow::AllowList;
use citywall_event::Context;
use citywall_flow::{FlowLimits, HostPolicies, HostPolicy, KeyOptions, Timeouts};
use citywall_inventory::Makers;
use citywall_packet::{DefragLimits, Defragmenter, OverlapPolicies, OverlapPolicy};
use citywall_policy::City;
use citywall_rules::{Refused, RuleBook, RuleSource, RuleVars};
use citywall_transaction::Limits;

use crate::allowed;
use crate::cli::Files;
use crate::config::Config;

/// The rules that stand in the binary.
pub const BUILT_IN_RULES: &str = include_str!("../rules/citywall.rules");

/// A city file given as text, with the name that errors show.
#[derive(Clone, Debug)]
pub struct CitySource {
    /// Name in errors.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Everything that a run is told.
pub struct Settings {
    /// The configuration as read.
    pub config: Config,
    /// The city, where there is a city file.
    pub city: Option<City>,
    /// The text of the city file; empty where there is none.
    pub city_text: Arc<str>,
    /// What the data plane knows of it.
    pub context: Context,
    /// The rules.
    pub rules: Arc<RuleBook>,
    /// Rules that could not be loaded.
    pub refused: Vec<Refused>,
    /// Bounds for dissectors.
    pub dissector_limits: Limits,
    /// Overlap policies of hosts, for streams.
    pub host_policies: HostPolicies,
    /// The same, for fragments.
    fragment_policies: OverlapPolicies,
    /// Keys the flow tables and the shards, so that nobody can aim at one bucket or one worker.
    pub hash_seed: u64,
    /// Maker names by MAC.
    pub makers: Makers,
    /// The live interface's name.
    pub interface: Option<String>,
    /// A city is known.
    pub has_city: bool,
    /// An enforcer wants to know how packets fare.
    pub reports: bool,
    /// Bytes of packets that are kept; 0: none.
    pub packets: u64,
    /// Use is learned.
    pub learns: bool,
    /// The allow-list in force.
    pub allowed: Option<Arc<AllowList>>,
    /// The models in force.
    pub models: Arc<[Model]>,
    origin: Origin,
}

/// Where settings came from, for a reload.
#[derive(Clone, Debug)]
struct Origin {
    files: Files,
    built_in_city: Option<CitySource>,
    disk: Option<u64>,
}

impl Settings {
    /// Reads and compiles the files. `built_in_city` stands in where no city file is named.
    ///
    /// # Errors
    /// Where a file cannot be read or is invalid; the text names file, line, column and fix.
    pub fn load(
        files: &Files,
        built_in_city: Option<CitySource>,
        interface: Option<String>,
        disk: Option<u64>,
    ) -> anyhow::Result<Settings> {
        let mut config = match &files.config {
            Some(path) => Config::read(path).map_err(anyhow::Error::msg)?,
            None => Config::default(),
        };
        if let Some(disk) = disk {
            config.events.disk.0 = disk;
        }
        let source = match &files.city {
            Some(path) => Some(CitySource {
                name: path.display().to_string(),
                text: read(path)?,
            }),
            None => built_in_city.clone(),
        };
        let city = source.as_ref().map(parse_city).transpose()?;
        let context = city.as_ref().map(|city| city.compile().1).unwrap_or_default();
        let (rules, refused) = load_rules(&files.rules, city.as_ref())?;
        let mut dissector_limits = Limits {
            message: config.limits.message.bytes(),
            open_requests: config.limits.open_requests,
            decompressed: config.limits.decompressed.bytes(),
            file_hashes: config.events.file_hashes,
            read_commands: config.events.read_commands,
            readings: true,
            response_bodies: rules.needs_response_bodies(),
            ..Limits::default()
        };
        if !rules.needs_bodies() {
            dissector_limits.body = 0;
        }
        let makers = read_makers(&config)?;
        let (host_policies, fragment_policies) = policies(&config)?;
        let mut settings = Settings {
            has_city: city.is_some(),
            reports: false,
            packets: 0,
            learns: false,
            models: Arc::from([]),
            allowed: None,
            city,
            city_text: source.map_or_else(Arc::default, |source| source.text.into()),
            context,
            rules: Arc::new(rules),
            refused,
            dissector_limits,
            host_policies,
            fragment_policies,
            hash_seed: RandomState::new().build_hasher().finish(),
            makers,
            interface,
            origin: Origin {
                files: files.clone(),
                built_in_city,
                disk,
            },
            config,
        };
        settings.dissector_limits.readings = settings.writes("reading");
        Ok(settings)
    }

    /// So many bytes of packets are to be kept, of the disk's budget.
    ///
    /// # Errors
    /// Where that leaves too little of it to events, or is too little for any packets.
    pub fn keep_packets(&mut self, bytes: u64) -> Result<(), String> {
        const LEAST: u64 = 64 << 20;
        if bytes > 0 && bytes < LEAST {
            return Err("--keep-packets: at least 64M: a busy second has that".into());
        }
        if bytes > self.config.events.disk.0 / 2 {
            return Err(format!(
                "--keep-packets: at most half of the disk budget, which is {} bytes (--disk, else events.disk)",
                self.config.events.disk.0
            ));
        }
        self.packets = bytes;
        Ok(())
    }

    /// Reads the same files again.
    ///
    /// # Errors
    /// As `load`.
    pub fn reload(&self) -> anyhow::Result<Settings> {
        let origin = self.origin.clone();
        let settings = Settings::load(
            &origin.files,
            origin.built_in_city,
            self.interface.clone(),
            origin.disk,
        )?;
        // Conversations stay where they are: in their bucket and with their worker.
        let mut settings = Settings {
            hash_seed: self.hash_seed,
            reports: self.reports,
            packets: self.packets,
            ..settings
        };
        if self.allowed.is_some() || self.learns {
            settings.hold_use()?;
        }
        settings.models = Arc::clone(&self.models);
        if !self.models.is_empty() {
            settings.hold_models();
        }
        Ok(settings)
    }

    /// Puts the configured allow-list in force; where there is none, but a state directory, use is
    /// learned.
    ///
    /// # Errors
    /// Where it is not to be believed, and no earlier one is.
    pub fn hold_use(&mut self) -> anyhow::Result<()> {
        self.allowed = allowed::in_force(&self.config.learning)?;
        self.learns = self.allowed.is_none() && self.config.learning.state.is_some();
        Ok(())
    }

    /// Puts the configured models in force. One that is not to be believed is not used, and the one of its
    /// class that was in force before goes on.
    pub fn hold_models(&mut self) {
        if let (Some(folder), Some(ring)) = (&self.config.learning.models, &self.config.learning.key_ring) {
            self.models = crate::command::learn::model::in_force(folder, ring, &self.models);
        }
    }

    /// True where use is learned or held against a list: then names and fingerprints are events, too.
    #[inline]
    pub fn use_is_known(&self) -> bool {
        self.allowed.is_some() || self.learns
    }

    /// True where a model judges single packets.
    pub fn judges_packets(&self) -> bool {
        self.models.iter().any(|model| model.packets.is_some())
    }

    /// True where `eve.json` is to hold events of this type.
    #[inline]
    pub fn writes(&self, event_type: &str) -> bool {
        let types = &self.config.events.types;
        types.is_empty() || types.iter().any(|t| t == event_type)
    }

    /// One worker's share of the limits.
    pub fn flow_limits(&self, workers: u16) -> FlowLimits {
        let limits = &self.config.limits;
        let workers = usize::from(workers.max(1));
        let time = |seconds: u32| i64::from(seconds) * 1_000_000_000;
        let t = &self.config.timeouts;
        FlowLimits {
            flows: u32::try_from(limits.flows / workers).unwrap_or(u32::MAX).max(16),
            half_open: u32::try_from(limits.half_open / workers)
                .unwrap_or(u32::MAX)
                .max(16),
            buffered_bytes: limits.stream_memory.bytes() / workers,
            buffered_bytes_per_direction: limits.stream_memory_per_direction.bytes(),
            timeouts: Timeouts {
                tcp_new: time(t.tcp_new),
                tcp_established: time(t.tcp_established),
                tcp_closing: time(t.tcp_closing),
                tcp_closed: time(t.tcp_closed),
                udp_new: time(t.udp_new),
                udp_established: time(t.udp_established),
                udp_settled: time(t.udp_settled),
                icmp: time(t.icmp),
                ethernet: time(t.other),
                other: time(t.other),
            },
            hash_seed: self.hash_seed,
            ..FlowLimits::default()
        }
    }

    /// One worker's share of the memory for protocol messages that are not over.
    pub fn session_memory(&self, workers: u16) -> usize {
        self.config.limits.session_memory.bytes() / usize::from(workers.max(1))
    }

    /// What counts in the keys of conversations.
    pub fn key_options(&self) -> KeyOptions {
        KeyOptions {
            use_vlans: self.config.flows.vlan_in_key,
        }
    }

    /// A fresh defragmenter.
    pub fn defragmenter(&self) -> Defragmenter {
        let limits = &self.config.limits;
        let limits = DefragLimits {
            datagrams: limits.fragments,
            bytes: limits.fragment_memory.bytes(),
            ..DefragLimits::default()
        };
        Defragmenter::new(limits, self.fragment_policies.clone())
    }
}

/// Bytes of a file that people write: city file, configuration, rules.
const LARGEST: u64 = 64 << 20;

/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = read_bounded(path).with_context(|| format!("cannot read {}", path.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is no UTF-8 text", path.display()))
}

/// Reads a file that people write. A device that never ends, or a capture named in its place, is an error.
pub(crate) fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let what = format!("it is larger than {} MB", LARGEST >> 20);
        return Err(std::io::Error::other(what));
    }
    Ok(bytes)
}

/// The listing is optional where nobody asked for it: makers are then unknown.
fn read_makers(config: &Config) -> anyhow::Result<Makers> {
    let path = &config.inventory.makers;
    let read = std::fs::File::open(path).and_then(Makers::read);
    match read {
        Ok(makers) => Ok(makers),
        Err(_) if *path == crate::config::Inventory::default().makers => Ok(Makers::default()),
        Err(error) => bail!("inventory.makers: cannot read {}: {error}", path.display()),
    }
}

fn parse_city(source: &CitySource) -> anyhow::Result<City> {
    City::parse(&source.text, &source.name).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::Error::msg(lines.join("\n"))
    })
}

/// `HOME_NET` is what the city file has; `EXTERNAL_NET` all else.
fn rule_vars(city: Option<&City>) -> RuleVars {
    let mut vars = RuleVars::default();
    let networks: Vec<String> = city
        .iter()
        .flat_map(|city| &city.zones)
        .flat_map(|zone| &zone.networks)
        .map(ToString::to_string)
        .collect();
    if !networks.is_empty() {
        vars.set_address("HOME_NET", &format!("[{}]", networks.join(",")));
        vars.set_address("EXTERNAL_NET", "!$HOME_NET");
    }
    vars
}

fn load_rules(paths: &[PathBuf], city: Option<&City>) -> anyhow::Result<(RuleBook, Vec<Refused>)> {
    let mut texts = Vec::new();
    for path in paths {
        let mut text = read_bounded(path).with_context(|| format!("cannot read {}", path.display()))?;
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        texts.push((path.display().to_string(), text));
    }
    if texts.is_empty() {
        texts.push(("built-in rules".into(), BUILT_IN_RULES.as_bytes().to_vec()));
    }
    let sources: Vec<RuleSource<'_>> = texts
        .iter()
        .map(|(name, text)| RuleSource { name, text })
        .collect();
    Ok(RuleBook::load(&sources, &rule_vars(city)))
}

/// Parses the name of an overlap policy.
///
/// # Errors
/// A text that lists the names.
pub fn overlap_policy(name: &str) -> Result<OverlapPolicy, String> {
    Ok(match name {
        "first" => OverlapPolicy::First,
        "last" => OverlapPolicy::Last,
        "bsd" => OverlapPolicy::Bsd,
        "bsd-right" => OverlapPolicy::BsdRight,
        "linux" => OverlapPolicy::Linux,
        "windows" => OverlapPolicy::Windows,
        "solaris" => OverlapPolicy::Solaris,
        other => {
            return Err(format!(
                "host.overlap: no policy '{other}'; there are first, last, bsd, bsd-right, linux, windows, solaris"
            ));
        }
    })
}

/// Parses `10.0.0.0/8`, `fd00::/8` or a plain address.
///
/// # Errors
/// A text that shows what a network looks like.
pub fn network(text: &str) -> Result<(std::net::IpAddr, u8), String> {
    let bad = || format!("host.network: '{text}' is not a network; write 10.3.0.0/16 or fd00::/8");
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: std::net::IpAddr = address.parse().map_err(|_| bad())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(most), |l| l.parse().map_err(|_| bad()))?;
    if length > most {
        Err(bad())
    } else {
        Ok((address, length))
    }
}

fn policies(config: &Config) -> anyhow::Result<(HostPolicies, OverlapPolicies)> {
    let mut streams = HostPolicies::new(HostPolicy::default());
    let mut fragments = OverlapPolicies::new(OverlapPolicy::default());
    for host in &config.host {
        let (address, length) = network(&host.network).map_err(anyhow::Error::msg)?;
        let overlap = overlap_policy(&host.overlap).map_err(anyhow::Error::msg)?;
        streams.insert(
            address,
            length,
            HostPolicy {
                overlap,
                ..HostPolicy::default()
            },
        )?;
        fragments.insert(address, length, overlap)?;
    }
    Ok((streams, fragments))
}
