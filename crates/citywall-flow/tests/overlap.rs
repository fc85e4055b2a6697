//! Overlapping segments under each policy: what the receiving host reads.
//!
//! The pattern is that of Shankar and Paxson (2003), which Novak and Sturges (2007) took over for
//! TCP: six segments behind a hole, overlapping in every way; each byte tells its segment. The
//! expected texts are worked out by hand from the published rules. The second table has one pair
//! of segments in each relation that two ranges can have.

mod support;

use std::net::IpAddr;

use citywall_flow::{FlowLimits, FlowTable, HostPolicies, HostPolicy, Urgent};
use citywall_packet::OverlapPolicy;
use expect_test::expect;

use support::{SERVER, Transcript, play};

const POLICIES: [OverlapPolicy; 7] = [
    OverlapPolicy::First,
    OverlapPolicy::Last,
    OverlapPolicy::Bsd,
    OverlapPolicy::BsdRight,
    OverlapPolicy::Linux,
    OverlapPolicy::Windows,
    OverlapPolicy::Solaris,
];

/// What the server reads of `segments` (sequence number and text) and of the byte that fills the
/// hole before them.
fn read(policy: OverlapPolicy, segments: &[(u32, &str)]) -> String {
    // Only the server has the policy: it is the receiver's that counts.
    let mut policies = HostPolicies::new(HostPolicy::default());
    let host = HostPolicy {
        overlap: policy,
        urgent: Urgent::InBand,
    };
    policies
        .insert(IpAddr::V4(SERVER.0), 32, host)
        .expect("a good prefix");
    let mut table = FlowTable::new(FlowLimits::default(), policies);
    let mut transcript = Transcript::default();
    let mut script = "c S 0\ns SA 0 1\nc A 1 1\n".to_owned();
    for (seq, text) in segments {
        script.push_str(&format!("c A {seq} 1 '{text}\n"));
    }
    script.push_str("c A 1 1 '.\n");
    play(&mut table, &mut transcript, &script);
    let differs = transcript.text.contains("tcp.overlap_different");
    let text = String::from_utf8_lossy(&transcript.streams[0]).into_owned();
    if differs {
        text
    } else {
        format!("{text} (no contradiction)")
    }
}

#[test]
fn six_segments() {
    let segments = [
        (2, "111"),
        (6, "22"),
        (8, "333"),
        (3, "4444"),
        (8, "555"),
        (11, "666"),
    ];
    let mut text = String::new();
    for policy in POLICIES {
        text.push_str(&format!("{policy:?}: {}\n", read(policy, &segments)));
    }
    expect![[r#"
        First: .111422333666
        Last: .144442555666
        Bsd: .111442333666
        BsdRight: .144422555666
        Linux: .111442333666
        Windows: .111442333666
        Solaris: .144422555666
    "#]]
    .assert_eq(&text);
}

#[test]
fn every_relation_of_two_segments() {
    let old = (10, "oooo");
    let new = [
        ("begins before, ends within", 8, "nnnn"),
        ("begins before, ends alike", 8, "nnnnnn"),
        ("begins before, ends after", 8, "nnnnnnnn"),
        ("begins alike, ends within", 10, "nn"),
        ("alike", 10, "nnnn"),
        ("begins alike, ends after", 10, "nnnnnn"),
        ("within", 11, "nn"),
        ("begins within, ends alike", 12, "nn"),
        ("begins within, ends after", 12, "nnnn"),
    ];
    let mut text = String::new();
    for (name, seq, bytes) in new {
        text.push_str(&format!("{name}:"));
        for policy in POLICIES {
            // What precedes both comes last and overlaps nothing.
            let before = "........".get(..seq.min(10) as usize - 2).unwrap_or_default();
            let all = read(policy, &[old, (seq, bytes), (2, before)]);
            text.push_str(&format!(" {policy:?} {}", all.get(7..).unwrap_or(&all)));
        }
        text.push('\n');
    }
    expect![[r#"
        begins before, ends within: First nnoooo Last nnnnoo Bsd nnnnoo BsdRight nnoooo Linux nnnnoo Windows nnnnoo Solaris nnoooo
        begins before, ends alike: First nnoooo Last nnnnnn Bsd nnnnnn BsdRight nnoooo Linux nnnnnn Windows nnnnnn Solaris nnnnnn
        begins before, ends after: First nnoooonn Last nnnnnnnn Bsd nnnnnnnn BsdRight nnoooonn Linux nnnnnnnn Windows nnnnnnnn Solaris nnnnnnnn
        begins alike, ends within: First ..oooo Last ..nnoo Bsd ..oooo BsdRight ..nnoo Linux ..oooo Windows ..oooo Solaris ..oooo
        alike: First ..oooo Last ..nnnn Bsd ..oooo BsdRight ..nnnn Linux ..oooo Windows ..oooo Solaris ..nnnn
        begins alike, ends after: First ..oooonn Last ..nnnnnn Bsd ..oooonn BsdRight ..nnnnnn Linux ..nnnnnn Windows ..oooonn Solaris ..nnnnnn
        within: First ..oooo Last ..onno Bsd ..oooo BsdRight ..onno Linux ..oooo Windows ..oooo Solaris ..oooo
        begins within, ends alike: First ..oooo Last ..oonn Bsd ..oooo BsdRight ..oonn Linux ..oooo Windows ..oooo Solaris ..oooo
        begins within, ends after: First ..oooonn Last ..oonnnn Bsd ..oooonn BsdRight ..oonnnn Linux ..oooonn Windows ..oooonn Solaris ..oonnnn
    "#]].assert_eq(&text);
}
