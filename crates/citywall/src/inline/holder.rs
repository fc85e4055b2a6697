//! The half that holds the queue: it has rights and parses nothing but netlink.
//!
//! Owns: taking packets from the kernel to the parser and verdicts back, and the zone's choice where
//! there is no verdict in time. Does not own: judging, starting parsers.
//!
//! The parser is taken to be hostile: it may only drop, mark or change a packet that it was given,
//! or answer the one who sent it. A change keeps the packet's two parties, an answer swaps them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use citywall_capture::nfqueue::{Answerer, Queue, QueueOptions, Queued, Verdict};
use citywall_capture::shared::{HolderEnd, Reply, RingError, Told, receive_message, wait};

/// Packets taken from a queue at a time: few, so that verdicts do not wait behind a burst.
const AT_ONCE: usize = 8;
/// A parser that answers nothing for so long is given up.
const STUCK: Duration = Duration::from_secs(2);
/// The longest wait: after that it is looked at whether to stop, or whether there is a parser.
const IDLE: Duration = Duration::from_millis(50);
/// Conntrack is to take packets whose numbers it does not expect: both sides of a spliced session
/// count differently, and it sees them before we do.
const LIBERAL: &str = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal";

/// How the queues are held.
#[derive(Clone, Debug)]
pub struct Options {
    /// The queue whose packets pass where nobody judges.
    pub open: Option<u16>,
    /// The queue whose packets are dropped where nobody judges.
    pub closed: Option<u16>,
    /// A packet that is not judged after so long is late.
    pub late: Duration,
    /// How long to look for verdicts before waiting to be woken.
    pub spin: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            open: Some(100),
            closed: Some(101),
            late: Duration::from_millis(20),
            spin: Duration::from_micros(20),
        }
    }
}

/// Where parsers come from.
pub trait Parsers {
    /// A parser's socket, where one was started since the last; asked while there is none. Must not
    /// block.
    fn next(&mut self) -> Option<OwnedFd>;
    /// The parser is gone, or is given up: it should be ended, and another one started.
    fn lost(&mut self, why: &str);
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Packets that passed unjudged.
    pub passed: u64,
    /// Packets that were dropped unjudged.
    pub dropped: u64,
    /// Times that the parser was late.
    pub late: u64,
    /// Verdicts that could not be: the zone's choice held.
    pub invalid: u64,
    /// Parsers lost.
    pub lost: u64,
    /// Netlink messages that do not parse.
    pub errors: u64,
    /// Answers that could not be sent.
    pub unsent: u64,
}

/// A packet whose verdict is awaited.
struct Pending {
    queue: usize,
    id: u32,
    since: Instant,
    /// The zone's choice held already.
    given_up: bool,
    in_interface: u32,
    from_hardware: Option<[u8; 6]>,
    /// The beginning of the packet as it was: the parties are read from here.
    head: [u8; 64],
    head_len: usize,
}

/// A queue and its zones' choice.
struct Held {
    queue: Queue,
    unjudged: Verdict,
    /// Verdicts that are the same for all packets up to this one.
    run: Option<(u32, Verdict, Option<u32>)>,
}

/// The queues, opened.
pub struct Holder {
    options: Options,
    queues: Vec<Held>,
    answerer: Option<Answerer>,
    pending: VecDeque<Pending>,
    /// The parser was late and has not caught up: packets are not given to it.
    stalled: Option<Instant>,
    reply: Reply,
    /// What was counted.
    pub counts: Counts,
}

struct Parser {
    end: HolderEnd,
    socket: OwnedFd,
}

impl Holder {
    /// Takes the queues. Needs CAP_NET_ADMIN; CAP_NET_RAW for answers.
    ///
    /// # Errors
    /// Where a queue cannot be had.
    pub fn open(options: Options) -> anyhow::Result<Holder> {
        let mut queues = Vec::new();
        for (number, unjudged) in [(options.open, Verdict::Accept), (options.closed, Verdict::Drop)] {
            let Some(number) = number else { continue };
            let settings = QueueOptions {
                fail_open: unjudged == Verdict::Accept,
                ..QueueOptions::default()
            };
            queues.push(Held {
                queue: Queue::open(number, &settings)?,
                unjudged,
                run: None,
            });
        }
        if let Err(error) = std::fs::write(LIBERAL, "1") {
            log::warn!(
                "{LIBERAL}: {error}: sessions in which a command was denied may be dropped as invalid"
            );
        }
        let answerer = Answerer::open()
            .inspect_err(|error| log::warn!("no packet socket ({error}): denied commands get no answer"))
            .ok();
        Ok(Holder {
            options,
            queues,
            answerer,
            pending: VecDeque::new(),
            stalled: None,
            reply: Reply::default(),
            counts: Counts::default(),
        })
    }

    /// Holds the queues until `stop`.
    ///
    /// # Errors
    /// Where a queue's socket fails.
    pub fn run(&mut self, parsers: &mut dyn Parsers, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut parser: Option<Parser> = None;
        while !stop.load(Ordering::Relaxed) {
            if parser.is_none() {
                parser = parsers.next().and_then(|socket| self.meet(socket, parsers));
            }
            let broken = match &mut parser {
                Some(parser) => self.verdicts(parser),
                None => None,
            };
            if let Some(why) = broken {
                self.lose(&mut parser, parsers, why)?;
            }
            self.late()?;
            self.flush()?;
            let taken = self.packets(parser.as_mut())?;
            self.flush()?;
            if taken == 0 {
                self.wait(&mut parser, parsers)?;
            }
        }
        self.give_up_all()?;
        self.flush()
    }

    fn meet(&mut self, socket: OwnedFd, parsers: &mut dyn Parsers) -> Option<Parser> {
        match HolderEnd::offer(socket.as_fd()) {
            Ok(end) => {
                log::info!("a parser judges");
                self.stalled = None;
                Some(Parser { end, socket })
            }
            Err(error) => {
                parsers.lost(&format!("no ring for it: {error}"));
                None
            }
        }
    }

    /// Takes the verdicts that are there. Gives why the parser is broken, where it is.
    fn verdicts(&mut self, parser: &mut Parser) -> Option<&'static str> {
        let mut reply = std::mem::take(&mut self.reply);
        let mut broken = None;
        loop {
            let valid = match parser.end.ring.take(&mut reply) {
                Ok(false) => break,
                Ok(true) => true,
                Err(RingError::Slot) => false,
                Err(RingError::Cursor) => {
                    broken = Some("it wrote a cursor that cannot be");
                    break;
                }
            };
            let Some(pending) = self.pending.pop_front() else {
                break;
            };
            if !pending.given_up
                && let Err(error) = self.settle(&pending, &reply, valid)
            {
                log::warn!("a verdict could not be given: {error}");
            }
        }
        self.reply = reply;
        if self.pending.is_empty() && self.stalled.take().is_some() {
            log::info!("the parser has caught up");
        }
        broken
    }

    fn settle(&mut self, pending: &Pending, reply: &Reply, valid: bool) -> io::Result<()> {
        let head = pending.head.get(..pending.head_len).unwrap_or(&[]);
        let fits = valid
            && (reply.payload.is_empty() || same_parties(head, &reply.payload, false))
            && (reply.answer.is_empty() || same_parties(head, &reply.answer, true));
        if !fits {
            self.counts.invalid += 1;
            return self.unjudged(pending.queue, pending.id);
        }
        if !reply.answer.is_empty() {
            let sent = match (&self.answerer, pending.from_hardware) {
                (Some(answerer), Some(to)) => answerer.send(pending.in_interface, to, &reply.answer),
                _ => Err(io::ErrorKind::Unsupported.into()),
            };
            self.counts.unsent += u64::from(sent.is_err());
        }
        let Some(held) = self.queues.get_mut(pending.queue) else {
            return Ok(());
        };
        if reply.payload.is_empty() {
            return held.run(pending.id, reply.verdict, reply.mark);
        }
        held.end_run()?;
        held.queue
            .verdict(pending.id, reply.verdict, reply.mark, &reply.payload)
    }

    /// The zone's choice for one packet. Packets before it may still be awaited, so it stands alone.
    fn unjudged(&mut self, queue: usize, id: u32) -> io::Result<()> {
        let Some(held) = self.queues.get_mut(queue) else {
            return Ok(());
        };
        match held.unjudged {
            Verdict::Accept => self.counts.passed += 1,
            Verdict::Drop => self.counts.dropped += 1,
        }
        held.end_run()?;
        held.queue.verdict(id, held.unjudged, None, &[])
    }

    /// The zone's choice for what waits too long.
    fn late(&mut self) -> io::Result<()> {
        let Some(oldest) = self.pending.iter().find(|p| !p.given_up) else {
            return Ok(());
        };
        if oldest.since.elapsed() < self.options.late {
            return Ok(());
        }
        self.counts.late += 1;
        if self.stalled.is_none() {
            self.stalled = Some(Instant::now());
            log::warn!(
                "the parser is late by more than {} ms: packets pass or are dropped unjudged, as their zones chose",
                self.options.late.as_millis()
            );
        }
        self.give_up_all()
    }

    fn give_up_all(&mut self) -> io::Result<()> {
        let mut waiting = std::mem::take(&mut self.pending);
        for pending in waiting.iter_mut().filter(|p| !p.given_up) {
            pending.given_up = true;
            self.unjudged(pending.queue, pending.id)?;
        }
        self.pending = waiting;
        Ok(())
    }

    fn lose(&mut self, parser: &mut Option<Parser>, parsers: &mut dyn Parsers, why: &str) -> io::Result<()> {
        log::warn!("the parser is gone: {why}: packets pass or are dropped unjudged, as their zones chose");
        self.counts.lost += 1;
        self.give_up_all()?;
        self.pending.clear();
        self.stalled = None;
        *parser = None;
        parsers.lost(why);
        Ok(())
    }

    /// Takes packets from the kernel; gives how many.
    fn packets(&mut self, mut parser: Option<&mut Parser>) -> anyhow::Result<usize> {
        let now = Instant::now();
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX));
        let mut taken = 0;
        for index in 0..self.queues.len() {
            let room = match &parser {
                Some(parser) if self.stalled.is_none() => parser.end.ring.room(),
                _ => AT_ONCE,
            };
            let (mut alone, stalled) = (Vec::new(), self.stalled.is_some());
            let Some(held) = self.queues.get_mut(index) else {
                break;
            };
            let closed = held.unjudged == Verdict::Drop;
            let pending = &mut self.pending;
            let count = held
                .queue
                .receive(room.min(AT_ONCE), &mut self.counts.errors, |packet| {
                    let told = told(packet, closed, at);
                    let pushed = match &mut parser {
                        Some(parser) if !stalled && !packet.cut => {
                            let pushed = parser.end.ring.push(&told, packet.payload);
                            parser.end.wake();
                            pushed
                        }
                        _ => false,
                    };
                    if pushed {
                        pending.push_back(awaited(packet, index, now));
                    } else {
                        alone.push(packet.id);
                    }
                })
                .with_context(|| format!("queue {}", held.queue.number()))?;
            self.counts.packets += count as u64;
            taken += count;
            for id in alone {
                self.unjudged(index, id)?;
            }
        }
        Ok(taken)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        for held in &mut self.queues {
            let sent = held.end_run().and_then(|()| held.queue.flush());
            // A verdict on a packet that the kernel has given up by itself.
            if let Err(error) = sent
                && error.raw_os_error() != Some(2)
            {
                log::warn!("verdicts could not be sent: {error}");
            }
        }
        Ok(())
    }

    fn wait(&mut self, parser: &mut Option<Parser>, parsers: &mut dyn Parsers) -> anyhow::Result<()> {
        let oldest = self.pending.iter().find(|p| !p.given_up);
        let at_most = oldest.map_or(IDLE, |p| {
            self.options
                .late
                .saturating_sub(p.since.elapsed())
                .clamp(Duration::from_micros(100), IDLE)
        });
        let full = parser.as_ref().is_some_and(|p| p.end.ring.room() == 0) && self.stalled.is_none();
        let mut all: Vec<BorrowedFd<'_>> = Vec::with_capacity(4);
        if !full {
            all.extend(self.queues.iter().map(|held| held.queue.fd()));
        }
        let Some(here) = parser else {
            return Ok(wait(&all, IDLE)?);
        };
        all.push(here.socket.as_fd());
        let spin = if self.pending.is_empty() {
            Duration::ZERO
        } else {
            self.options.spin
        };
        here.end.wait(&all, spin, at_most)?;
        let gone = match receive_message(here.socket.as_fd(), &mut [0; 64]) {
            Ok(None) => None,
            Ok(Some(_)) => Some("it spoke out of turn"),
            Err(_) => Some("it ended"),
        };
        let stuck = self.stalled.filter(|since| since.elapsed() > STUCK);
        let gone = gone.or(stuck.map(|_| "it answers nothing"));
        if let Some(why) = gone {
            // What it said last still counts.
            self.verdicts(here);
            self.lose(parser, parsers, why)?;
        }
        Ok(())
    }
}

impl Held {
    /// The same verdict for a run of packets is one message.
    fn run(&mut self, id: u32, verdict: Verdict, mark: Option<u32>) -> io::Result<()> {
        if let Some((_, v, m)) = self.run
            && (v, m) != (verdict, mark)
        {
            self.end_run()?;
        }
        self.run = Some((id, verdict, mark));
        Ok(())
    }

    fn end_run(&mut self) -> io::Result<()> {
        match self.run.take() {
            Some((id, verdict, mark)) => self.queue.verdict_up_to(id, verdict, mark),
            None => Ok(()),
        }
    }
}

fn told(packet: &Queued<'_>, closed: bool, at: i64) -> Told {
    Told {
        closed,
        mark: packet.mark,
        in_interface: packet.in_interface,
        from_hardware: packet.from_hardware,
        offloaded: packet.offloaded,
        at,
    }
}

fn awaited(packet: &Queued<'_>, queue: usize, since: Instant) -> Pending {
    let mut head = [0; 64];
    let head_len = packet.payload.len().min(head.len());
    for (place, byte) in head.iter_mut().zip(packet.payload) {
        *place = *byte;
    }
    Pending {
        queue,
        id: packet.id,
        since,
        given_up: false,
        in_interface: packet.in_interface,
        from_hardware: packet.from_hardware,
        head,
        head_len,
    }
}

/// The parties of an IP packet: source, destination, protocol, and their ports.
#[derive(PartialEq, Eq)]
struct Parties<'a> {
    from: &'a [u8],
    to: &'a [u8],
    protocol: u8,
    ports: Option<[&'a [u8]; 2]>,
}

impl<'a> Parties<'a> {
    fn of(packet: &'a [u8]) -> Option<Parties<'a>> {
        let first = *packet.first()?;
        let (from, to, protocol, transport) = match first >> 4 {
            4 => {
                let header = usize::from(first & 15) * 4;
                (packet.get(12..16)?, packet.get(16..20)?, *packet.get(9)?, header)
            }
            6 => (packet.get(8..24)?, packet.get(24..40)?, *packet.get(6)?, 40),
            _ => return None,
        };
        let ports = match protocol {
            6 | 17 => Some([
                packet.get(transport..transport + 2)?,
                packet.get(transport + 2..transport + 4)?,
            ]),
            _ => None,
        };
        Some(Parties {
            from,
            to,
            protocol,
            ports,
        })
    }

    fn swapped(self) -> Parties<'a> {
        Parties {
            from: self.to,
            to: self.from,
            ports: self.ports.map(|[a, b]| [b, a]),
            ..self
        }
    }
}

/// True where `new` has the parties of `old`, or with `swapped` the other way round.
fn same_parties(old: &[u8], new: &[u8], swapped: bool) -> bool {
    let (Some(old), Some(new)) = (Parties::of(old), Parties::of(new)) else {
        return false;
    };
    old == if swapped { new.swapped() } else { new }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_the_parties_and_an_answer_swaps_them() {
        let mut packet = vec![
            0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        packet.extend_from_slice(&[15, 160, 1, 246, 0, 0, 0, 1]);
        let mut answer = vec![
            0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1,
        ];
        answer.extend_from_slice(&[1, 246, 15, 160, 9, 9, 9, 9]);
        assert!(same_parties(&packet, &packet, false));
        assert!(same_parties(&packet, &answer, true));
        assert!(!same_parties(&packet, &answer, false));
        assert!(!same_parties(&packet, &packet, true));
        let mut other = packet.clone();
        other[15] = 3;
        assert!(!same_parties(&packet, &other, false));
        for cut in 0..packet.len() {
            same_parties(&packet, &packet[..cut], false);
        }
    }
}
