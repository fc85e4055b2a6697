//! NFQUEUE: the kernel holds packets until we say what becomes of them.
//!
//! Owns: the netlink socket of one queue, receiving many packets at a call, verdicts (many in one
//! datagram, one verdict for a run of packets), and sending an answer to whom a packet came from.
//! Does not own: what a packet says, and the verdict. This is for the process that holds
//! CAP_NET_ADMIN (and CAP_NET_RAW for answers): it parses the kernel's netlink and nothing else.
//!
//! `unsafe` stands in `calls` alone.

mod calls;
mod message;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};

pub use calls::Answerer;
use calls::Batch;
pub use message::{Message, Messages, QueueOptions, Queued, Verdict, Writer};

/// Bytes of the longest packet that can be replaced: what fits an attribute.
pub const MAX_PAYLOAD: usize = 65_531;

/// Bytes of verdicts that are collected before they are sent.
const FLUSH: usize = 16 * 1024;

/// A message of the kernel that does not hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A message's length does not fit.
    #[error("a netlink message's length does not fit its datagram")]
    Length,
    /// An attribute's length does not fit.
    #[error("a netlink attribute's length does not fit its message")]
    Attribute,
    /// A packet without an id.
    #[error("a queued packet has no id")]
    NoId,
}

/// A queue that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("queue {queue}: {step}: {error}{}", hint(error))]
pub struct QueueError {
    /// Its number.
    pub queue: u16,
    /// What was to be done.
    pub step: &'static str,
    /// What the kernel said.
    pub error: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => " (CAP_NET_ADMIN is needed, or another process holds this queue)",
        Some(libc::EBUSY) => " (another process holds this queue)",
        Some(libc::EPROTONOSUPPORT) => " (this kernel has no NETLINK_NETFILTER)",
        _ => "",
    }
}

/// One queue.
pub struct Queue {
    socket: OwnedFd,
    number: u16,
    batch: Batch,
    out: Writer,
}

impl Queue {
    /// Takes the queue.
    ///
    /// # Errors
    /// Where the kernel refuses; the text says what is missing.
    pub fn open(number: u16, options: &QueueOptions) -> Result<Queue, QueueError> {
        let step = |step| {
            move |error: io::Error| QueueError {
                queue: number,
                step,
                error,
            }
        };
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::NETFILTER),
        )
        .map_err(|e| step("opening a netlink socket")(e.into()))?;
        rustix::net::bind(&socket, &netlink::SocketAddrNetlink::new(0, 0))
            .map_err(|e| step("binding the netlink socket")(e.into()))?;
        calls::set_up(&socket, options.receive_buffer).map_err(step("setting the socket's buffer"))?;
        let mut queue = Queue {
            socket,
            number,
            batch: Batch::new(),
            out: Writer::default(),
        };
        queue.out.bind(number);
        queue.ask().map_err(step("taking the queue"))?;
        queue.out.setup(number, options);
        queue.ask().map_err(step("setting the queue up"))?;
        rustix::io::ioctl_fionbio(&queue.socket, true)
            .map_err(|e| step("making the socket non-blocking")(e.into()))?;
        Ok(queue)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// To be polled for reading.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends what was written and waits for the kernel's answer.
    fn ask(&mut self) -> io::Result<()> {
        rustix::net::send(&self.socket, self.out.bytes(), rustix::net::SendFlags::empty())?;
        self.out.clear();
        let mut buffer = [0; 4_096];
        // A packet may come between; it is lost then, and dropped or passed when the socket ends.
        for _ in 0..64 {
            let (len, _) = rustix::net::recv(&self.socket, &mut buffer[..], rustix::net::RecvFlags::empty())?;
            for message in Messages::new(buffer.get(..len).unwrap_or(&[])) {
                match message {
                    Ok(Message::Answer(0)) => return Ok(()),
                    Ok(Message::Answer(code)) => return Err(io::Error::from_raw_os_error(-code)),
                    _ => {}
                }
            }
        }
        Err(io::Error::other("the kernel does not answer"))
    }

    /// Hands at most `limit` packets that wait to `each`; does not block. Gives how many came. What
    /// does not parse is counted in `errors`: such a packet gets no verdict.
    ///
    /// # Errors
    /// What the socket says, but for "nothing there" and "the buffer overflowed" (the kernel then
    /// did with the packets what it does without room).
    pub fn receive(
        &mut self,
        limit: usize,
        errors: &mut u64,
        mut each: impl FnMut(&Queued<'_>),
    ) -> io::Result<usize> {
        let count = match self.batch.receive(&self.socket, limit) {
            Ok(count) => count,
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR | libc::ENOBUFS) => return Ok(0),
                _ => return Err(error),
            },
        };
        let mut packets = 0;
        for datagram in (0..count).filter_map(|i| self.batch.datagram(i)) {
            for message in Messages::new(datagram) {
                match message {
                    Ok(Message::Packet { packet, .. }) => {
                        packets += 1;
                        each(&packet);
                    }
                    // A verdict on a packet that is gone.
                    Ok(Message::Answer(_) | Message::Other) => {}
                    Err(_) => *errors += 1,
                }
            }
        }
        Ok(packets)
    }

    /// A verdict on one packet, sent with `flush`, or earlier where many are collected.
    ///
    /// # Errors
    /// What the socket says; a payload that is too long.
    pub fn verdict(
        &mut self,
        id: u32,
        verdict: Verdict,
        mark: Option<u32>,
        payload: &[u8],
    ) -> io::Result<()> {
        self.out
            .verdict(self.number, id, verdict, mark, payload)
            .map_err(io::Error::other)?;
        if self.out.bytes().len() >= FLUSH {
            self.flush()?;
        }
        Ok(())
    }

    /// The same verdict on all packets up to `id` that have none yet.
    ///
    /// # Errors
    /// What the socket says.
    pub fn verdict_up_to(&mut self, id: u32, verdict: Verdict, mark: Option<u32>) -> io::Result<()> {
        self.out.verdict_up_to(self.number, id, verdict, mark);
        if self.out.bytes().len() >= FLUSH {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends the verdicts that were collected.
    ///
    /// # Errors
    /// What the socket says.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.out.bytes().is_empty() {
            return Ok(());
        }
        let sent = rustix::net::send(&self.socket, self.out.bytes(), rustix::net::SendFlags::empty());
        self.out.clear();
        sent?;
        Ok(())
    }
}
