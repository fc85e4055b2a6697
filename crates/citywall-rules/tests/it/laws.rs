//! What holds for any input.

use proptest::prelude::*;

use crate::bench::{Bench, try_load};

/// Pieces of rules, so that what is made of them gets deep into the parser.
fn rule_text() -> impl Strategy<Value = String> {
    let option = prop_oneof![
        "(content|pcre|flow|byte_test|byte_jump|byte_extract|isdataat|threshold|flowbits|modbus|flags|bsize|urilen|depth|within|distance|offset|dsize|ttl|requires|tls.version|metadata|reference|fast_pattern)",
        "[a-z_.]{1,12}",
    ];
    let value = prop_oneof![
        Just(String::new()),
        "\\PC{0,20}",
        "!?\"[a-z|0-9 /\\\\!(){}*+?\\[\\]^$.-]{0,16}\"",
        "[0-9,<>!=&-]{1,12}",
        "(set|isset|unset|type limit|track by_src|count 1|relative|string|dec|little|established|function 3|access read)(,[a-z0-9 ]{0,8}){0,3}",
    ];
    let options = proptest::collection::vec((option, value), 0..6);
    let address = prop_oneof![Just("any".to_owned()), "[!\\[\\]0-9./,$A-Z:-]{1,16}"];
    ("(alert|pass|drop)", "(tcp|udp|http|dns|ip|tls)", address, options).prop_map(
        |(action, protocol, address, options)| {
            let options: String = options
                .iter()
                .map(|(name, value)| format!("{name}:{value}; "))
                .collect();
            format!("{action} {protocol} {address} any -> any any ({options}sid:1;)")
        },
    )
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        try_load(&text);
    }

    #[test]
    fn no_rule_makes_loading_or_matching_panic(
        rules in proptest::collection::vec(rule_text(), 1..4),
        data in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let (book, _) = try_load(&rules.join("\n"));
        let mut bench = Bench::tcp("", 40_000, 80);
        bench.book = book;
        bench.client(&data).server(b"HTTP/1.1 200 OK\r\n\r\n").client(b"GET /abc HTTP/1.1\r\n\r\n").end();
    }

    /// A rule with one content finds it however the stream is cut, once for each time it is there.
    #[test]
    fn cuts_do_not_hide_contents(
        text in "[ab]{0,60}",
        cuts in proptest::collection::vec(1usize..12, 1..12),
    ) {
        let mut bench = Bench::tcp(r#"alert tcp any any -> any any (content:"aba"; sid:1;)"#, 1, 2);
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            bench.client(piece);
            rest = more;
        }
        prop_assert_eq!(bench.text.is_empty(), !text.contains("aba"));
    }
}
