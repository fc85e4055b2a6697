//! The registry of event types. `docs/spec/event.md` is checked against it, and every type is hit
//! by the corpus or listed there as exempt.

/// All event types that `eve.json` can hold, in the order of the specification.
pub const EVENT_TYPES: &[&str] = &[
    "flow", "alert", "anomaly", "arp", "dhcp", "dns", "fileinfo", "http", "modbus", "mqtt", "ntp", "snmp", "ssh",
    "telnet", "tls", "asset", "command", "reading", "login", "violation", "behaviour", "incident", "action",
];

/// Version of the event format. A reader refuses what it does not know by this name.
pub const FORMAT: &str = "citywall-eve/1";

/// Fields that hold personal data, as `event_type.path`; `*` stands for every event type.
pub const PERSONAL: &[(&str, &str)] = &[
    ("*.src_ip", "address of a person's device"),
    ("*.dest_ip", "address of a person's device"),
    ("*.ether", "hardware addresses"),
    ("arp.arp", "addresses"),
    ("asset.asset.addresses", "addresses"),
    ("asset.asset.hostnames", "often a person's name"),
    ("asset.asset.mac", "hardware address"),
    ("dhcp.dhcp.client_mac", "hardware address"),
    ("dhcp.dhcp.assigned_ip", "address"),
    ("dhcp.dhcp.hostname", "often a person's name"),
    ("dns.dns.queries", "what somebody looks for"),
    ("dns.dns.answers", "what somebody looks for"),
    ("http.http.hostname", "what somebody reads"),
    ("http.http.url", "what somebody reads; may hold form data"),
    ("http.http.http_refer", "what somebody read before"),
    ("http.http.http_user_agent", "device fingerprint"),
    ("login.login.user", "account name"),
    ("mqtt.mqtt.connect.username", "account name"),
    ("mqtt.mqtt.connect.client_id", "device name"),
    ("mqtt.mqtt.publish.message", "may hold anything"),
    ("snmp.snmp.usm", "account name"),
    ("telnet.telnet.user", "account name"),
    ("tls.tls.sni", "what somebody reads"),
    ("tls.tls.ja3", "device fingerprint"),
    ("tls.tls.ja4", "device fingerprint"),
];
