//! Conversations: order, loss, ends, time-outs, and what breaks TCP's rules.

use super::Case;
use super::capture::{Capture, MS, SECOND};
use super::link::question_and_answer;
use super::net::{self, CLIENT, End, SERVER, Segment, host};
use super::talk::{Side::Client, Side::Server, Talk, URG, flag};

const AREA: &str = "flow";
const HERE: End = (CLIENT, 40_001);
const THERE: End = (SERVER, 80);
const GET: &[u8] = b"GET /status HTTP/1.1\r\nHost: pump-3.example\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nrunning";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    [streams(), ends(), handshakes(), rules_of_tcp(), times()].concat()
}

fn open(capture: &mut Capture) -> Talk {
    Talk::open(capture, HERE, THERE)
}

fn case(name: &str, readme: &str, play: impl FnOnce(&mut Capture)) -> Case {
    let mut capture = Capture::new();
    play(&mut capture);
    Case::new(AREA, name, readme, capture)
}

fn streams() -> Vec<Case> {
    vec![
        case(
            "in-order",
            "The plain case: handshake, request, answer, FIN both ways. `state` closed, `reason` closed, nothing missing.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "reordered",
            "The request in four segments that arrive as 4, 2, 1, 3: the same `http` event, and no anomaly.",
            |c| {
                let mut talk = open(c);
                let parts: Vec<&[u8]> = GET.chunks(12).collect();
                for n in [3, 1, 0, 2] {
                    talk.put_at(c, Client, 12 * n as i32, parts[n]);
                }
                talk.skip(Client, GET.len());
                talk.ack(c, Server);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "retransmitted",
            "Every segment comes twice, as on a lossy link. The same bytes again are no overlap and no second request.",
            |c| {
                let mut talk = open(c);
                for (side, data) in [(Client, GET), (Server, OK)] {
                    talk.put_at(c, side, 0, data);
                    talk.put_at(c, side, 0, data);
                    talk.skip(side, data.len());
                    talk.ack(c, side.other());
                }
                talk.close(c);
            },
        ),
        case(
            "gap",
            "A segment of 500 bytes in the answer's body never was captured, though the client acknowledged it: the receiver has\n\
             it, so the stream goes on behind a gap (`missing_toclient` 500, `tcp.ack_of_unseen`). The exchange is told all the same.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1500\r\n\r\n";
                talk.say(c, Server, head);
                talk.say(c, Server, &[b'a'; 500]);
                talk.skip(Server, 500);
                talk.ack(c, Client);
                talk.say(c, Server, &[b'c'; 500]);
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "midstream",
            "The capture begins within a conversation: no handshake was seen. It is picked up (`midstream`), and the side with\n\
             the well-known port is taken for the server.",
            |c| {
                let mut talk = Talk::between(HERE, THERE);
                talk.say(c, Server, OK);
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "keep-alive-and-window-probe",
            "A keep-alive of one old byte (RFC 9293, 3.8.4), and a probe of one byte into a closed window (3.8.6.1): ordinary\n\
             things, no anomaly.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                c.wait(20 * SECOND);
                talk.put_at(c, Client, -1, b"\n");
                talk.ack(c, Server);
                let full = Segment {
                    window: 0,
                    ..talk.segment(Client, flag::ACK, b"", &[])
                };
                talk.put(c, Client, &full);
                talk.put_at(c, Server, 0, b"x");
                talk.put(c, Client, &full);
                // The window opens again, and the probe's byte is sent once more.
                talk.ack(c, Client);
                talk.say(c, Server, b"x");
                talk.close(c);
            },
        ),
    ]
}

fn ends() -> Vec<Case> {
    vec![
        case(
            "reset",
            "The server resets within the window: the conversation is closed, and what was said until then counts.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                talk.reset(c, Server);
            },
        ),
        case(
            "reset-out-of-window",
            "A RST with a sequence number far outside the window: the receiver ignores it (RFC 5961), and so do we: the answer\n\
             that follows is read. A sensor that believed it could be blinded by anybody.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                let far = talk.segment(Client, flag::RST, b"", &[]);
                talk.put(
                    c,
                    Client,
                    &Segment {
                        seq: far.seq.wrapping_sub(400_000),
                        ..far
                    },
                );
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "data-after-fin",
            "The client sends more after its FIN: no stack does. The receiver takes nothing beyond the end.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                talk.fin(c, Client);
                talk.send(c, Client, b"GET /hidden HTTP/1.1\r\nHost: example\r\n\r\n");
                talk.say(c, Server, OK);
                talk.fin(c, Server);
            },
        ),
        case(
            "refused",
            "A SYN answered by RST: a closed port. `rst` in the flags, state closed, no answer.",
            |c| {
                let mut talk = Talk::between(HERE, THERE);
                talk.syn(c);
                let refusal = Segment {
                    seq: 0,
                    window: 0,
                    ..talk.segment(Server, flag::RST | flag::ACK, b"", &[])
                };
                talk.put(c, Server, &refusal);
            },
        ),
        case(
            "port-reused",
            "The same pair of ports is used again two seconds after the first conversation ended: two flows, two requests.",
            |c| {
                for start in [1_000_000, 900_000_000] {
                    let mut talk = Talk::between(HERE, THERE);
                    talk.seq = [start, start + 7];
                    talk.syn(c);
                    talk.accept(c);
                    talk.ack(c, Client);
                    talk.say(c, Client, GET);
                    talk.say(c, Server, OK);
                    talk.close(c);
                    c.wait(2 * SECOND);
                }
            },
        ),
    ]
}

fn handshakes() -> Vec<Case> {
    vec![
        case(
            "half-open",
            "Three SYN that nobody answers, to three hosts: flows of state `new` that time out (`tcp_new`).",
            |c| {
                for n in 1..=3 {
                    Talk::between((CLIENT, 40_000 + n), (host(192, 0, 2, 100 + n as u8), 80)).syn(c);
                }
                c.wait(90 * SECOND);
                c.frame(net::frame(
                    CLIENT,
                    SERVER,
                    &question_and_answer(CLIENT, SERVER)[0],
                ));
            },
        ),
        case(
            "syn-resent",
            "A SYN again (as after a loss) is nothing; a SYN with another sequence number inside an open conversation is\n\
             `tcp.syn_resend`, and must not make the sensor forget the conversation.",
            |c| {
                let mut talk = Talk::between(HERE, THERE);
                talk.syn(c);
                talk.seq[0] -= 1;
                talk.syn(c);
                talk.accept(c);
                talk.ack(c, Client);
                talk.send(c, Client, &GET[..10]);
                let again = Segment {
                    seq: 77_000_000,
                    ack: 0,
                    ..talk.segment(Client, flag::SYN, b"", &[])
                };
                talk.put(c, Client, &again);
                talk.say(c, Client, &GET[10..]);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "synack-mismatch",
            "A SYN-ACK that acknowledges something that was never sent: forged, or of another conversation. The client would\n\
             answer with RST; the true one opens the conversation.",
            |c| {
                let mut talk = Talk::between(HERE, THERE);
                talk.syn(c);
                let forged = talk.segment(Server, flag::SYN | flag::ACK, b"", &[]);
                talk.put(
                    c,
                    Server,
                    &Segment {
                        ack: forged.ack.wrapping_add(5_000),
                        ..forged
                    },
                );
                talk.accept(c);
                talk.ack(c, Client);
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "data-in-syn",
            "Data in the SYN (TCP Fast Open, RFC 7413): it counts as the beginning of the stream.",
            |c| {
                let mut talk = Talk::between(HERE, THERE);
                let syn = Segment {
                    ack: 0,
                    ..talk.segment(Client, flag::SYN, GET, &[34, 6, 1, 2, 3, 4, 1, 1])
                };
                talk.put(c, Client, &syn);
                talk.skip(Client, 1 + GET.len());
                talk.accept(c);
                talk.ack(c, Client);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
    ]
}

/// A timestamp option (RFC 7323).
fn stamp(value: u32, echo: u32) -> Vec<u8> {
    [&[1, 1, 8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat()
}

fn rules_of_tcp() -> Vec<Case> {
    vec![
        case(
            "urgent",
            "The letter at the urgent pointer. By default it is taken out of the stream, as common stacks do (RFC 6093): the path is\n\
             `/status`. A host that leaves it in would read `/stXatus` (Ptacek and Newsham 1998). `tcp.urgent` says that there was such a choice.",
            |c| {
                let mut talk = open(c);
                let data = b"GET /stXatus HTTP/1.1\r\nHost: example\r\n\r\n";
                let segment = talk.segment(Client, flag::ACK | flag::PSH | URG, data, &[]);
                talk.put(c, Client, &Segment { urgent: 8, ..segment });
                talk.skip(Client, data.len());
                talk.ack(c, Server);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "out-of-window",
            "Data far beyond the window that the server offered: it drops that data, so \"/evil\" was never asked for.",
            |c| {
                let mut talk = open(c);
                talk.put_at(c, Client, 900_000, b"GET /evil HTTP/1.1\r\nHost: example\r\n\r\n");
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "old-timestamp",
            "A segment whose timestamp goes backward: the receiver drops it (PAWS, RFC 7323 section 5), so the stream says\n\
             `/status`, not `/stevils`.",
            |c| {
                let mut talk = Talk::between(HERE, THERE);
                let options = [stamp(5_000, 0), stamp(800, 5_000), stamp(5_010, 800), stamp(5_005, 800)];
                talk.put(c, Client, &Segment { ack: 0, ..talk.segment(Client, flag::SYN, b"", &options[0]) });
                talk.skip(Client, 1);
                talk.put(c, Server, &talk.segment(Server, flag::SYN | flag::ACK, b"", &options[1]));
                talk.skip(Server, 1);
                talk.put(c, Client, &talk.segment(Client, flag::ACK, &GET[..7], &options[2]));
                talk.skip(Client, 7);
                let old = stamp(3_000, 800);
                talk.put(c, Client, &talk.segment(Client, flag::ACK, b"evils", &old));
                talk.put(c, Client, &talk.segment(Client, flag::ACK, &GET[7..], &stamp(5_020, 800)));
                talk.skip(Client, GET.len() - 7);
                let late = stamp(810, 5_020);
                talk.put(c, Server, &talk.segment(Server, flag::ACK, OK, &late));
                talk.skip(Server, OK.len());
                let last = stamp(5_030, 810);
                talk.put(c, Client, &talk.segment(Client, flag::FIN | flag::ACK, b"", &last));
                talk.skip(Client, 1);
                let last = stamp(820, 5_030);
                talk.put(c, Server, &talk.segment(Server, flag::FIN | flag::ACK, b"", &last));
            },
        ),
        case(
            "impossible-ack",
            "Data without ACK, and data that acknowledges what the server cannot have sent: the receiver drops both (RFC 9293,\n\
             3.10.7.4), so neither \"evil\" is in the path.",
            |c| {
                let mut talk = open(c);
                talk.send(c, Client, &GET[..7]);
                talk.put(c, Client, &talk.segment(Client, flag::PSH, b"evil1", &[]));
                let far = talk.segment(Client, flag::ACK | flag::PSH, b"evil2", &[]);
                talk.put(
                    c,
                    Client,
                    &Segment {
                        ack: far.ack.wrapping_add(500_000_000),
                        ..far
                    },
                );
                talk.say(c, Client, &GET[7..]);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "ack-of-unseen",
            "The server acknowledges 400 bytes that the capture does not hold: packets were lost on the way to us, not on the way\n\
             to the server. `tcp.ack_of_unseen` says that the sensor's view has holes.",
            |c| {
                let mut talk = open(c);
                talk.skip(Client, 400);
                talk.ack(c, Server);
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                talk.close(c);
            },
        ),
        case(
            "buffer-limit",
            "A hole that is never filled, and behind it more than `stream_memory_per_direction` has room for: older data is given\n\
             up and it is said; memory stays bounded.",
            |c| {
                let mut talk = open(c);
                for n in 1..=8 {
                    talk.put_at(c, Client, 1_000 * n, &[b'x'; 1_000]);
                }
                talk.close(c);
            },
        )
        .with("config.toml", "[limits]\nstream_memory_per_direction = \"4K\"\n"),
    ]
}

fn times() -> Vec<Case> {
    let tick = |c: &mut Capture, port: u16| {
        let from: End = (host(192, 0, 2, 99), port);
        c.udp(from, (SERVER, 9_999), b"tick");
    };
    vec![
        case(
            "time-outs",
            "Silence ends conversations by their state: a UDP question without answer after 30 s, one whose names were all\n\
             answered after 10 s, an established TCP conversation after 600 s, one with a FIN after 60 s. Ticks of another\n\
             host move the clock.",
            move |c| {
                let [ask, tell] = question_and_answer(CLIENT, SERVER);
                c.frame(net::frame(CLIENT, SERVER, &ask));
                c.frame(net::frame(SERVER, CLIENT, &tell));
                c.udp((CLIENT, 41_000), (SERVER, 9_998), b"anybody there?");
                let mut talk = open(c);
                talk.say(c, Client, GET);
                talk.say(c, Server, OK);
                let mut half = Talk::open(c, (CLIENT, 40_002), THERE);
                half.say(c, Client, GET);
                half.say(c, Server, OK);
                half.fin(c, Client);
                for n in 0..12 {
                    c.wait(60 * SECOND);
                    tick(c, 42_000 + n);
                }
            },
        )
        .with(
            "config.toml",
            "[timeouts]\ntcp_established = 600\ntcp_closing = 60\nudp_new = 30\nudp_established = 120\nudp_settled = 10\n",
        ),
        case(
            "time-goes-backward",
            "A clock that is set back by an hour within a conversation (merged captures, NTP step): events keep the packet's own\n\
             time, order and time-outs go by the largest time seen. One conversation, nothing lost.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                c.wait(-3_600 * SECOND);
                talk.say(c, Server, OK);
                talk.close(c);
                c.frame(net::frame(
                    CLIENT,
                    SERVER,
                    &question_and_answer(CLIENT, SERVER)[0],
                ));
            },
        ),
        case(
            "time-leaps",
            "The clock leaps a day ahead within a conversation: it has timed out by then, and what comes later is a new one, picked\n\
             up midstream.",
            |c| {
                let mut talk = open(c);
                talk.say(c, Client, GET);
                c.wait(86_400 * SECOND);
                talk.say(c, Server, OK);
                c.wait(5 * MS);
                talk.close(c);
            },
        ),
    ]
}
