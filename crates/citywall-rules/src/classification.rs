//! Class names of rules and what they mean: text and severity.
//!
//! Owns: the built-in table (own wording; the short names and priorities are those that public
//! rules use) and the reader of `classification.config`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Refused, RuleError, RuleSource, source::logical_lines};

/// A class of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The text in events.
    pub category: Arc<str>,
    /// 1 (worst) to 4.
    pub severity: u8,
}

/// All classes by short name.
#[derive(Clone, Debug)]
pub struct Classes {
    by_name: BTreeMap<String, Class>,
}

const BUILT_IN: &[(&str, u8, &str)] = &[
    ("not-suspicious", 3, "Not suspicious"),
    ("unknown", 3, "Unclassified traffic"),
    ("bad-unknown", 2, "Potentially bad traffic"),
    ("attempted-recon", 2, "Attempt to gather information"),
    ("successful-recon-limited", 2, "Information was gathered"),
    ("successful-recon-largescale", 2, "Much information was gathered"),
    ("attempted-dos", 2, "Attempted denial of service"),
    ("successful-dos", 2, "Denial of service"),
    ("attempted-user", 1, "Attempt to gain a user's rights"),
    ("unsuccessful-user", 1, "Failed attempt to gain a user's rights"),
    ("successful-user", 1, "A user's rights were gained"),
    ("attempted-admin", 1, "Attempt to gain administrator rights"),
    ("successful-admin", 1, "Administrator rights were gained"),
    ("rpc-portmap-decode", 2, "RPC port mapper query"),
    ("shellcode-detect", 1, "Executable code in data"),
    ("string-detect", 3, "Suspicious text"),
    ("suspicious-filename-detect", 2, "Suspicious file name"),
    ("suspicious-login", 2, "Login with a suspicious account name"),
    ("system-call-detect", 2, "System call in data"),
    ("tcp-connection", 4, "TCP connection"),
    ("trojan-activity", 1, "Malware on the network"),
    ("unusual-client-port-connection", 2, "Client uses an unusual port"),
    ("network-scan", 3, "Network scan"),
    ("denial-of-service", 2, "Denial-of-service attack"),
    ("non-standard-protocol", 2, "Unusual protocol or event"),
    ("protocol-command-decode", 3, "Protocol command"),
    (
        "web-application-activity",
        2,
        "Access to a vulnerable web application",
    ),
    ("web-application-attack", 1, "Attack on a web application"),
    ("misc-activity", 3, "Other activity"),
    ("misc-attack", 2, "Other attack"),
    ("icmp-event", 3, "ICMP event"),
    ("inappropriate-content", 1, "Inappropriate content"),
    ("policy-violation", 1, "Against policy"),
    ("default-login-attempt", 2, "Login with a default account"),
    ("targeted-activity", 1, "Targeted malicious activity"),
    ("exploit-kit", 1, "Exploit kit"),
    ("external-ip-check", 2, "Device asks for its public address"),
    ("domain-c2", 1, "Domain used for command and control"),
    ("pup-activity", 2, "Unwanted program"),
    ("credential-theft", 1, "Credentials were stolen"),
    ("social-engineering", 2, "Possible social engineering"),
    ("coin-mining", 2, "Cryptocurrency mining"),
    ("command-and-control", 1, "Malware command and control"),
];

impl Default for Classes {
    fn default() -> Classes {
        let by_name = BUILT_IN
            .iter()
            .map(|&(name, severity, text)| {
                let category = Arc::from(text);
                (name.to_owned(), Class { category, severity })
            })
            .collect();
        Classes { by_name }
    }
}

impl Classes {
    /// The class of this short name.
    pub fn get(&self, name: &str) -> Option<&Class> {
        self.by_name.get(name)
    }

    /// Adds (or replaces by) the lines of a `classification.config`:
    /// `config classification: name,text,priority`.
    pub fn read_config(&mut self, source: RuleSource<'_>) -> Vec<Refused> {
        let mut refused = Vec::new();
        for line in logical_lines(source.text) {
            match class_line(&line.text) {
                Ok((name, class)) => {
                    self.by_name.insert(name, class);
                }
                Err(error) => refused.push(line.refuse(source.name, error, None)),
            }
        }
        refused
    }
}

fn class_line(line: &[u8]) -> Result<(String, Class), RuleError> {
    let bad = |at: usize, reason: &str| {
        RuleError::new(
            at,
            "classification",
            reason,
            "write: config classification: name,text,priority",
        )
    };
    let text = std::str::from_utf8(line).map_err(|e| bad(e.valid_up_to(), "is not text"))?;
    let body = text
        .strip_prefix("config")
        .map(str::trim_start)
        .and_then(|t| t.strip_prefix("classification:"))
        .ok_or_else(|| bad(0, "is not a classification line"))?;
    let at = text.len() - body.len();
    let mut parts = body.splitn(2, ',');
    let name = parts.next().unwrap_or_default().trim();
    let (category, priority) = parts
        .next()
        .and_then(|rest| rest.rsplit_once(','))
        .ok_or_else(|| bad(at, "needs three parts"))?;
    let severity = priority
        .trim()
        .parse::<u8>()
        .ok()
        .filter(|p| (1..=255).contains(p))
        .ok_or_else(|| bad(text.len() - priority.len(), "priority is not 1 to 255"))?;
    let category = Arc::from(category.trim());
    Ok((name.to_owned(), Class { category, severity }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_lines_replace_the_built_in() {
        let mut classes = Classes::default();
        let text = b"# c\nconfig classification: trojan-activity,A Network Trojan, and more,2\n config classification: x,y\nclass\n";
        let refused = classes.read_config(RuleSource {
            name: "c.config",
            text,
        });
        let class = classes.get("trojan-activity").unwrap();
        assert_eq!(
            (&*class.category, class.severity),
            ("A Network Trojan, and more", 2)
        );
        let shown: Vec<String> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "c.config:3:24: classification: needs three parts; write: config classification: name,text,priority",
                "c.config:4:1: classification: is not a classification line; write: config classification: name,text,priority",
            ]
        );
    }
}
