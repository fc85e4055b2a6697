//! The enforcer's end of the line to the hand: starting it, orders, answers.
//!
//! Owns: the socket pair, the hand's process, numbers of orders. Does not own: their layout
//! (`orders`) and carrying them out (`hand`).

use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::orders::{Answer, DATAGRAM, Order, Status};

/// How long an order of the start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The enforcer's end.
pub struct Channel {
    socket: OwnedFd,
    child: Child,
    next: u32,
    buffer: Vec<u8>,
}

/// The hand is gone: nothing can be put in force any more.
#[derive(Debug, thiserror::Error)]
#[error("the hand is gone: {0}")]
pub struct Gone(String);

impl Channel {
    /// Starts a hand. `arguments` follow its subcommand; `prepared` is what it may load.
    ///
    /// # Errors
    /// Where it cannot be started, or does not report within some seconds.
    pub fn start(arguments: &[String], prepared: &str) -> anyhow::Result<Channel> {
        let (ours, its) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .context("cannot make a pair of sockets")?;
        let memory = rustix::fs::memfd_create("prepared", MemfdFlags::CLOEXEC)
            .context("cannot make memory for the ruleset")?;
        let mut memory = std::fs::File::from(memory);
        memory
            .write_all(prepared.as_bytes())
            .and_then(|()| memory.seek(SeekFrom::Start(0)))
            .context("cannot hand the ruleset over")?;
        // The two descriptors take the places of standard input and output, which need no unsafe
        // code to be handed on. Its log goes where ours does.
        let child = Command::new("/proc/self/exe")
            .arg0("citywall-hand")
            .arg("hand")
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::from(its))
            .stdout(Stdio::from(memory))
            .spawn()
            .context("cannot start the hand")?;
        rustix::io::ioctl_fionbio(&ours, true).context("cannot set the socket up")?;
        let mut channel = Channel {
            socket: ours,
            child,
            next: 1,
            buffer: vec![0; DATAGRAM],
        };
        match channel.wait_for(0)? {
            answer if answer.status == Status::Done => Ok(channel),
            answer => bail!("the hand cannot work: {}", answer.sentence),
        }
    }

    /// The hand's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// To wait for answers on.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Gives an order; its number comes back with the answer.
    ///
    /// # Errors
    /// `Ok(Err)` where it is no order or the hand is behind; `Gone`.
    pub fn order(&mut self, order: &Order) -> Result<Result<u32, String>, Gone> {
        let number = self.next;
        let bytes = match order.encode(number) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.to_string())),
        };
        // Zero is the hand's first word.
        self.next = self.next.checked_add(1).unwrap_or(1);
        match rustix::net::send(&self.socket, &bytes, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(Ok(number)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(Err("the hand is behind with its orders".into())),
            Err(error) => Err(Gone(error.to_string())),
        }
    }

    /// The next answer, where there is one.
    ///
    /// # Errors
    /// `Gone`; also where it says what is no answer, as it cannot be relied on then.
    pub fn answer(&mut self) -> Result<Option<Answer>, Gone> {
        match rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((_, 0)) => Err(Gone(self.ending())),
            Ok((_, length)) => {
                let bytes = self.buffer.get(..length).unwrap_or(&[]);
                Answer::decode(bytes).map(Some).map_err(|e| Gone(e.to_string()))
            }
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(Gone(error.to_string())),
        }
    }

    /// Gives an order and waits for its answer. For the start and the end, when nothing else is
    /// under way.
    ///
    /// # Errors
    /// Where it was not done.
    pub fn call(&mut self, order: &Order) -> anyhow::Result<Answer> {
        let number = self.order(order)?.map_err(anyhow::Error::msg)?;
        let answer = self.wait_for(number)?;
        match answer.status {
            Status::Done => Ok(answer),
            _ => bail!("{}", answer.sentence),
        }
    }

    fn wait_for(&mut self, number: u32) -> anyhow::Result<Answer> {
        let until = Instant::now() + PATIENCE;
        let mut held = Vec::new();
        loop {
            while let Some(mut answer) = self.answer()? {
                if answer.number != number {
                    continue;
                }
                held.append(&mut answer.held);
                if answer.status != Status::More {
                    answer.held = held;
                    return Ok(answer);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the hand does not answer");
            }
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            let left = Timespec::try_from(left).context("a time")?;
            match poll(&mut fds, Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for the hand"),
            }
        }
    }

    /// How its process ended.
    fn ending(&mut self) -> String {
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return error.to_string(),
            }
        }
        "it closed its line".into()
    }

    /// Lets the hand end, and waits a bounded time for it.
    pub fn end(mut self) {
        let _ = self.call(&Order::End);
        drop(self.socket);
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
