//! What people write: rules, city files, listings of makers.

use crate::Seed;
use crate::talk::Talk;

/// (name, rules, what the client says, what the server says)
const RULES: [(&str, &str, &[u8], &[u8]); 9] = [
    (
        "content",
        "alert tcp $HOME_NET any -> any [80,8000:8080] (msg:\"c\"; flow:established,to_server; content:\"GET|20|\"; depth:4; nocase; content:!\"x\"; within:10; distance:1; content:\"adm\"; offset:2; fast_pattern; classtype:attempted-admin; reference:url,a.example; priority:1; metadata:a b, c d; sid:1; rev:2;)",
        b"GET /admin HTTP/1.1\r\n\r\n",
        b"",
    ),
    (
        "http",
        "alert http any any -> any any (msg:\"h\"; http.method; content:\"POST\"; http.uri; content:\"/login\"; startswith; endswith; http.user_agent; content:\"curl\"; bsize:>3; sid:2;)\nalert http any any -> any any (http.stat_code; content:\"200\"; http.response_body; content:\"ok\"; sid:3;)\nalert http any any -> any any (msg:\"s\"; content:\"a\"; http_uri; urilen:<9; pcre:\"/lo[gn]in$/Ui\"; sid:4;)",
        b"POST /login HTTP/1.1\r\nHost: h\r\nUser-Agent: curl\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "pcre",
        "alert tcp any any -> any any (pcre:\"/(?i)a(b|c){2,5}[^\\d]\\x41$/Rsm\"; content:\"z\"; pcre:\"/(?<!q)x(?=y)/R\"; sid:5;)",
        b"zzabcb-A xy",
        b"",
    ),
    (
        "bytes",
        "alert tcp any any -> any any (content:\"|00 01|\"; byte_test:2,>,5,0,relative,little; byte_jump:1,0,relative,multiplier 2,align; byte_extract:1,2,len; content:\"x\"; within:len; isdataat:2,relative; isdataat:!9; byte_math:bytes 1,offset 0,oper +,rvalue 3,result r; sid:6;)",
        b"\0\x01\x09\0\x04xxxx",
        b"",
    ),
    (
        "bits",
        "alert tcp any any -> any any (content:\"USER\"; flowbits:set,u; flowbits:noalert; sid:7;)\nalert tcp any any <> any any (content:\"PASS\"; flowbits:isset,u; threshold:type both,track by_src,count 2,seconds 60; sid:8;)\npass tcp any any -> any any (content:\"QUIT\"; sid:9;)\ndrop tcp any any -> any any (dsize:1<>9; flags:PA,12; ttl:>1; detection_filter:track by_dst,count 1,seconds 5; sid:10;)",
        b"USER x\r\nPASS y",
        b"QUIT",
    ),
    (
        "modbus",
        "alert modbus any any -> any 502 (modbus:access write holding, address 40<>60, value >5; sid:11;)\nalert modbus any any -> any any (modbus:unit 1, function 6; sid:12;)",
        b"\0\x01\0\0\0\x06\x01\x06\0\x28\0\x07",
        b"\0\x01\0\0\0\x06\x01\x06\0\x28\0\x07",
    ),
    (
        "dns",
        "alert dns any any -> any any (dns.query; content:\"evil\"; nocase; dotprefix; pcre:\"/e[v]il/\"; sid:13;)\nalert udp any any -> any 53 (dns.opcode:0; dns.rrtype:1; sid:14;)\nalert dns any any -> any any (dns.query; to_md5; content:\"|aa|\"; sid:15;)",
        b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04evil\0\0\x01\0\x01",
        b"",
    ),
    (
        "tls",
        "alert tls any any -> any any (tls.sni; content:\"city\"; endswith; tls.version:1.2; ja3.hash; content:\"ab\"; sid:16;)\nalert ssh any any -> any any (ssh.software; content:\"bear\"; sid:17;)\nalert mqtt any any -> any any (mqtt.publish.topic; content:\"set\"; mqtt.type:PUBLISH; sid:18;)\nalert snmp any any -> any any (snmp.version:1; snmp.community; content:\"public\"; snmp.pdu_type:3; sid:19;)",
        b"SSH-2.0-dropbear\r\n",
        b"SSH-2.0-x\r\n",
    ),
    (
        "headers",
        "# a comment\nalert ip [10.0.0.0/8,!10.1.0.0/16] any -> ![$HOME_NET,2001:db8::/32] !22 (ip_proto:6; fragbits:!D; id:5; tos:!8; itype:>3; icode:0; seq:1; ack:2; window:!5; geoip:any; sid:20;) \\\n\nreject tcp any any -> any any (msg:\"a\\;b\\\"c\"; \\\n content:\"x\"; sid:21;)\nalert tcp any any -> any any (lua:x; sid:22;)\nalert tcp (content:\"y\"; sid:23;)",
        b"x",
        b"",
    ),
];

const MAKERS: [(&str, &str); 2] = [
    (
        "listing",
        "OUI/MA-L                                                    Organization\n\n00-1B-C5   (hex)\t\tIEEE Registration Authority\n001BC5     (base 16)\t\tIEEE Registration Authority\n\t\t\t\tA Street 1\n\t\t\t\tUS\n\n28-FB-AE   (hex)\t\tExample Controls, Ltd.\n28FBAE     (base 16)\t\tExample Controls, Ltd.\n",
    ),
    (
        "parts",
        "00-1B-C5   (hex)\t\tLamps of the City\n000000-000FFF     (base 16)\t\tLamps of the City\n70-B3-D5   (hex)\t\tPumps\n100000-1FFFFF     (base 16)\t\tPumps\n",
    ),
];

/// A line of the log of each type that a rehearsal reads.
const LINES: [(&str, &str); 4] = [
    (
        "incident",
        r#"{"timestamp":"2026-04-30T13:26:56.618429+0000","id":"c0-1-1","event_type":"incident","incident":{"change":"opened","number":"I0-1-1","title":"t","severity":2,"reasons":[{"event":"0-1-1","at":"2026-04-30T13:26:31.462207+0000","text":"x"}],"kinds":["scan","change"],"suspects":[{"name":"a","ip":"10.0.0.1","mac":"02:00:00:00:00:01","taken":true,"proved":false}],"crossings":[{"suspect":0,"zone":"z","targets":["10.0.1.1"]}],"changes":[{"suspect":0,"target":"10.0.1.1","protocol":"modbus"}],"victims":[{"name":"v","ip":"fd00::1","taken":false}],"flooded":[{"ip":"10.0.1.1","protocol":17}],"first":"2026-04-30T13:26:31.462207+0000","last":"2026-04-30T13:26:56.618429+0000"}}"#,
    ),
    (
        "flow",
        r#"{"timestamp":"2026-04-30T13:21:12.000000+0000","id":"t1a.0","event_type":"flow","src_ip":"10.0.0.1","src_port":1,"dest_ip":"10.0.1.1","dest_port":53,"proto":"UDP","app_proto":"dns","flow":{"pkts_toserver":2,"pkts_toclient":0,"bytes_toserver":692,"bytes_toclient":0,"start":"2026-04-30T13:20:40.542986+0000","end":"2026-04-30T13:20:40.547683+0000"}}"#,
    ),
    (
        "command",
        r#"{"timestamp":"2026-04-30T13:20:38.482666+0000","flow_id":17,"event_type":"command","pcap_cnt":21,"src_ip":"10.0.0.1","dest_ip":"10.0.1.1","dest_port":502,"proto":"TCP","command":{"protocol":"modbus","verb":"read","point":"holding:600"}}"#,
    ),
    (
        "violation",
        r#"{"timestamp":"2026-04-30T13:20:38.482666+0000","flow_id":17,"event_type":"violation","pcap_cnt":21,"src_ip":"10.0.0.1","dest_ip":"10.0.1.1","violation":{"kind":"command","command":{"point":"holding:600"}}}"#,
    ),
];

/// Each says one thing, so that parts of it are found again quickly.
const CITIES: [(&str, &str); 8] = [
    ("least", "[city]\nname = \"C\"\n"),
    (
        "zones",
        "[city]\nname = \"C\"\ntimezone = \"Europe/Berlin\"\n[[domain]]\nname = \"d\"\ndepartment = \"x\"\n[[zone]]\nname = \"z\"\ndomain = \"d\"\nnetworks = [\"10.0.0.0/24\", \"fd00::/64\"]\nmacs = [\"02:00:00:00:00:01\"]\ncriticality = \"essential\"\ninside = \"deny\"\nisolated = true\n",
    ),
    (
        "assets",
        "[city]\nname = \"C\"\n[[domain]]\nname = \"d\"\n[[zone]]\nname = \"z\"\ndomain = \"d\"\nnetworks = [\"10.0.0.0/24\"]\n[[asset]]\nname = \"a\"\naddress = [\"10.0.0.1\", \"10.0.0.2\"]\nmac = \"02:00:00:00:00:02\"\nzone = \"z\"\nrole = [\"plc\", \"gateway\"]\ncriticality = \"safety\"\nmaker = \"M\"\n",
    ),
    (
        "conduits",
        "[city]\nname = \"C\"\n[[domain]]\nname = \"d\"\n[[zone]]\nname = \"a\"\ndomain = \"d\"\nnetworks = [\"10.0.0.0/24\"]\n[[zone]]\nname = \"b\"\ndomain = \"d\"\nnetworks = [\"10.0.1.0/24\"]\n[[conduit]]\nfrom = [\"a\", \"outside\"]\nto = \"*\"\nallow = [\"modbus: read, write holding:40-49 unit 1-3, write_single_register\", \"snmp: get, set 1.3.6.1.4.*\", \"tcp/80;8000-8099\", \"mqtt: publish city/+/x 'a b', subscribe #\", \"icmp\", \"any\"]\nreason = \"r\"\n",
    ),
    (
        "services",
        "[city]\nname = \"C\"\n[[domain]]\nname = \"d\"\n[[zone]]\nname = \"a\"\ndomain = \"d\"\nnetworks = [\"10.0.0.0/24\"]\n[[service]]\nname = \"s\"\ndepends_on = [\"a\", \"t\"]\ncriticality = \"essential\"\n[[service]]\nname = \"t\"\ndepends_on = [\"s\"]\n",
    ),
    (
        "people",
        "[city]\nname = \"C\"\n[[person]]\nname = \"P\"\ndepartment = \"x\"\nroles = [\"operator\", \"approver\"]\nunix = \"p\"\n[[domain]]\nname = \"d\"\n[[zone]]\nname = \"a\"\ndomain = \"d\"\nnetworks = [\"10.0.0.0/24\"]\n[[window]]\nname = \"w\"\non = [\"a\"]\ndays = [\"tue\", \"sun\"]\nfrom = 22:00:00\nto = 04:00:00\npeople = [\"P\"]\n[[window]]\nname = \"v\"\non = [\"a\"]\nstarts = 2026-12-01T08:00:00\nends = 2026-12-01T16:00:00\n",
    ),
    ("syntax", "[city]\nname = \"C\"\n[[domain]\n"),
    (
        "wrong",
        "[city]\nnaem = \"C\"\n[[zone]]\nname = 'z'\ndomain = 7\nnetworks = [\"10.0.0.0/99\"]\n",
    ),
];

pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, rules, client, server) in RULES {
        let udp = name == "dns";
        let talk = Talk::new(0, 0).client(client).server(server).end(0);
        let input = [
            &[u8::from(udp), 0xf5],
            rules.as_bytes(),
            &[0xc1, 0x7a, 0x11],
            talk.tail(),
        ]
        .concat();
        seeds.push(("rules", name.to_owned(), input));
    }
    for (name, text) in CITIES {
        seeds.push(("city", name.to_owned(), text.as_bytes().to_vec()));
    }
    for (name, text) in citywall_response::playbook::BUILT_IN {
        seeds.push(("playbook", name.to_owned(), text.as_bytes().to_vec()));
    }
    for (name, text) in LINES {
        seeds.push(("rehearsal", name.to_owned(), text.as_bytes().to_vec()));
    }
    for (name, text) in MAKERS {
        seeds.push(("makers", name.to_owned(), text.as_bytes().to_vec()));
    }
    seeds
}
