//! The protocols that a conduit may name.
//!
//! Owns: for each, the name in `app_proto`, the usual ports (IANA's Service Name and Transport
//! Protocol Port Number Registry), and the functions that commands of it have. Does not own: the
//! protocols' decoding. That the functions are those that the decoders report is held by a test
//! where both are known, in the binary.

use citywall_event::{Ports, Verb};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A protocol by the name that the city file uses.
#[derive(Debug)]
pub(crate) struct Known {
    pub name: &'static str,
    /// As in `app_proto`.
    pub app: &'static str,
    /// IP protocol number and port.
    ports: &'static [(u8, u16)],
    pub commands: Commands,
}

/// What can be said of the protocol's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commands {
    /// Commands of this protocol are not told apart.
    None,
    /// By verb.
    Verbs,
    /// By verb, or by these functions.
    Functions(&'static [&'static str]),
}

impl Known {
    /// The usual ports.
    pub(crate) fn usual_ports(&self) -> Vec<Ports> {
        self.ports
            .iter()
            .map(|&(protocol, port)| Ports {
                protocol,
                first: port,
                last: port,
            })
            .collect()
    }

    /// The transports that carry it.
    pub(crate) fn transports(&self) -> Vec<u8> {
        let mut transports: Vec<u8> = self.ports.iter().map(|(t, _)| *t).collect();
        transports.sort_unstable();
        transports.dedup();
        transports
    }
}

/// A protocol by name.
pub(crate) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// All names that the city file may use for protocols, and the functions of each.
pub fn known_protocols() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    KNOWN.iter().map(|known| match known.commands {
        Commands::Functions(functions) => (known.name, functions),
        Commands::None | Commands::Verbs => (known.name, &[][..]),
    })
}

/// The protocols of one `app_proto`.
pub(crate) fn by_app(app: &str) -> impl Iterator<Item = &'static Known> {
    KNOWN.iter().filter(move |known| known.app == app)
}

/// `app_proto` with the lifetime that commands want.
pub(crate) fn name_of(app: &str) -> Option<&'static str> {
    by_app(app).map(|known| known.app).next()
}

/// Protocol and function by name, for who reads commands from a log; a function that is not known is
/// empty.
pub fn known_function(app: &str, function: &str) -> Option<(&'static str, &'static str)> {
    let known = functions_of(app).iter().find(|f| **f == function);
    Some((name_of(app)?, known.copied().unwrap_or("")))
}

/// The functions of a verb.
pub(crate) fn functions_with(app: &str, verb: Verb) -> impl Iterator<Item = &'static str> {
    let app = app.to_owned();
    functions_of(&app)
        .iter()
        .copied()
        .filter(move |f| verb_of(&app, f) == verb)
}

/// The functions of a protocol by its `app_proto`.
pub(crate) fn functions_of(app: &str) -> &'static [&'static str] {
    by_app(app)
        .find_map(|known| match known.commands {
            Commands::Functions(functions) => Some(functions),
            Commands::None | Commands::Verbs => None,
        })
        .unwrap_or(&[])
}

/// What the decoders say that a function asks for. Where it depends on the function's data, the most
/// usual.
pub(crate) fn verb_of(app: &str, function: &str) -> Verb {
    match (app, function) {
        ("modbus", "write_single_coil" | "write_multiple_coils") => Verb::Operate,
        (
            "modbus",
            "write_single_register"
            | "write_multiple_registers"
            | "write_file_record"
            | "mask_write_register"
            | "read_write_multiple_registers",
        ) => Verb::Write,
        ("modbus", "report_server_id" | "read_device_identification") => Verb::Discover,
        ("modbus", "restart_communications") => Verb::Restart,
        ("modbus", "force_listen_only") => Verb::Stop,
        ("modbus", "clear_counters") => Verb::Configure,
        ("modbus", "encapsulated_interface" | "user_defined") => Verb::Other,
        ("snmp", "set") => Verb::Write,
        ("mqtt", "publish") => Verb::Publish,
        ("mqtt", "subscribe") => Verb::Subscribe,
        _ => Verb::Read,
    }
}

/// Words that stand for several verbs, or are the protocol's usual word for one.
pub(crate) fn verbs_of(protocol: &str, word: &str) -> Option<Vec<Verb>> {
    if let Some(verb) = Verb::parse(word) {
        return Some(vec![verb]);
    }
    match (protocol, word) {
        (_, "any") => Some(Verb::ALL.to_vec()),
        (_, "changes") => Some(Verb::ALL.into_iter().filter(|v| v.changes()).collect()),
        ("snmp", "get") => Some(vec![Verb::Read]),
        ("snmp", "set") => Some(vec![Verb::Write]),
        _ => None,
    }
}

/// MODBUS Application Protocol Specification V1.1b3, section 6.
const MODBUS: &[&str] = &[
    "read_coils",
    "read_discrete_inputs",
    "read_holding_registers",
    "read_input_registers",
    "write_single_coil",
    "write_single_register",
    "read_exception_status",
    "diagnostics",
    "restart_communications",
    "force_listen_only",
    "clear_counters",
    "get_comm_event_counter",
    "get_comm_event_log",
    "write_multiple_coils",
    "write_multiple_registers",
    "report_server_id",
    "read_file_record",
    "write_file_record",
    "mask_write_register",
    "read_write_multiple_registers",
    "read_fifo_queue",
    "encapsulated_interface",
    "read_device_identification",
    "user_defined",
];

/// RFC 3416, section 3.
const SNMP: &[&str] = &["get", "get-next", "get-bulk", "set"];

/// MQTT 5.0, section 3.
const MQTT: &[&str] = &["publish", "subscribe"];

macro_rules! known {
    ($($name:literal $app:literal $ports:expr, $commands:expr;)*) => {
        const KNOWN: &[Known] = &[$(Known { name: $name, app: $app, ports: $ports, commands: $commands }),*];
    };
}

known! {
    "dns" "dns" &[(UDP, 53), (TCP, 53), (UDP, 5353), (UDP, 5355)], Commands::None;
    "http" "http" &[(TCP, 80), (TCP, 8080)], Commands::None;
    "https" "tls" &[(TCP, 443)], Commands::None;
    "tls" "tls" &[(TCP, 443)], Commands::None;
    "mqtt" "mqtt" &[(TCP, 1883)], Commands::Functions(MQTT);
    "mqtts" "tls" &[(TCP, 8883)], Commands::None;
    "modbus" "modbus" &[(TCP, 502)], Commands::Functions(MODBUS);
    "snmp" "snmp" &[(UDP, 161)], Commands::Functions(SNMP);
    "snmptrap" "snmp" &[(UDP, 162)], Commands::None;
    "ntp" "ntp" &[(UDP, 123)], Commands::None;
    "ssh" "ssh" &[(TCP, 22)], Commands::None;
    "telnet" "telnet" &[(TCP, 23)], Commands::None;
    "syslog" "syslog" &[(UDP, 514), (TCP, 514)], Commands::None;
    "rtsp" "rtsp" &[(TCP, 554)], Commands::None;
    "ftp" "ftp" &[(TCP, 21)], Commands::None;
    "smtp" "smtp" &[(TCP, 25), (TCP, 587)], Commands::None;
    "imap" "imap" &[(TCP, 143)], Commands::None;
    "ldap" "ldap" &[(TCP, 389), (UDP, 389)], Commands::None;
    "ldaps" "tls" &[(TCP, 636)], Commands::None;
    "kerberos" "krb5" &[(TCP, 88), (UDP, 88)], Commands::None;
    "smb" "smb" &[(TCP, 445)], Commands::None;
    "rdp" "rdp" &[(TCP, 3389), (UDP, 3389)], Commands::None;
    "coap" "coap" &[(UDP, 5683)], Commands::Verbs;
    "iec104" "iec104" &[(TCP, 2404)], Commands::Verbs;
    "dnp3" "dnp3" &[(TCP, 20_000), (UDP, 20_000)], Commands::Verbs;
    "bacnet" "bacnet" &[(UDP, 47_808)], Commands::Verbs;
    "opcua" "opcua" &[(TCP, 4840)], Commands::Verbs;
    "s7" "s7" &[(TCP, 102)], Commands::Verbs;
    "radius" "radius" &[(UDP, 1812), (UDP, 1813)], Commands::None;
    "tacacs" "tacacs" &[(TCP, 49)], Commands::None;
    "postgres" "pgsql" &[(TCP, 5432)], Commands::None;
    "mysql" "mysql" &[(TCP, 3306)], Commands::None;
    "netconf" "ssh" &[(TCP, 830)], Commands::None;
}
