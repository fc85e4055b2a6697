//! `--config`: limits, outputs and intervals of one box. What the city is stands in the city file.
//!
//! Owns: the TOML shape, its defaults, and clear errors. Unknown fields are refused with their place.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

/// The whole file; every field has a default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is kept in memory.
    pub limits: Limits,
    /// What belongs to one conversation.
    pub flows: Flows,
    /// When a silent conversation is over, in seconds.
    pub timeouts: Timeouts,
    /// How hosts resolve overlapping fragments and segments.
    pub host: Vec<Host>,
    /// What is written.
    pub events: Events,
    /// Where alerts and incidents are sent.
    pub syslog: Option<Syslog>,
    /// Where alerts and incidents are posted.
    pub webhook: Option<Webhook>,
    /// Prometheus metrics.
    pub metrics: Metrics,
    /// Live capture.
    pub capture: Capture,
    /// What is known of devices before they speak.
    pub inventory: Inventory,
    /// `citywall enforce --serve`.
    pub enforcer: Enforcer,
    /// What is learned of use, and held against it.
    pub learning: Learning,
}

/// What is learned of use. Without a state directory nothing is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {
    /// The signed allow-list that use is held against.
    pub allow_list: Option<std::path::PathBuf>,
    /// Whose signatures count for it.
    pub key_ring: Option<std::path::PathBuf>,
    /// A directory for what was learned, the highest serial that was seen, and the last good list.
    pub state: Option<std::path::PathBuf>,
    /// A folder of signed models (`citywall learn verify --models`) that conversations are held against.
    pub models: Option<std::path::PathBuf>,
}

/// The enforcer.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Enforcer {
    /// The user that it becomes, where it is started as root.
    pub user: u32,
    /// User ids that may speak as sensors on the control socket.
    pub sensors: Vec<u32>,
    /// User ids of consoles, which may speak there for people.
    pub consoles: Vec<u32>,
}

impl Default for Enforcer {
    fn default() -> Enforcer {
        Enforcer {
            user: 65_534,
            sensors: Vec::new(),
            consoles: Vec::new(),
        }
    }
}

/// What is known of devices before they speak.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Inventory {
    /// The IEEE's listing of MAC address blocks (`oui.txt`), or a file of the city's in its format.
    pub makers: std::path::PathBuf,
}

impl Default for Inventory {
    fn default() -> Inventory {
        Inventory {
            makers: "/usr/share/ieee-data/oui.txt".into(),
        }
    }
}

/// Bounds, for the whole process (shared out over the workers).
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Conversations at one time.
    pub flows: usize,
    /// Those among them whose TCP handshake is not complete.
    pub half_open: usize,
    /// Bytes of TCP streams that wait for a hole to be filled.
    pub stream_memory: Size,
    /// The same, per direction of one conversation.
    pub stream_memory_per_direction: Size,
    /// Datagrams that wait for fragments.
    pub fragments: usize,
    /// Bytes of waiting fragments.
    pub fragment_memory: Size,
    /// Bytes of protocol messages and requests that are not over, of all conversations together.
    pub session_memory: Size,
    /// Bytes of one incomplete protocol message.
    pub message: Size,
    /// Open requests per conversation.
    pub open_requests: usize,
    /// Decompressed bytes per HTTP body.
    pub decompressed: Size,
    /// Assets in the inventory.
    pub assets: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            flows: 262_144,
            half_open: 65_536,
            stream_memory: Size(64 << 20),
            stream_memory_per_direction: Size(1 << 20),
            fragments: 4_096,
            fragment_memory: Size(16 << 20),
            session_memory: Size(256 << 20),
            message: Size(64 << 10),
            open_requests: 128,
            decompressed: Size(1 << 20),
            assets: 20_000,
        }
    }
}

/// What belongs to one conversation.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Flows {
    /// Packets with different VLAN ids are of different conversations.
    pub vlan_in_key: bool,
}

impl Default for Flows {
    fn default() -> Flows {
        Flows { vlan_in_key: true }
    }
}

/// Seconds of silence after which a conversation is over.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Timeouts {
    pub tcp_new: u32,
    pub tcp_established: u32,
    pub tcp_closing: u32,
    pub tcp_closed: u32,
    pub udp_new: u32,
    pub udp_established: u32,
    pub udp_settled: u32,
    pub icmp: u32,
    pub other: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            tcp_new: 60,
            tcp_established: 600,
            tcp_closing: 60,
            tcp_closed: 10,
            udp_new: 30,
            udp_established: 60,
            udp_settled: 10,
            icmp: 30,
            other: 60,
        }
    }
}

/// One network's overlap policy.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Address or CIDR.
    pub network: String,
    /// `first`, `last`, `bsd`, `bsd-right`, `linux`, `windows` or `solaris`.
    pub overlap: String,
}

/// What goes into `eve.json`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Only these event types; empty = all.
    pub types: Vec<String>,
    /// Write SHA-256, SHA-1 and MD5 of HTTP bodies as `fileinfo` events.
    pub file_hashes: bool,
    /// Write commands that only read (polling) too.
    pub read_commands: bool,
    /// A part of `eve.json` is closed at this size.
    pub rotate_size: Size,
    /// Or at this age of packet time, in seconds.
    pub rotate_age: u64,
    /// All parts together; the oldest go first. `--disk` overrides.
    pub disk: Size,
}

impl Default for Events {
    fn default() -> Events {
        Events {
            types: Vec::new(),
            file_hashes: false,
            read_commands: true,
            rotate_size: Size(1 << 30),
            rotate_age: 86_400,
            disk: Size(10 << 30),
        }
    }
}

/// Syslog (RFC 5424) over UDP or TCP.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// `udp://HOST:514` or `tcp://HOST:601`.
    pub address: String,
}

/// HTTP POST of one JSON event each.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// `http://` or `https://`.
    pub url: String,
    /// Name of the environment variable that holds a bearer token, if one is needed.
    #[serde(default)]
    pub token_env: Option<String>,
}

/// Prometheus metrics.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Address to serve `/metrics` on; none = off.
    pub listen: Option<SocketAddr>,
}

/// Live capture.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Ring memory per worker.
    pub ring: Size,
    /// Put the interface in promiscuous mode.
    pub promiscuous: bool,
    /// Bytes kept of each frame.
    pub snap_length: u32,
    /// Milliseconds that the kernel may hold a frame back on a quiet network.
    pub hold_ms: u32,
    /// User to become once the interface is open (a number); `nobody` by default.
    pub user: u32,
}

impl Default for Capture {
    fn default() -> Capture {
        Capture {
            ring: Size(32 << 20),
            promiscuous: true,
            snap_length: 65_535,
            hold_ms: 5,
            user: 65_534,
        }
    }
}

/// A number of bytes, written `65536`, `"64K"`, `"2G"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    /// As a length in memory.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Parses `64K`, `1.5G`, `4096`, with an optional `B` or `iB`.
    pub fn parse(text: &str) -> Result<Size, String> {
        let bad = || format!("'{text}' is not a size: write a number of bytes, or 64K, 500M, 2G");
        let digits = text.trim().trim_end_matches('B').trim_end_matches('i');
        let (number, factor) = match digits.char_indices().last() {
            Some((at, 'k' | 'K')) => (&digits[..at], 1u64 << 10),
            Some((at, 'm' | 'M')) => (&digits[..at], 1 << 20),
            Some((at, 'g' | 'G')) => (&digits[..at], 1 << 30),
            Some((at, 't' | 'T')) => (&digits[..at], 1 << 40),
            _ => (digits, 1),
        };
        let number: f64 = number.trim().parse().map_err(|_| bad())?;
        if !number.is_finite() || number < 0.0 || number * factor as f64 > 1e18 {
            return Err(bad());
        }
        Ok(Size((number * factor as f64) as u64))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a size such as \"64K\", \"500M\", \"2G\"")
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Size, E> {
                u64::try_from(value)
                    .map(Size)
                    .map_err(|_| E::custom("a size is not negative"))
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Size, E> {
                Size::parse(value).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Config {
    /// Parses a configuration.
    ///
    /// # Errors
    /// A text that names the file, line and column, what is wrong there and what is allowed.
    pub fn parse(text: &str, file: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| explain(&error, text, file))?;
        config.check().map_err(|what| format!("{file}: {what}"))?;
        Ok(config)
    }

    /// Reads and parses a file.
    ///
    /// # Errors
    /// As `parse`; also where it cannot be read.
    pub fn read(path: &Path) -> Result<Config, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = crate::settings::read_bounded(path).map_err(|error| failed(&error))?;
        let text = String::from_utf8(bytes).map_err(|error| failed(&error))?;
        Config::parse(&text, &path.display().to_string())
    }

    fn check(&self) -> Result<(), String> {
        if self.limits.flows < 64 {
            return Err("limits.flows: at least 64 conversations are needed".into());
        }
        let learning = &self.learning;
        if learning.allow_list.is_some() && (learning.key_ring.is_none() || learning.state.is_none()) {
            return Err(
                "learning.allow_list: say whose signature counts (learning.key_ring) and where the highest \
                 serial is remembered (learning.state)"
                    .into(),
            );
        }
        if !(1..=1000).contains(&self.capture.hold_ms) {
            return Err("capture.hold_ms: from 1 to 1000 milliseconds".into());
        }
        if self.events.rotate_size.0 < 4096 {
            return Err("events.rotate_size: at least 4K".into());
        }
        if let Some(unknown) = self
            .events
            .types
            .iter()
            .find(|t| !citywall_event::EVENT_TYPES.contains(&t.as_str()))
        {
            let known = citywall_event::EVENT_TYPES.join(", ");
            return Err(format!(
                "events.types: no event type '{unknown}'; there are {known}"
            ));
        }
        for host in &self.host {
            crate::settings::overlap_policy(&host.overlap)?;
            crate::settings::network(&host.network)?;
        }
        if let Some(syslog) = &self.syslog {
            crate::output::syslog::Target::parse(&syslog.address)?;
        }
        Ok(())
    }
}

fn explain(error: &toml::de::Error, text: &str, file: &str) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{file}:{line}:{column}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn fails(text: &str) -> String {
        Config::parse(text, "box.toml").expect_err("must be refused")
    }

    #[test]
    fn errors_name_the_place_and_what_is_allowed() {
        expect!["box.toml:2:1: unknown field `flowz`, expected one of `flows`, `half_open`, `stream_memory`, `stream_memory_per_direction`, `fragments`, `fragment_memory`, `session_memory`, `message`, `open_requests`, `decompressed`, `assets`"]
            .assert_eq(&fails("[limits]\nflowz = 3\n"));
        expect!["box.toml:2:17: 'lots' is not a size: write a number of bytes, or 64K, 500M, 2G"]
            .assert_eq(&fails("[limits]\nstream_memory = \"lots\"\n"));
        expect!["box.toml: limits.flows: at least 64 conversations are needed"]
            .assert_eq(&fails("[limits]\nflows = 3\n"));
    }

    #[test]
    fn the_commented_example_is_the_defaults() {
        let example = include_str!("config.example.toml");
        assert_eq!(Config::parse(example, "example"), Ok(Config::default()));
        let uncommented: String = example
            .lines()
            .map(|line| line.strip_prefix("#= ").unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        assert_eq!(Config::parse(&uncommented, "example"), Ok(Config::default()));
    }

    #[test]
    fn sizes() {
        assert_eq!(Size::parse("64K"), Ok(Size(65_536)));
        assert_eq!(Size::parse("1.5 GiB"), Ok(Size(3 << 29)));
        assert!(Size::parse("-1").is_err() && Size::parse("").is_err() && Size::parse("1e30T").is_err());
    }
}
