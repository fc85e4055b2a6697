//! Packets from the process that holds the queue to the one that judges them, and verdicts back.
//!
//! Owns: the shared ring, waking the other side, and handing descriptors over a Unix socket. Does
//! not own: netlink (`nfqueue`), judging. Neither side believes the other more than it must; see
//! `ring` for what that is. `unsafe` stands in `memory` alone.

mod memory;
mod ring;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

pub use ring::{ANSWER, HolderRing, PACKET, ParserRing, Reply, RingError, SLOTS, Told};

/// Descriptors that one message may carry.
const DESCRIPTORS: usize = 4;

/// Two ends of a Unix socket that keeps messages apart and says when the other end is gone.
///
/// # Errors
/// What the kernel says.
pub fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one message with descriptors; does not wait where there is no room.
///
/// # Errors
/// What the kernel says; more than four descriptors.
pub fn send_message(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[io::IoSlice::new(bytes)], &mut ancillary, flags)?;
    Ok(())
}

/// Takes one message into `buffer`: its length and descriptors; `None` where none waits.
///
/// # Errors
/// `UnexpectedEof` where the other end is gone, `InvalidData` where the message was longer than
/// `buffer` or carried more descriptors than may be, else what the kernel says.
pub fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let mut into = [io::IoSliceMut::new(buffer)];
    let got = match rustix::net::recvmsg(socket, &mut into, &mut ancillary, flags) {
        Ok(got) => got,
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
        Err(rustix::io::Errno::CONNRESET) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(other) => return Err(other.into()),
    };
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if got.bytes == 0 && descriptors.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some((got.bytes, descriptors)))
}

/// Waits until one of the descriptors can be read or its other end is gone, at most so long.
///
/// # Errors
/// What the kernel says, but for an interruption.
pub fn wait(descriptors: &[BorrowedFd<'_>], at_most: Duration) -> io::Result<()> {
    let mut polled: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|fd| PollFd::new(fd, PollFlags::IN))
        .collect();
    let time = Timespec::try_from(at_most).map_err(io::Error::other)?;
    match rustix::event::poll(&mut polled, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Wakes one process that waits in `wait` (eventfd(2)).
struct Bell(OwnedFd);

impl Bell {
    fn new() -> io::Result<Bell> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Bell(rustix::event::eventfd(0, flags)?))
    }

    fn strike(&self) {
        // Where the counter is full, the other side has enough reason to wake.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    fn silence(&self) {
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

/// Message by which the holder hands the ring over.
const RING: &[u8] = b"ring";

/// The holder's end: the ring and the bells.
pub struct HolderEnd {
    /// The ring.
    pub ring: HolderRing,
    theirs: Bell,
    ours: Bell,
}

impl HolderEnd {
    /// Makes a ring and hands it to the parser at the other end of `socket`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn offer(socket: BorrowedFd<'_>) -> io::Result<HolderEnd> {
        let end = HolderEnd {
            ring: HolderRing::new()?,
            theirs: Bell::new()?,
            ours: Bell::new()?,
        };
        let descriptors = [end.ring.file(), end.theirs.0.as_fd(), end.ours.0.as_fd()];
        send_message(socket, RING, &descriptors)?;
        Ok(end)
    }

    /// Wakes the parser, where it waits.
    pub fn wake(&self) {
        if self.ring.other_sleeps() {
            self.theirs.strike();
        }
    }

    /// Waits for verdicts or for one of `others`: spinning at first, as long as `spin`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&self, others: &[BorrowedFd<'_>], spin: Duration, at_most: Duration) -> io::Result<()> {
        if spin_until(spin, || self.ring.has_news()) {
            return Ok(());
        }
        self.ring.sleep(true);
        if !self.ring.has_news() {
            let all: Vec<BorrowedFd<'_>> = others.iter().copied().chain([self.ours.0.as_fd()]).collect();
            wait(&all, at_most)?;
        }
        self.ring.sleep(false);
        self.ours.silence();
        Ok(())
    }
}

/// The parser's end.
pub struct ParserEnd {
    /// The ring.
    pub ring: ParserRing,
    theirs: Bell,
    ours: Bell,
}

impl ParserEnd {
    /// Takes the ring from a message of the holder; `None` where the message is another.
    ///
    /// # Errors
    /// Where it is not such a ring.
    pub fn accept(message: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<Option<ParserEnd>> {
        if message != RING {
            return Ok(None);
        }
        let [file, ours, theirs] = <[OwnedFd; 3]>::try_from(descriptors)
            .map_err(|_| io::Error::other("the ring comes with three descriptors"))?;
        Ok(Some(ParserEnd {
            ring: ParserRing::map(file)?,
            theirs: Bell(theirs),
            ours: Bell(ours),
        }))
    }

    /// Wakes the holder, where it waits.
    pub fn wake(&self) {
        if self.ring.other_sleeps() {
            self.theirs.strike();
        }
    }

    /// Waits for packets or for one of `others`: spinning at first, as long as `spin`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&self, others: &[BorrowedFd<'_>], spin: Duration, at_most: Duration) -> io::Result<()> {
        if spin_until(spin, || self.ring.has_news()) {
            return Ok(());
        }
        self.ring.sleep(true);
        if !self.ring.has_news() {
            let all: Vec<BorrowedFd<'_>> = others.iter().copied().chain([self.ours.0.as_fd()]).collect();
            wait(&all, at_most)?;
        }
        self.ring.sleep(false);
        self.ours.silence();
        Ok(())
    }
}

fn spin_until(spin: Duration, holds: impl Fn() -> bool) -> bool {
    if spin.is_zero() {
        return holds();
    }
    let start = Instant::now();
    loop {
        for _ in 0..32 {
            if holds() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.elapsed() >= spin {
            return false;
        }
    }
}
