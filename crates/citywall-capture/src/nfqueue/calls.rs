//! The system calls of a queue that have no safe interface: recvmmsg(2), socket options of netlink,
//! and sending a packet to a hardware address (packet(7)).
//!
//! Owns: these calls and the buffers that they fill. Does not own: what the bytes mean.
//!
//! This module may use `unsafe`. Invariants: the pointers that are handed to the kernel point into
//! buffers that this value owns and that do not move while the call runs; lengths that come back
//! are cut to the buffers' own.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Datagrams of one call.
const DATAGRAMS: usize = 32;
/// Bytes of one: the longest packet with its attributes.
const DATAGRAM: usize = 66 * 1024;

/// `SOL_NETLINK` and `NETLINK_NO_ENOBUFS` (netlink(7)).
const SOL_NETLINK: c_int = 270;
const NETLINK_NO_ENOBUFS: c_int = 5;

/// Buffers for many datagrams.
pub(super) struct Batch {
    memory: Vec<u8>,
    lengths: [usize; DATAGRAMS],
}

impl Batch {
    pub(super) fn new() -> Batch {
        Batch {
            memory: vec![0; DATAGRAMS * DATAGRAM],
            lengths: [0; DATAGRAMS],
        }
    }

    /// Takes at most `limit` datagrams that wait; gives how many.
    pub(super) fn receive(&mut self, socket: &OwnedFd, limit: usize) -> io::Result<usize> {
        let limit = limit.min(DATAGRAMS);
        if limit == 0 {
            return Ok(0);
        }
        // SAFETY: `iovec` and `mmsghdr` are plain data, for which all zeroes are a value.
        let (mut vectors, mut heads): ([libc::iovec; DATAGRAMS], [libc::mmsghdr; DATAGRAMS]) =
            unsafe { (zeroed(), zeroed()) };
        let places = self.memory.chunks_exact_mut(DATAGRAM);
        for ((vector, head), place) in vectors.iter_mut().zip(&mut heads).zip(places) {
            vector.iov_base = place.as_mut_ptr().cast::<c_void>();
            vector.iov_len = place.len();
            head.msg_hdr.msg_iov = vector;
            head.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: each of the first `limit` heads points to one vector, and each vector to a part of
        // `memory` of its own; all outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                heads.as_mut_ptr(),
                limit as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        for (length, head) in self.lengths.iter_mut().zip(&heads) {
            *length = (head.msg_len as usize).min(DATAGRAM);
        }
        Ok((count as usize).min(limit))
    }

    /// One of those that the last call took.
    pub(super) fn datagram(&self, index: usize) -> Option<&[u8]> {
        let length = *self.lengths.get(index)?;
        self.memory.get(index * DATAGRAM..index * DATAGRAM + length)
    }
}

fn option(socket: &OwnedFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads one number, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The receive buffer (beyond the system's limit where that is allowed, else up to it), and no
/// errors for what did not fit: the kernel deals with such packets as the queue's flags say.
pub(super) fn set_up(socket: &OwnedFd, receive_buffer: usize) -> io::Result<()> {
    let bytes = c_int::try_from(receive_buffer).unwrap_or(c_int::MAX);
    if option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes).is_err() {
        option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)?;
    }
    option(socket, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
}

/// Sends IP packets to the one who handed a packet to us, on the link where it came in: that needs
/// neither a route nor an address, so it works on a bridge too, and what is sent passes no rule.
pub struct Answerer(OwnedFd);

impl Answerer {
    /// Opens the socket that sends; it receives nothing. Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Answerer> {
        // SAFETY: the call takes numbers only.
        let fd = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                0,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Answerer(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends one packet, from its IP header on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(&self, interface: u32, to: [u8; 6], packet: &[u8]) -> io::Result<()> {
        let ethertype = match packet.first().map(|b| b >> 4) {
            Some(4) => libc::ETH_P_IP,
            Some(6) => libc::ETH_P_IPV6,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        // SAFETY: `sockaddr_ll` is plain data, for which all zeroes are a value.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (ethertype as u16).to_be();
        address.sll_ifindex = c_int::try_from(interface).map_err(io::Error::other)?;
        address.sll_halen = 6;
        for (place, byte) in address.sll_addr.iter_mut().zip(to) {
            *place = byte;
        }
        // SAFETY: packet and address outlive the call and have the lengths that are given.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}
