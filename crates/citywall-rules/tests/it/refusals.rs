//! What is refused, where exactly, and what helps.

use crate::bench::try_load;

fn refusals(rules: &str) -> String {
    let (_, refused) = try_load(rules);
    refused.iter().map(|r| format!("{r}\n")).collect()
}

#[test]
fn places_are_exact() {
    let rules = "# first line
alert tcp any any -> any any (msg:\"a\"; content:\"x\"; lua:a.lua; sid:1;)
  alert tcp any any \\
     -> any any \\
     (content:\"|4g|\"; sid:2;)
alert smtp any any -> any any (sid:3;)
alert tcp [10.0.0.0/8,10.0.0.300] any -> any any (sid:4;)
alert tcp any any -> any $NO_PORTS (sid:5;)
alert tcp any any -> any any (content:\"abc\"; depth:2; sid:6;)
alert tcp any any -> any any (nocase; sid:7;)
alert tcp any any -> any any (pcre:\"/(a/\"; sid:8;)
alert tcp any any -> any any (flow:sideways; sid:9;)
alert tcp any any -> any any (content:\"x\")
alert tcp any any -> any any (content:\"x\";)
alert tcp any any any (sid:1;)
alert
alert tcp any any -> any any (contnet:\"x\"; sid:10;)
alert tcp any any -> any any (byte_test:9,>,1,0; sid:11;)
alert tcp any any -> any any (content:\"x\"; within:n; sid:12;)
alert http any any -> any any (dns.query; content:\"x\"; sid:13;)
alert http any any -> any any (dsize:5; http.uri; content:\"x\"; sid:14;)
alert tcp any any -> any any (sid:15;)
alert tcp any any -> any any (sid:15;)
drop pop3 any any -> any any (sid:16;)
alert tcp any any => any any (app-layer-protocol:smb; sid:17;)
alert http any any -> any any (content:!\"x\"; fast_pattern; sid:18;)
alert tcp any any -> any any (threshold:type limit, track by_moon, count 1, seconds 1; sid:19;)
alert tcp any any -> any any (to_lowercase; content:\"x\"; sid:20;)
";
    expect_test::expect![[r#"
        test.rules:2:53: lua: scripts are not supported; remove the rule or this option
        test.rules:5:18: content: is not hexadecimal; write bytes as |0d 0a|
        test.rules:6:7: header: `smtp` is not a protocol that rules can name here; remove the rule, or use tcp or udp with content
        test.rules:7:11: header: `10.0.0.300` is not an address, network or range; correct the address or define the variable
        test.rules:8:26: header: variable $NO_PORTS is not defined; correct the port or define the variable
        test.rules:9:52: depth: is shorter than the content, which then never matches; make it at least as long as the content
        test.rules:10:31: nocase: no content before it; put it after a content
        test.rules:11:37: pcre: unclosed group; Parsing error at position 2: Opening parenthesis without closing parenthesis; simplify the expression
        test.rules:12:36: flow: `sideways` is not one of its words; use established, to_server, to_client and the like
        test.rules:13:31: content: option does not end; end each option with a semicolon
        test.rules:14:31: sid: is missing or zero; give the rule a number of its own: sid:1000001;
        test.rules:15:19: header: has 5 words where 7 are needed; write: action protocol source port -> destination port
        test.rules:16:1: rule: has no parenthesis with options; write: alert tcp any any -> any any (msg:"..."; sid:1;)
        test.rules:17:31: contnet: is not a keyword that Citywall knows; check its spelling, or remove the rule
        test.rules:18:41: byte_test: reads 9 bytes where 1 to 8 are possible; correct the first value
        test.rules:19:51: within: `n` is neither a number nor a variable; byte_extract must come before the variable is used
        test.rules:20:1: rule: tests both http and dns; test one protocol in one rule
        test.rules:21:7: rule: tests packet headers and a protocol's buffers at once; split the rule in two and join them with flowbits
        test.rules:23:1: sid: 15 is already the rule at test.rules:22; remove one, or give one another sid
        test.rules:24:6: header: `pop3` is not a protocol that rules can name here; remove the rule, or use tcp or udp with content
        test.rules:25:50: app-layer-protocol: `smb` is not a protocol that is found here; remove the rule or this option
        test.rules:26:46: fast_pattern: a negated content cannot be the fast pattern; choose another
        test.rules:27:41: threshold: has no valid track; say type, track, count and seconds
        test.rules:28:31: to_lowercase: transforms work on sticky buffers only; select a buffer such as http.uri before it
    "#]].assert_eq(&refusals(rules));
}

#[test]
fn what_is_ignored_is_said() {
    let (book, refused) = try_load(
        "alert tcp any any -> any any (content:\"x\"; tag:session,5,packets; classtype:odd; sid:1;)",
    );
    assert_eq!((book.len(), refused.len()), (1, 0));
    let shown: Vec<String> = book.warnings().iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        test.rules:1:44: tag: is ignored: the packets that follow an alert are not logged; no action needed
        test.rules:1:77: classtype: class is not known: priority 3 is taken; add it to classification.config"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn rules_for_other_versions_are_refused() {
    let rules = "alert tcp any any -> any any (requires: version >= 7.0.3 < 9; sid:1;)
alert tcp any any -> any any (requires: version >= 9; sid:2;)
alert tcp any any -> any any (requires: feature pcap; sid:3;)
alert tcp any any -> any any (requires: keyword foo; sid:4;)";
    let (book, refused) = try_load(rules);
    let sids: Vec<_> = refused.iter().filter_map(|r| r.sid).collect();
    assert_eq!((book.len(), sids), (2, vec![2, 3]));
}
