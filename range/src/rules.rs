//! The city's own rules, beside those that the product brings along.
//!
//! Owns: the rules and what a bad update of them looks like. Does not own: the language.

/// What a security team of this city would add: local knowledge that no vendor has.
pub(crate) const OWN: &str = r#"
# A name with 40 letters and digits in one label carries data.
alert dns any any -> any any (msg:"DNS: a name that carries data"; flow:to_server; dns.query; content:".tunnel.example"; nocase; endswith; pcre:"/^[a-z2-7]{40,}\./i"; classtype:trojan-activity; threshold:type both, track by_src, count 5, seconds 10; metadata:mitre_technique_id T1048; sid:9100001; rev:1;)
alert dns any any -> any any (msg:"DNS: many texts are asked for"; flow:to_server; dns.rrtype:TXT; classtype:trojan-activity; threshold:type both, track by_src, count 10, seconds 10; metadata:mitre_technique_id T1048; sid:9100002; rev:1;)
alert http any any -> any any (msg:"HTTP: the gate of a botnet is called"; flow:established,to_server; http.uri; content:"/gate.php?id="; classtype:trojan-activity; threshold:type limit, track by_src, count 1, seconds 60; metadata:mitre_technique_id T1071; sid:9100003; rev:1;)
alert http any any -> any any (msg:"HTTP: a botnet is called again and again"; flow:established,to_server; http.uri; content:"/gate.php?id="; classtype:trojan-activity; threshold:type both, track by_src, count 4, seconds 10; metadata:mitre_technique_id T1071; sid:9100004; rev:1;)
alert http any any -> any any (msg:"HTTP: something is uploaded to a stranger"; flow:established,to_server; http.method; content:"POST"; http.uri; content:"/upload"; classtype:policy-violation; threshold:type both, track by_src, count 3, seconds 20; metadata:mitre_technique_id T1048; sid:9100005; rev:1;)
alert http any any -> any any (msg:"HTTP: uploads to a stranger do not end"; flow:established,to_server; http.method; content:"POST"; http.uri; content:"/upload"; classtype:trojan-activity; threshold:type both, track by_src, count 8, seconds 20; metadata:mitre_technique_id T1048; sid:9100006; rev:1;)
"#;

/// A rule file that is right in form and wrong in everything else.
pub(crate) const EVERYTHING: &str = r#"
alert ip any any -> any any (msg:"C-291: everything is an attack"; classtype:trojan-activity; threshold:type limit, track by_src, count 1, seconds 1; sid:9100091; rev:1;)
alert ip any any -> any any (msg:"C-291: and so is its answer"; classtype:trojan-activity; threshold:type limit, track by_dst, count 1, seconds 1; sid:9100092; rev:1;)
"#;
