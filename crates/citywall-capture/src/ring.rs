//! The kernel's packet ring, and the calls that set it up.
//!
//! Owns: the AF_PACKET socket with its TPACKET_V3 ring (packet(7), and the kernel's
//! Documentation/networking/packet_mmap.rst), fan-out, what the kernel knows of an interface. Does
//! not own: what lies in a block (`block`).
//!
//! This module may use `unsafe`, because a mapped ring and socket options have no safe interface in
//! the standard library. It hands out blocks as slices and takes nothing from the network: all that
//! is parsed here are answers of the kernel.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::block::STATUS;

/// What the kernel knows of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its number.
    pub index: c_int,
    /// `ARPHRD_*`: how its frames start.
    pub hardware: u16,
    /// `IFF_*`.
    pub flags: c_int,
    /// Largest payload of a frame.
    pub mtu: c_int,
}

impl Device {
    /// Switched on.
    pub(crate) fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP != 0
    }

    /// Switched on and connected.
    pub(crate) fn has_carrier(&self) -> bool {
        self.flags & libc::IFF_RUNNING != 0
    }

    /// The host's own loopback.
    pub(crate) fn is_loopback(&self) -> bool {
        self.flags & libc::IFF_LOOPBACK != 0
    }
}

/// Asks the kernel about an interface of this network namespace. Needs no right.
pub(crate) fn device(name: &str) -> io::Result<Device> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM)?;
    let ask = |request| -> io::Result<libc::ifreq> {
        // SAFETY: `ifreq` is plain data, for which all zeroes are a value.
        let mut about: libc::ifreq = unsafe { zeroed() };
        let room = about.ifr_name.len() - 1;
        if name.is_empty() || name.len() > room {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in about.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        // SAFETY: the four requests below read and write one `ifreq`, which outlives the call, and
        // its name ends with a zero because it is shorter than its place.
        check(unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut about) })?;
        Ok(about)
    };
    let (index, hardware) = (ask(libc::SIOCGIFINDEX)?, ask(libc::SIOCGIFHWADDR)?);
    let (flags, mtu) = (ask(libc::SIOCGIFFLAGS)?, ask(libc::SIOCGIFMTU)?);
    // SAFETY: each request fills the member that is read here, all members are plain data, and the
    // whole union was initialised with zeroes before.
    unsafe {
        Ok(Device {
            index: index.ifr_ifru.ifru_ifindex,
            hardware: hardware.ifr_ifru.ifru_hwaddr.sa_family,
            flags: c_int::from(flags.ifr_ifru.ifru_flags),
            mtu: mtu.ifr_ifru.ifru_mtu,
        })
    }
}

/// Names of all interfaces of this network namespace.
pub(crate) fn device_names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: the list ends with an entry whose index is 0; until it is freed below, each name
    // before that is a string that ends with a zero. A null pointer means failure.
    unsafe {
        let list = libc::if_nameindex();
        let mut entry = list;
        while !entry.is_null() && (*entry).if_index != 0 {
            names.push(CStr::from_ptr((*entry).if_name).to_string_lossy().into_owned());
            entry = entry.add(1);
        }
        if !list.is_null() {
            libc::if_freenameindex(list);
        }
    }
    names
}

/// How a ring is set up.
pub(crate) struct RingOptions {
    /// Frames with their link header; else what follows it.
    pub with_link_header: bool,
    /// Bytes of a block: a power of two, and whole pages.
    pub block_size: u32,
    /// Number of blocks.
    pub blocks: u32,
    /// After so many milliseconds a block that is not full is handed over.
    pub retire_ms: u32,
    /// Bytes of each frame that are kept; 0 for all.
    pub snaplen: u32,
    /// Take frames for other hosts too.
    pub promiscuous: bool,
    /// Share the traffic with the other sockets of this group.
    pub fanout_group: Option<u16>,
}

/// A step of the set-up that failed.
pub(crate) struct SetupError {
    /// What was to be done.
    pub step: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

fn step<T>(step: &'static str, done: io::Result<T>) -> Result<T, SetupError> {
    done.map_err(|source| SetupError { step, source })
}

/// A packet socket with a ring of blocks that the kernel fills one after the other.
pub(crate) struct Ring {
    /// Kept open for the mapping's sake, polled and asked for statistics.
    socket: OwnedFd,
    memory: NonNull<u8>,
    block_size: usize,
    blocks: usize,
    current: usize,
}

// SAFETY: the mapping belongs to this value alone, no thread-local state is involved, and all
// access to it goes through `&self` or `&mut self` of the one owner.
unsafe impl Send for Ring {}

/// What waiting came to.
pub(crate) enum Readiness {
    /// A block may be ready.
    Ready,
    /// Nothing came within the wait; ask again.
    Idle,
}

impl Ring {
    /// Opens a socket on an interface. Its frames begin to arrive only once all is set up.
    pub(crate) fn open(device: &Device, options: &RingOptions) -> Result<Ring, SetupError> {
        let kind = if options.with_link_header {
            libc::SOCK_RAW
        } else {
            libc::SOCK_DGRAM
        };
        let fd = step("opening a packet socket", socket(libc::AF_PACKET, kind))?;
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        step(
            "choosing TPACKET_V3",
            set(&fd, libc::SOL_PACKET, libc::PACKET_VERSION, &version),
        )?;
        if options.snaplen > 0 {
            step("setting the snap length", set_snaplen(&fd, options.snaplen))?;
        }
        let ring = step("mapping the ring", map(fd, options))?;
        step("binding to the interface", bind(&ring.socket, device))?;
        if options.promiscuous {
            let wish = libc::packet_mreq {
                mr_ifindex: device.index,
                mr_type: libc::PACKET_MR_PROMISC as u16,
                mr_alen: 0,
                mr_address: [0; 8],
            };
            let joined = set(&ring.socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &wish);
            step("turning promiscuous mode on", joined)?;
        }
        if let Some(group) = options.fanout_group {
            let how = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG;
            let joined = set(
                &ring.socket,
                libc::SOL_PACKET,
                libc::PACKET_FANOUT,
                &(u32::from(group) | how << 16),
            );
            step("joining the fan-out group", joined)?;
        }
        Ok(ring)
    }

    /// The next block, where the kernel is done with it. Its bytes do not change until `release`.
    pub(crate) fn block(&self) -> Option<&[u8]> {
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the block lies in the mapping, which lives as long as `self`. The status that was
        // just read says that the kernel handed the block over: it will not write there before
        // `release` stores another status, which needs `&mut self` and so ends this borrow.
        Some(unsafe { std::slice::from_raw_parts(self.start().as_ptr(), self.block_size) })
    }

    /// Gives the block back to the kernel and goes to the next one.
    pub(crate) fn release(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.current = (self.current + 1) % self.blocks;
    }

    /// Waits until a block is ready, at most so many milliseconds. An error is the interface's.
    pub(crate) fn wait(&self, timeout_ms: c_int) -> io::Result<Readiness> {
        let mut wish = libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events: libc::POLLIN | libc::POLLERR,
            revents: 0,
        };
        // SAFETY: one `pollfd` that outlives the call.
        let count = match check(unsafe { libc::poll(&raw mut wish, 1, timeout_ms) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Readiness::Idle),
            other => other?,
        };
        if wish.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0 {
            let mut code: c_int = 0;
            get(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR, &mut code)?;
            if code != 0 {
                return Err(io::Error::from_raw_os_error(code));
            }
        }
        Ok(if count > 0 {
            Readiness::Ready
        } else {
            Readiness::Idle
        })
    }

    /// Frames that found no room in the ring since the last time this was asked.
    pub(crate) fn take_drops(&self) -> io::Result<u64> {
        let mut counts = libc::tpacket_stats_v3 {
            tp_packets: 0,
            tp_drops: 0,
            tp_freeze_q_cnt: 0,
        };
        get(
            &self.socket,
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            &mut counts,
        )?;
        Ok(u64::from(counts.tp_drops))
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: `current` is below `blocks`, so the block starts within the mapping.
        unsafe { self.memory.add(self.current * self.block_size) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: the status is an aligned word within the block (blocks are whole pages), the
        // mapping lives as long as `self`, and both sides access the word as a whole.
        unsafe { AtomicU32::from_ptr(self.start().add(STATUS).cast().as_ptr()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `map` mapped, and no slice of it outlives `self`. A
        // failure leaves the mapping in place, which harms nothing.
        unsafe {
            libc::munmap(self.memory.as_ptr().cast(), self.block_size * self.blocks);
        }
    }
}

/// Asks the kernel for a ring and maps it.
fn map(socket: OwnedFd, options: &RingOptions) -> io::Result<Ring> {
    // TPACKET_V3 packs frames of any size into a block; the frame size only has to be plausible.
    let frame_size = 2048;
    let wish = libc::tpacket_req3 {
        tp_block_size: options.block_size,
        tp_block_nr: options.blocks,
        tp_frame_size: frame_size,
        tp_frame_nr: (options.block_size / frame_size).saturating_mul(options.blocks),
        tp_retire_blk_tov: options.retire_ms,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    set(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &wish)?;
    let (block_size, blocks) = (options.block_size as usize, options.blocks as usize);
    let len = block_size
        .checked_mul(blocks)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address that the kernel chooses touches no other memory.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            access,
            libc::MAP_SHARED,
            socket.as_raw_fd(),
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
    Ok(Ring {
        socket,
        memory,
        block_size,
        blocks,
        current: 0,
    })
}

/// Lets the kernel cut frames: a filter (socket(7), `SO_ATTACH_FILTER`) that accepts so many bytes.
fn set_snaplen(socket: &OwnedFd, snaplen: u32) -> io::Result<()> {
    let mut accept = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: snaplen,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut accept,
    };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn bind(socket: &OwnedFd, device: &Device) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` is plain data, for which all zeroes are a value.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = device.index;
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the address outlives the call and has the length that is given.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) }).map(drop)
}

/// A socket that takes nothing yet (protocol 0) and is closed on exec.
fn socket(family: c_int, kind: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set<T>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let value = std::ptr::from_ref(value).cast::<c_void>();
    // SAFETY: the kernel reads at most the size of the value, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value,
            size_of::<T>() as libc::socklen_t,
        )
    })
    .map(drop)
}

fn get<T: Copy>(socket: &OwnedFd, level: c_int, name: c_int, value: &mut T) -> io::Result<()> {
    let mut len = size_of::<T>() as libc::socklen_t;
    let value = std::ptr::from_mut(value).cast::<c_void>();
    // SAFETY: the kernel writes at most `len` bytes into the value, which outlives the call; callers
    // pass plain numbers, for which every bit pattern is a value.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, value, &raw mut len) }).map(drop)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
