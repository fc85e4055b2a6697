//! The forms that others enforce. MUD is held against the shape of RFC 8520 (section 5) over RFC 8519
//! (section 4), as read from their YANG modules.

use serde_json::Value as Json;

use super::*;

fn addresses(peer: &Peer) -> Vec<IpAddr> {
    match peer {
        Peer::Asset(name) if name == "centre" => vec![ip(CENTRE)],
        Peer::Asset(name) => name
            .strip_prefix("pump-")
            .and_then(|n| PUMPS.get(n.parse::<usize>().ok()?.checked_sub(1)?))
            .map(|a| ip(a))
            .into_iter()
            .collect(),
        Peer::Ip(ip) => vec![*ip],
        _ => Vec::new(),
    }
}

fn keys<'a>(value: &'a Json, allowed: &[&str], what: &str) -> &'a serde_json::Map<String, Json> {
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("{what} is no container"));
    for key in object.keys() {
        assert!(allowed.contains(&key.as_str()), "{what} has no {key}");
    }
    object
}

fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is no string in {value}"))
}

fn port(of: &Json) {
    let port = keys(of, &["operator", "port", "lower-port", "upper-port"], "a port");
    let number = |key: &str| port[key].as_u64().is_some_and(|n| n <= 65_535);
    match port.contains_key("port") {
        true => assert!(port["operator"] == "eq" && number("port")),
        false => assert!(number("lower-port") && number("upper-port") && !port.contains_key("operator")),
    }
}

/// The shape that the YANG modules `ietf-mud`, `ietf-acldns` and `ietf-access-control-list` ask for.
fn check_mud(mud: &Json) -> usize {
    let top = keys(
        mud,
        &["ietf-mud:mud", "ietf-access-control-list:acls"],
        "the file",
    );
    let body = &top["ietf-mud:mud"];
    let leaves = [
        "mud-version",
        "mud-url",
        "last-update",
        "cache-validity",
        "is-supported",
        "systeminfo",
        "mfg-name",
        "from-device-policy",
        "to-device-policy",
    ];
    keys(body, &leaves, "mud");
    assert_eq!(body["mud-version"], 1);
    assert!(text(body, "mud-url").starts_with("https://"));
    let date = text(body, "last-update");
    assert!(
        date.len() == 20 && date.ends_with('Z') && date.as_bytes()[10] == b'T',
        "{date}"
    );
    assert!(
        body["cache-validity"]
            .as_u64()
            .is_some_and(|hours| (1..=168).contains(&hours))
    );
    assert!(body["is-supported"].is_boolean());
    assert!(text(body, "systeminfo").len() <= 60);
    let mut named: Vec<&str> = Vec::new();
    for policy in ["from-device-policy", "to-device-policy"] {
        let lists = &body[policy]["access-lists"]["access-list"];
        for list in lists.as_array().expect("a list") {
            named.push(text(list, "name"));
        }
    }
    let acls = top["ietf-access-control-list:acls"]["acl"]
        .as_array()
        .expect("a list");
    let mut had: Vec<&str> = acls.iter().map(|acl| text(acl, "name")).collect();
    had.sort_unstable();
    named.sort_unstable();
    assert_eq!(had, named, "each list is referred to, and none twice");
    let mut count = 0;
    for acl in acls {
        let version = match text(acl, "type") {
            "ipv4-acl-type" => "ipv4",
            "ipv6-acl-type" => "ipv6",
            other => panic!("no type {other}"),
        };
        let aces = acl["aces"]["ace"].as_array().expect("a list");
        let mut names: Vec<&str> = aces.iter().map(|ace| text(ace, "name")).collect();
        names.sort_unstable();
        assert!(names.iter().all(|name| (1..=64).contains(&name.len())));
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "names of entries are keys");
        for ace in aces {
            keys(ace, &["name", "matches", "actions"], "an ace");
            assert_eq!(ace["actions"]["forwarding"], "accept");
            let matches = keys(&ace["matches"], &[version, "tcp", "udp"], "matches");
            let source = format!("source-{version}-network");
            let destination = format!("destination-{version}-network");
            let leaves = [
                "protocol",
                &source,
                &destination,
                "ietf-acldns:src-dnsname",
                "ietf-acldns:dst-dnsname",
            ];
            let layer3 = keys(&matches[version], &leaves, "the network's match");
            assert!(layer3["protocol"].as_u64().is_some_and(|p| p <= 255));
            assert_eq!(layer3.len(), 2, "one other side");
            for side in ["ietf-acldns:src-dnsname", "ietf-acldns:dst-dnsname"] {
                let domain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                let name = layer3.get(side).and_then(Json::as_str);
                assert!(name.is_none_or(|name| !name.is_empty() && name.chars().all(domain)));
            }
            for (carrier, more) in [("tcp", &["ietf-mud:direction-initiated"][..]), ("udp", &[])] {
                let Some(layer4) = matches.get(carrier) else {
                    continue;
                };
                let leaves: Vec<&str> = ["source-port", "destination-port"]
                    .iter()
                    .chain(more)
                    .copied()
                    .collect();
                let layer4 = keys(layer4, &leaves, "the transport's match");
                for side in ["source-port", "destination-port"] {
                    layer4.get(side).into_iter().for_each(port);
                }
                if let Some(who) = layer4.get("ietf-mud:direction-initiated") {
                    assert!(who == "from-device" || who == "to-device");
                }
            }
            count += 1;
        }
    }
    count
}

#[test]
fn a_pump_as_mud() {
    let list = list(&week());
    let pump = Peer::Asset("pump-1".to_owned());
    let url = "https://mud.acme.example/pump.json";
    let mud = list.mud(&pump, url, &addresses).expect("the pump");
    // To and from its update server (both versions of IP), and the centre.
    assert_eq!(check_mud(&mud), 2 * 2 + 2);
    expect![[r#"
        {
          "ietf-access-control-list:acls": {
            "acl": [
              {
                "aces": {
                  "ace": [
                    {
                      "actions": {
                        "forwarding": "accept"
                      },
                      "matches": {
                        "ipv4": {
                          "destination-ipv4-network": "10.0.0.1/32",
                          "protocol": 6
                        },
                        "tcp": {
                          "ietf-mud:direction-initiated": "to-device",
                          "source-port": {
                            "operator": "eq",
                            "port": 502
                          }
                        }
                      },
                      "name": "mud-v4-fr-0"
                    },
                    {
                      "actions": {
                        "forwarding": "accept"
                      },
                      "matches": {
                        "ipv4": {
                          "ietf-acldns:dst-dnsname": "update.acme.example",
                          "protocol": 6
                        },
                        "tcp": {
                          "destination-port": {
                            "operator": "eq",
                            "port": 443
                          },
                          "ietf-mud:direction-initiated": "from-device"
                        }
                      },
                      "name": "mud-v4-fr-1"
                    }
                  ]
                },
                "name": "mud-v4-fr",
                "type": "ipv4-acl-type"
              },
              {
                "aces": {
                  "ace": [
                    {
                      "actions": {
                        "forwarding": "accept"
                      },
                      "matches": {
                        "ipv6": {
                          "ietf-acldns:dst-dnsname": "update.acme.example",
                          "protocol": 6
                        },
                        "tcp": {
                          "destination-port": {
                            "operator": "eq",
                            "port": 443
                          },
                          "ietf-mud:direction-initiated": "from-device"
                        }
                      },
                      "name": "mud-v6-fr-0"
                    }
                  ]
                },
                "name": "mud-v6-fr",
                "type": "ipv6-acl-type"
              },
              {
                "aces": {
                  "ace": [
                    {
                      "actions": {
                        "forwarding": "accept"
                      },
                      "matches": {
                        "ipv4": {
                          "ietf-acldns:src-dnsname": "update.acme.example",
                          "protocol": 6
                        },
                        "tcp": {
                          "ietf-mud:direction-initiated": "from-device",
                          "source-port": {
                            "operator": "eq",
                            "port": 443
                          }
                        }
                      },
                      "name": "mud-v4-to-0"
                    },
                    {
                      "actions": {
                        "forwarding": "accept"
                      },
                      "matches": {
                        "ipv4": {
                          "protocol": 6,
                          "source-ipv4-network": "10.0.0.1/32"
                        },
                        "tcp": {
                          "destination-port": {
                            "operator": "eq",
                            "port": 502
                          },
                          "ietf-mud:direction-initiated": "to-device"
                        }
                      },
                      "name": "mud-v4-to-1"
                    }
                  ]
                },
                "name": "mud-v4-to",
                "type": "ipv4-acl-type"
              },
              {
                "aces": {
                  "ace": [
                    {
                      "actions": {
                        "forwarding": "accept"
                      },
                      "matches": {
                        "ipv6": {
                          "ietf-acldns:src-dnsname": "update.acme.example",
                          "protocol": 6
                        },
                        "tcp": {
                          "ietf-mud:direction-initiated": "from-device",
                          "source-port": {
                            "operator": "eq",
                            "port": 443
                          }
                        }
                      },
                      "name": "mud-v6-to-0"
                    }
                  ]
                },
                "name": "mud-v6-to",
                "type": "ipv6-acl-type"
              }
            ]
          },
          "ietf-mud:mud": {
            "cache-validity": 48,
            "from-device-policy": {
              "access-lists": {
                "access-list": [
                  {
                    "name": "mud-v4-fr"
                  },
                  {
                    "name": "mud-v6-fr"
                  }
                ]
              }
            },
            "is-supported": true,
            "last-update": "2026-01-11T17:00:00Z",
            "mfg-name": "Acme",
            "mud-url": "https://mud.acme.example/pump.json",
            "mud-version": 1,
            "systeminfo": "pump-1 pump by Acme in zone pumps",
            "to-device-policy": {
              "access-lists": {
                "access-list": [
                  {
                    "name": "mud-v4-to"
                  },
                  {
                    "name": "mud-v6-to"
                  }
                ]
              }
            }
          }
        }"#]]
    .assert_eq(&format!("{mud:#}"));
    assert_eq!(list.mud(&Peer::Asset("pump-9".to_owned()), url, &addresses), None);
}

#[test]
fn rules_say_who_is_new() {
    expect![[r##"
        # Made of a learned allow-list. Rules know addresses and ports; the list itself knows more.
        alert tcp ![10.0.0.1] any -> [10.1.0.1] 502 (msg:"Allow-list: pump-1 is contacted on tcp/502 by somebody new"; flow:to_server; classtype:policy-violation; sid:9100000; rev:1;)
        alert tcp ![10.0.0.1] any -> [10.1.0.2] 502 (msg:"Allow-list: pump-2 is contacted on tcp/502 by somebody new"; flow:to_server; classtype:policy-violation; sid:9100001; rev:1;)
        alert tcp ![10.0.0.1] any -> [10.1.0.3] 502 (msg:"Allow-list: pump-3 is contacted on tcp/502 by somebody new"; flow:to_server; classtype:policy-violation; sid:9100002; rev:1;)
        alert tcp [10.0.0.1] any -> ![10.1.0.1,10.1.0.2,10.1.0.3,224.0.0.0/4,255.255.255.255,ff00::/8] any (msg:"Allow-list: centre contacts somebody new by tcp"; flow:to_server; classtype:policy-violation; sid:9100003; rev:1;)
        alert udp [10.0.0.1] any -> ![10.1.0.1,10.1.0.2,10.1.0.3,224.0.0.0/4,255.255.255.255,ff00::/8] any (msg:"Allow-list: centre contacts somebody new by udp"; flow:to_server; classtype:policy-violation; sid:9100004; rev:1;)
        alert tcp [10.1.0.1] any -> [$HOME_NET,![224.0.0.0/4,255.255.255.255,ff00::/8]] any (msg:"Allow-list: pump-1 contacts somebody new by tcp"; flow:to_server; classtype:policy-violation; sid:9100005; rev:1;)
        alert udp [10.1.0.1] any -> [$HOME_NET,![224.0.0.0/4,255.255.255.255,ff00::/8]] any (msg:"Allow-list: pump-1 contacts somebody new by udp"; flow:to_server; classtype:policy-violation; sid:9100006; rev:1;)
        alert tcp [10.1.0.2] any -> [$HOME_NET,![224.0.0.0/4,255.255.255.255,ff00::/8]] any (msg:"Allow-list: pump-2 contacts somebody new by tcp"; flow:to_server; classtype:policy-violation; sid:9100007; rev:1;)
        alert udp [10.1.0.2] any -> [$HOME_NET,![224.0.0.0/4,255.255.255.255,ff00::/8]] any (msg:"Allow-list: pump-2 contacts somebody new by udp"; flow:to_server; classtype:policy-violation; sid:9100008; rev:1;)
        alert tcp [10.1.0.3] any -> [$HOME_NET,![224.0.0.0/4,255.255.255.255,ff00::/8]] any (msg:"Allow-list: pump-3 contacts somebody new by tcp"; flow:to_server; classtype:policy-violation; sid:9100009; rev:1;)
        alert udp [10.1.0.3] any -> [$HOME_NET,![224.0.0.0/4,255.255.255.255,ff00::/8]] any (msg:"Allow-list: pump-3 contacts somebody new by udp"; flow:to_server; classtype:policy-violation; sid:9100010; rev:1;)
    "##]].assert_eq(&list(&week()).rules(9_100_000, &addresses));
}

proptest! {
    #[test]
    fn any_list_is_mud(port in any::<u16>(), protocol in any::<u8>(), name in "\\PC{0,80}") {
        let mut list = list(&week());
        list.talks.iter_mut().for_each(|talk| {
            talk.port = if matches!(protocol, 6 | 17) { port.min(DYNAMIC) } else { 0 };
            talk.protocol = protocol;
            if let End::Peer(Peer::Name(known)) = &mut talk.to {
                known.clone_from(&name);
            }
        });
        let pump = Peer::Asset("pump-2".to_owned());
        let mud = list.mud(&pump, "https://mud.example/x", &addresses).expect("the pump");
        check_mud(&mud);
    }
}
