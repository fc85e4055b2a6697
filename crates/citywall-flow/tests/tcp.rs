//! TCP exchanges as scripts (see `support`), with what the observer is told.

mod support;

use citywall_flow::{FlowLimits, FlowTable, HostPolicies, HostPolicy, Urgent};
use expect_test::{Expect, expect};

use support::{Transcript, play, told};

const HELLO: &str = "c S 0\ns SA 0 1\nc A 1 1\n";

fn check(script: &str, expected: Expect) {
    expected.assert_eq(&told(FlowLimits::default(), HostPolicies::default(), script));
}

/// The script behind a handshake; the line that tells of the opening is left out.
fn check_open(script: &str, expected: Expect) {
    let script = format!("{HELLO}{script}");
    let text = told(FlowLimits::default(), HostPolicies::default(), &script);
    expected.assert_eq(text.split_once('\n').expect("an opening").1);
}

#[test]
fn a_whole_conversation() {
    check(
        "c S 0
         s SA 0 1
         c A 1 1
         c AP 1 1 'GET /
         s A 1 6
         s AP 1 6 'ok
         c A 6 3
         c FA 6 3
         s FA 3 7
         c A 7 4",
        expect![[r#"
            open 0: 10.0.0.1:40000 -> 10.0.0.2:80
            > GET /
            < ok
            > (end)
            < (end)
            close 0: Closed, Closed, 6+4 packets
        "#]],
    );
}

#[test]
fn sequence_numbers_wrap() {
    check_open(
        "c A 1 1 'abcdefgh\nc A 9 1 'ijkl\ns A 1 13 'mnopqr\ns A 7 13 'st",
        expect![[r#"
        > abcdefgh
        > ijkl
        < mnopqr
        < st
        close 0: Shutdown, Established, 4+3 packets
    "#]],
    );
}

#[test]
fn reordered_repeated_and_cut_otherwise() {
    check_open(
        "c A 6 1 'fgh
         c A 9 1 'ij
         c A 3 1 'cdefg
         c A 1 1 'abc
         c A 1 1 'abcdefghij
         c A 11 1 'k",
        expect![[r#"
            > abc
            > defg
            > h
            > ij
            > k
            close 0: Shutdown, Established, 8+1 packets
        "#]],
    );
}

#[test]
fn lost_by_the_capture() {
    check_open(
        "c A 1 1 'abc
         c A 7 1 'ghi
         s A 1 4
         s A 1 10
         c A 10 1 'jkl",
        expect![[r#"
            > abc
            < ! tcp.ack_of_unseen
            > (gap 3)
            > ghi
            > jkl
            close 0: Shutdown, Established, 5+3 packets, missing 3+0
        "#]],
    );
}

#[test]
fn an_acknowledgement_alone_skips_nothing() {
    check_open(
        "c A 1 1 'abc\ns A 1 500\nc A 4 1 'def\ns A 1 7",
        expect![[r#"
        > abc
        > def
        close 0: Shutdown, Established, 4+3 packets
    "#]],
    );
}

#[test]
fn a_lost_end() {
    check_open(
        "c A 1 1 'abc\nc FA 9 1\ns A 1 10\ns FA 1 10",
        expect![[r#"
        > abc
        < ! tcp.ack_of_unseen
        > (gap 5)
        > (end)
        < (end)
        close 0: Closed, Closed, 4+3 packets, missing 5+0
    "#]],
    );
}

#[test]
fn holes_are_told_at_the_end() {
    check_open(
        "c A 1 1 'abc\nc A 7 1 'ghi\nc A 12 1 'lm",
        expect![[r#"
        > abc
        > (gap 3)
        > ghi
        > (gap 2)
        > lm
        close 0: Shutdown, Established, 5+1 packets, missing 5+0
    "#]],
    );
}

#[test]
fn midstream() {
    check(
        "c A 100 500 'abc\ns A 500 103 'def\nc FA 103 503\ns FA 503 104",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
        > abc
        < def
        > (end)
        < (end)
        close 0: Closed, Closed, 2+2 packets
    "#]],
    );
    // The lower port is the responder's, whoever is heard first.
    check(
        "s A 500 103 'def\nc A 103 503 'abc",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
        < def
        > abc
        close 0: Shutdown, Established, 1+1 packets
    "#]],
    );
    // A keep-alive is one behind; the acknowledgement tells where the stream stands.
    check(
        "c A 99 500\ns A 500 100\nc A 100 500 'abc\ns A 500 103",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
        > abc
        close 0: Shutdown, Established, 2+2 packets
    "#]],
    );
    // The first thing that was captured is the answer to a SYN.
    check(
        "s SA 0 1\nc A 1 1 'abc\ns A 1 4 'x",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
        > abc
        < x
        close 0: Shutdown, Established, 1+2 packets
    "#]],
    );
}

#[test]
fn asymmetric_capture() {
    check(
        "c S 0\nc A 1 1\nc A 1 1 'abc\nc A 4 50 'def\nc FA 7 60",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > abc
        > def
        > (end)
        close 0: Shutdown, Closing, 5+0 packets
    "#]],
    );
}

#[test]
fn refused() {
    check(
        "c S 0\ns RA 0 1\nc S 0\ns RA 0 1",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > (reset)
        < (reset)
        close 0: Closed, Closed, 2+2 packets
    "#]],
    );
    // A reset that does not acknowledge the SYN is not the responder's.
    check(
        "c S 0\ns R 77\ns RA 0 9\ns SA 0 1\nc A 1 1 'abc",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        < ! tcp.reset_out_of_window
        > abc
        close 0: Shutdown, Established, 2+3 packets
    "#]],
    );
    // A half-open scan: the scanner resets.
    check(
        "c S 0\ns SA 0 1\nc R 1",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > (reset)
        < (reset)
        close 0: Closed, Closed, 2+1 packets
    "#]],
    );
}

#[test]
fn resets() {
    check_open(
        "c A 1 1 'abc\ns A 1 4\ns RA 1 4\nc A 4 1 'late",
        expect![[r#"
        > abc
        > (reset)
        < (reset)
        close 0: Closed, Closed, 4+3 packets
    "#]],
    );
    // Out of the window: ignored. Within, but not at its edge: hosts ask back.
    check_open(
        "s R -5000\nc A 1 1 'abc\ns R 500\nc A 4 1 'def",
        expect![[r#"
        < ! tcp.reset_out_of_window
        > abc
        > def
        close 0: Shutdown, Closing, 4+3 packets
    "#]],
    );
    // Who goes on after its own reset has not reset anything.
    check_open(
        "c A 1 1 'abc\nc R 4\nc A 4 1 'def",
        expect![[r#"
        > abc
        > (reset)
        < (reset)
        close 0: Closed, Closed, 4+1 packets
        open 5: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
        > def
        close 5: Shutdown, New, 1+0 packets
    "#]],
    );
}

#[test]
fn again_between_the_same_ports() {
    check_open(
        "c FA 1 1
         s FA 1 2
         c A 2 2
         s FA 1 2
         c S 5000
         s SA 7000 5001
         c A 5001 7001 'again",
        expect![[r#"
            > (end)
            < (end)
            close 0: Closed, Closed, 4+3 packets
            open 7: 10.0.0.1:40000 -> 10.0.0.2:80
            > again
            close 7: Shutdown, Established, 2+1 packets
        "#]],
    );
}

#[test]
fn a_second_syn() {
    // Before any answer the later one counts, unless the responder answers the earlier one.
    check(
        "c S 0\nc S 90\ns SA 0 91\nc A 91 1 'abc",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.syn_resend
        > abc
        close 0: Shutdown, Established, 3+1 packets
    "#]],
    );
    check(
        "c S 0\nc S 90\ns SA 0 1\nc A 1 1 'abc",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.syn_resend
        > abc
        close 0: Shutdown, Established, 3+1 packets
    "#]],
    );
    // In an open conversation it changes nothing...
    check_open(
        "c S 90\nc A 1 1 'abc\ns A 1 4",
        expect![[r#"
            > abc
            > ! tcp.syn_resend
            close 0: Shutdown, Established, 4+2 packets
        "#]],
    );
    // ... until the responder accepts it.
    check_open(
        "c S 90\ns SA 300 91\nc A 91 301 'abc",
        expect![[r#"
            close 0: Closed, Established, 3+1 packets
            open 4: 10.0.0.1:40000 -> 10.0.0.2:80
            > abc
            close 4: Shutdown, Established, 1+1 packets
        "#]],
    );
}

#[test]
fn a_wrong_syn_ack() {
    check(
        "c S 0\ns SA 40 9\ns SA 0 1\ns SA 50 1\nc A 1 1 'abc\ns A 1 4 'def",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        < ! tcp.synack_mismatch
        > abc
        < def
        close 0: Shutdown, Established, 2+4 packets
    "#]],
    );
}

#[test]
fn simultaneous_open() {
    check(
        "c S 0\ns S 0\nc SA 0 1\ns SA 0 1\nc A 1 1 'abc\ns A 1 4 'def",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > abc
        < def
        close 0: Shutdown, Established, 3+3 packets
    "#]],
    );
}

#[test]
fn data_on_syn() {
    // TCP Fast Open: acknowledged with the SYN.
    check(
        "c S 0 'early\ns SA 0 6\nc A 6 1 'late",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > early
        > late
        close 0: Shutdown, Established, 2+1 packets
    "#]],
    );
    // Not accepted, and sent again, otherwise.
    check(
        "c S 0 'early\ns SA 0 1\nc A 1 1 'other",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > other
        close 0: Shutdown, Established, 2+1 packets
    "#]],
    );
    // The answer was not seen.
    check(
        "c S 0 'early\nc A 6 1 'late",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > early
        > late
        close 0: Shutdown, New, 2+0 packets
    "#]],
    );
    check(
        "c S 0 'early\nc A 1 1 'other",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > other
        close 0: Shutdown, New, 2+0 packets
    "#]],
    );
    // Nobody ever answered.
    check(
        "c S 0 'early",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        close 0: Shutdown, New, 1+0 packets
    "#]],
    );
}

#[test]
fn windows() {
    // Window of 10: the second segment begins behind it, the third fits.
    check_open(
        "s A 1 1 w=10\nc A 1 1 'abc",
        expect![[r#"
        > abc
        close 0: Shutdown, Established, 3+2 packets
    "#]],
    );
    check(
        "c S 0\ns SA 0 1 w=10\nc A 1 1\nc A 12 1 'far\nc A 1 1 'abcdefghij",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.out_of_window
        > abcdefghij
        close 0: Shutdown, Established, 4+1 packets
    "#]],
    );
    // Scaled by 2^2.
    check(
        "c S 0 ws=0\ns SA 0 1 ws=2 w=10\nc A 1 1\ns A 1 1 w=10\nc A 12 1 'far",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > (gap 11)
        > far
        close 0: Shutdown, Established, 3+2 packets, missing 11+0
    "#]],
    );
    // Closed: one byte is a probe, more is not taken.
    check(
        "c S 0\ns SA 0 1 w=0\nc A 1 1\nc A 1 1 'ab\nc A 1 1 'a\ns A 1 2 w=9\nc A 2 1 'bc",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.out_of_window
        > a
        > bc
        close 0: Shutdown, Established, 5+2 packets
    "#]],
    );
}

#[test]
fn timestamps() {
    check(
        "c S 0 ts=100
         s SA 0 1 ts=900
         c A 1 1 ts=101
         c A 1 1 ts=90 'evil
         c A 1 1 ts=102 'good",
        expect![[r#"
            open 0: 10.0.0.1:40000 -> 10.0.0.2:80
            > ! tcp.old_timestamp
            > good
            close 0: Shutdown, Established, 4+1 packets
        "#]],
    );
    // Reordering is no reason to reject.
    check(
        "c S 0 ts=1\ns SA 0 1 ts=1\nc A 4 1 ts=9 'def\nc A 1 1 ts=8 'abc",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > abc
        > def
        close 0: Shutdown, Established, 3+1 packets
    "#]],
    );
}

#[test]
fn keep_alives() {
    check_open(
        "c A 1 1 'abc
         s A 1 4
         c A 3 1
         s A 1 4
         c A 3 1 'X
         s A 1 4
         c A 4 1 'def
         c FA 7 1
         c A 7 1 'X",
        expect![[r#"
            > abc
            > def
            > (end)
            close 0: Shutdown, Closing, 8+4 packets
        "#]],
    );
}

#[test]
fn differing_retransmission() {
    check_open(
        "c A 1 1 'GET /a\nc A 1 1 'GET /b\nc A 1 1 'GET /c",
        expect![[r#"
        > GET /a
        > ! tcp.overlap_different
        close 0: Shutdown, Established, 5+1 packets
    "#]],
    );
    // Sent again in other pieces, with more, but without contradiction.
    check_open(
        "c A 1 1 'GET\nc A 4 1 ' /a\nc A 1 1 'GET /a.html",
        expect![[r#"
        > GET
        >  /a
        > .html
        close 0: Shutdown, Established, 5+1 packets
    "#]],
    );
}

#[test]
fn after_the_fin() {
    check_open(
        "c FA 1 1 'abc\nc A 5 1 'evil\ns A 1 5 'still\ns FA 6 5",
        expect![[r#"
        > abc
        > (end)
        > ! tcp.data_after_fin
        < still
        < (end)
        close 0: Closed, Closed, 4+3 packets
    "#]],
    );
    // The FIN came early.
    check_open(
        "c FA 4 1 'def\nc A 1 1 'abc\nc A 8 1 'evil",
        expect![[r#"
        > abc
        > def
        > (end)
        > ! tcp.data_after_fin
        close 0: Shutdown, Closing, 5+1 packets
    "#]],
    );
}

#[test]
fn bad_checksums() {
    // Both have shown that their sums are right: what has a wrong one was dropped by its receiver.
    let script = format!("{HELLO}c A 1 1 bad 'evil\nc A 1 1 'good\ns RA 1 1 bad");
    check(
        &script,
        expect![[r#"
            open 0: 10.0.0.1:40000 -> 10.0.0.2:80
            > ! tcp.bad_checksum
            > good
            < ! tcp.bad_checksum
            close 0: Shutdown, Established, 4+2 packets
        "#]],
    );
    let limits = FlowLimits {
        use_bad_checksums: true,
        ..FlowLimits::default()
    };
    expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.bad_checksum
        > evil
        > ! tcp.overlap_different
        < ! tcp.bad_checksum
        > (reset)
        < (reset)
        close 0: Closed, Closed, 4+2 packets
    "#]]
    .assert_eq(&told(limits, HostPolicies::default(), &script));
}

#[test]
fn segments_that_no_host_accepts() {
    // Without ACK: neither a FIN that hides the request, nor data that replace it.
    check_open(
        "c F 1\nc AP 1 1 'GET /evil",
        expect![[r#"
            > ! tcp.no_ack
            > GET /evil
            close 0: Shutdown, Established, 4+1 packets
        "#]],
    );
    check_open(
        "c P 1 0 'GET /good\nc AP 1 1 'GET /evil\ns A 1 10",
        expect![[r#"
            > ! tcp.no_ack
            > GET /evil
            close 0: Shutdown, Established, 4+2 packets
        "#]],
    );
    // Acknowledges what the server can never have sent, ...
    check_open(
        "c FA 1 1879048192\nc AP 1 1879048192 'GET /good\nc AP 1 1 'GET /evil\ns A 1 10",
        expect![[r#"
            > ! tcp.impossible_ack
            > GET /evil
            close 0: Shutdown, Established, 5+2 packets
        "#]],
    );
    // ... or what it has had acknowledged long ago.
    check_open(
        "c FA 1 -1879048192\nc A 1 -1048577 'GET /good\nc AP 1 1 'GET /evil\ns A 1 10",
        expect![[r#"
            > ! tcp.impossible_ack
            > GET /evil
            close 0: Shutdown, Established, 5+2 packets
        "#]],
    );
    // A reset sender's data without ACK do not raise the conversation from the dead.
    check_open(
        "c R 1\nc P 1 0 'GET /good",
        expect![[r#"
        > (reset)
        < (reset)
        close 0: Closed, Closed, 4+1 packets
    "#]],
    );
    // Nor does such a segment say where a stream stands that is joined midstream.
    check(
        "c F 7000\nc A 100 500 'abc\ns A 500 103 'def",
        expect![[r#"
            open 0: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
            > ! tcp.no_ack
            > abc
            < def
            close 0: Shutdown, Established, 2+1 packets
        "#]],
    );
}

#[test]
fn acknowledgements_of_what_was_not_captured() {
    // The answer comes late, or not at all: the request behind it counts.
    check_open(
        "c A 1 1 'GET /1\nc A 7 900 'GET /2\ns A 1 7 'ok",
        expect![[r#"
            > GET /1
            > GET /2
            < ok
            close 0: Shutdown, Established, 4+2 packets
        "#]],
    );
    // Only the handshake of the server was captured: nothing contradicts the client.
    check(
        "s SA 0 1\ns A 1 90000000 'ok\ns A 3 190000000 'ok",
        expect![[r#"
            open 0: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
            < ok
            < ok
            close 0: Shutdown, New, 0+3 packets
        "#]],
    );
}

#[test]
fn the_capture_lost_more_than_a_window() {
    // The client acknowledges it and the server goes on there: both go on.
    check_open(
        "c A 1 1 'GET /1
         s A 1 7 'abc
         c A 7 9000000
         s A 9000000 7 'def
         c A 7 9000003 'GET /2",
        expect![[r#"
            > GET /1
            < abc
            > ! tcp.impossible_ack
            > ! tcp.ack_of_unseen
            < (gap 8999996)
            < def
            > GET /2
            close 0: Shutdown, Established, 5+3 packets, missing 0+8999996
        "#]],
    );
    // In both directions at once.
    check_open(
        "c A 1 1 'GET /1
         s A 1 7 'abc
         c A 5000000 9000000 'x
         s A 9000000 5000001 'def
         c A 5000001 9000003 'y
         s A 9000003 5000002 'ghi
         c A 5000002 9000006 'z",
        expect![[r#"
            > GET /1
            < abc
            > ! tcp.impossible_ack
            > ! tcp.ack_of_unseen
            < (gap 8999996)
            < ! tcp.impossible_ack
            < ! tcp.ack_of_unseen
            > (gap 4999994)
            > y
            < (gap 3)
            < ghi
            > z
            close 0: Shutdown, Established, 6+4 packets, missing 4999994+8999999
        "#]],
    );
    // Either alone proves nothing, nor do two that do not agree.
    check_open(
        "c A 1 9000000 'evil
         c A 1 1 'GET /1
         s A 5000000 7 'evil
         s A 1 7 'abc
         c A 7 4 'GET /2",
        expect![[r#"
            > ! tcp.impossible_ack
            > GET /1
            < ! tcp.out_of_window
            < abc
            > GET /2
            close 0: Shutdown, Established, 5+3 packets
        "#]],
    );
}

#[test]
fn urgent_data() {
    let script = format!("{HELLO}c AU 1 1 urg=3 'abcdef\nc A 7 1 'gh\nc AU 9 1 urg=1 'x");
    // Out of band, as hosts do unless they are asked for something else.
    check(
        &script,
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.urgent
        > ab
        > def
        > gh
        close 0: Shutdown, Established, 5+1 packets
    "#]],
    );
    let host = HostPolicy {
        urgent: Urgent::InBand,
        ..HostPolicy::default()
    };
    expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.urgent
        > abcdef
        > gh
        > x
        close 0: Shutdown, Established, 5+1 packets
    "#]]
    .assert_eq(&told(FlowLimits::default(), HostPolicies::new(host), &script));
}

#[test]
fn cut_by_the_snap_length() {
    check_open(
        "c A 1 1 cut=10 'abc\nc A 14 1 'def\nc A 1 1 cut=10 'abc",
        expect![[r#"
        > abc
        > (gap 10)
        > def
        close 0: Shutdown, Established, 5+1 packets, missing 10+0
    "#]],
    );
    check_open(
        "c A 14 1 cut=5 'def\nc A 1 1 cut=10 'abc\nc A 22 1 'x\ns A 1 23",
        expect![[r#"
        > abc
        > (gap 10)
        > def
        < ! tcp.ack_of_unseen
        > (gap 5)
        > x
        close 0: Shutdown, Established, 5+2 packets, missing 15+0
    "#]],
    );
}

#[test]
fn buffer_limit() {
    let limits = FlowLimits {
        buffered_bytes_per_direction: 150,
        ..FlowLimits::default()
    };
    let script =
        format!("{HELLO}c A 10 1 'abc\nc A 20 1 'def\nc A 30 1 'ghi\nc A 1 1 'zz\nc A 13 1 '.......");
    expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > ! tcp.buffer_limit
        > (gap 9)
        > abc
        > .......
        > def
        > (gap 7)
        > ghi
        close 0: Shutdown, Established, 7+1 packets, missing 16+0
    "#]]
    .assert_eq(&told(limits, HostPolicies::default(), &script));
}

#[test]
fn the_observer_stops_the_stream() {
    let mut table = FlowTable::new(FlowLimits::default(), HostPolicies::default());
    let mut transcript = Transcript {
        stop_after: Some(1),
        ..Transcript::default()
    };
    let script =
        format!("{HELLO}c A 10 1 'later\nc A 1 1 'abc\nc A 4 1 'def\ns A 1 7 'no\nc FA 20 1\ns FA 3 21");
    play(&mut table, &mut transcript, &script);
    assert_eq!(table.stats().buffered, 0);
    table.finish(&mut transcript);
    expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > abc
        close 0: Closed, Closed, 6+3 packets
    "#]]
    .assert_eq(&transcript.text);
}

#[test]
fn time_outs() {
    check(
        "c S 0\nexpire 59\nexpire 60\nc S 0 t=61",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        close 0: Timeout, New, 1+0 packets
        open 3: 10.0.0.1:40000 -> 10.0.0.2:80
        close 3: Shutdown, New, 1+0 packets
    "#]],
    );
    check(
        "c S 0
         s SA 0 1 t=1
         c A 1 1 t=2
         c A 4 1 t=2.5 'def
         expire 602
         expire 603",
        expect![[r#"
            open 0: 10.0.0.1:40000 -> 10.0.0.2:80
            > (gap 3)
            > def
            close 0: Timeout, Established, 3+1 packets, missing 3+0
        "#]],
    );
    // Closed, and kept for late retransmissions for 10 s.
    check(
        "c S 0\ns RA 0 1 t=1\nc A 5 1 t=9 'late\nexpire 18\nexpire 19",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > (reset)
        < (reset)
        close 0: Closed, Closed, 2+1 packets
    "#]],
    );
    // A packet after the time-out opens a new conversation even where nobody called `expire`.
    check(
        "c S 0\ns SA 0 1 t=1\nc A 1 1 t=2 'abc\nc A 4 1 t=700 'def",
        expect![[r#"
        open 0: 10.0.0.1:40000 -> 10.0.0.2:80
        > abc
        close 0: Timeout, Established, 2+1 packets
        open 3: 10.0.0.1:40000 -> 10.0.0.2:80 midstream
        > def
        close 3: Shutdown, New, 1+0 packets
    "#]],
    );
}

#[test]
fn an_old_fin_ends_nothing() {
    check_open(
        "c A 1 1 'abc
         c FA 2 1
         c A 4 1 'def
         c FA 7 1",
        expect![[r#"
            > abc
            > def
            > (end)
            close 0: Shutdown, Closing, 6+1 packets
        "#]],
    );
}
