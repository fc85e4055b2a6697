//! Variables of the rule language: `$HOME_NET`, `$HTTP_PORTS`.

use std::collections::BTreeMap;

/// Address and port variables. The default holds the names that public rule sets use, with the
/// private networks of RFC 1918 and RFC 4193 as home.
#[derive(Clone, Debug)]
pub struct RuleVars {
    addresses: BTreeMap<String, String>,
    ports: BTreeMap<String, String>,
}

impl RuleVars {
    /// Sets an address variable, written as in a rule (`[10.0.0.0/8,!10.1.0.0/16]`).
    pub fn set_address(&mut self, name: &str, value: &str) {
        self.addresses.insert(name.to_owned(), value.to_owned());
    }

    /// Sets a port variable, written as in a rule (`[80,8000:8080]`).
    pub fn set_port(&mut self, name: &str, value: &str) {
        self.ports.insert(name.to_owned(), value.to_owned());
    }

    /// The text of an address variable.
    pub fn address(&self, name: &str) -> Option<&str> {
        self.addresses.get(name).map(String::as_str)
    }

    /// The text of a port variable.
    pub fn port(&self, name: &str) -> Option<&str> {
        self.ports.get(name).map(String::as_str)
    }
}

impl Default for RuleVars {
    fn default() -> RuleVars {
        let mut vars = RuleVars {
            addresses: BTreeMap::new(),
            ports: BTreeMap::new(),
        };
        vars.set_address(
            "HOME_NET",
            "[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,fe80::/10]",
        );
        vars.set_address("EXTERNAL_NET", "!$HOME_NET");
        for servers in [
            "HTTP_SERVERS",
            "SMTP_SERVERS",
            "SQL_SERVERS",
            "DNS_SERVERS",
            "TELNET_SERVERS",
            "DC_SERVERS",
            "DNP3_SERVER",
            "DNP3_CLIENT",
            "MODBUS_CLIENT",
            "MODBUS_SERVER",
            "ENIP_CLIENT",
            "ENIP_SERVER",
            "AIM_SERVERS",
        ] {
            vars.set_address(servers, "$HOME_NET");
        }
        for (name, ports) in [
            ("HTTP_PORTS", "80"),
            ("SHELLCODE_PORTS", "!80"),
            ("ORACLE_PORTS", "1521"),
            ("SSH_PORTS", "22"),
            ("DNP3_PORTS", "20000"),
            ("MODBUS_PORTS", "502"),
            ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
            ("FTP_PORTS", "21"),
            ("GENEVE_PORTS", "6081"),
            ("VXLAN_PORTS", "4789"),
            ("TEREDO_PORTS", "3544"),
        ] {
            vars.set_port(name, ports);
        }
        vars
    }
}
