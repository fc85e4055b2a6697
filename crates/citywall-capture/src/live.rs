//! An interface as a source of frames.
//!
//! Owns: opening one worker's ring on an interface, putting its frames into batches with their VLAN
//! tags back in place, counting what the kernel dropped. Does not own: the ring (`ring`), its layout
//! (`block`).

use citywall_packet::{LinkType, Nanos, Span};

use crate::block::{Frames, OUTGOING, RingFrame};
use crate::interfaces::{interfaces, link_type};
use crate::model::{Batch, CaptureError, FrameMeta, FrameSource};
use crate::ring::{Readiness, Ring, RingOptions, SetupError, device};

/// How long a call waits for frames, in milliseconds. Whoever has none says so this often, as others
/// wait for it: what a worker found counts once the others are known to have nothing older.
const WAIT_MS: i32 = 10;
/// What the kernel's timer and the way from the card to the ring may add to `hold_ms`, in milliseconds.
const SLACK_MS: u32 = 10;
/// Where batches stop taking up further blocks.
const BATCH_BYTES: usize = 512 * 1024;

/// How an interface is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Which of the workers this is, from 0; the frames' `source`.
    pub worker: u16,
    /// How many workers share the interface. With more than one the kernel gives all frames of a
    /// conversation to the same one, in both directions, by a hash of its addresses and ports;
    /// it then puts IPv4 fragments together first, so that a conversation's fragments meet.
    pub workers: u16,
    /// Number of the group that the workers form: the same for all of them, and not used by another
    /// program on this interface. The process id is a good choice.
    pub fanout_group: u16,
    /// Bytes of a ring block. 512 KiB; made a power of two from 128 KiB to 4 MiB, since a block has
    /// to hold the largest frame (64 KiB from a card that merges segments).
    pub block_size: u32,
    /// Blocks of the ring, 64. Together they are the memory that bridges a pause of the worker.
    pub blocks: u32,
    /// The longest that the kernel keeps a block that is not full, in milliseconds, from 1 to 1000: the
    /// delay of a frame on a quiet network. A shorter one wakes the worker more often.
    pub hold_ms: u32,
    /// Bytes of each frame that are kept; 0 for all.
    pub snaplen: u32,
    /// Also take frames for other hosts, which is what a mirror port carries.
    pub promiscuous: bool,
}

impl Default for LiveOptions {
    fn default() -> LiveOptions {
        LiveOptions {
            worker: 0,
            workers: 1,
            fanout_group: 1,
            block_size: 512 * 1024,
            blocks: 64,
            hold_ms: 5,
            snaplen: 0,
            promiscuous: true,
        }
    }
}

/// One worker's ring on an interface.
///
/// Needs `CAP_NET_RAW` to open and no right after that. Frames that this host sends are captured
/// too, except on the loopback, where each of them comes in again.
pub struct Interface {
    name: String,
    ring: Ring,
    link: LinkType,
    skip_outgoing: bool,
    lag: Nanos,
    worker: u16,
    frames: u64,
    drops: u64,
}

impl Interface {
    /// Opens a ring. Frames are kept from here on.
    ///
    /// # Errors
    /// `Interface`, with what failed and what to do about it.
    pub fn open(name: &str, options: LiveOptions) -> Result<Interface, CaptureError> {
        let fail = |what: String| CaptureError::Interface {
            interface: name.to_owned(),
            what,
        };
        let device = device(name).map_err(|error| fail(no_device(&error)))?;
        if !device.is_up() {
            return Err(fail(format!(
                "it is down: switch it on with \"ip link set {name} up\""
            )));
        }
        let link = link_type(&device).ok_or_else(|| {
            let hardware = device.hardware;
            fail(format!(
                "its frames have a link layer that is not read (ARPHRD type {hardware})"
            ))
        })?;
        let ring =
            Ring::open(&device, &ring_options(&options, link)).map_err(|error| fail(no_ring(&error)))?;
        Ok(Interface {
            name: name.to_owned(),
            ring,
            link,
            skip_outgoing: device.is_loopback(),
            lag: lag(&options),
            worker: options.worker,
            frames: 0,
            drops: 0,
        })
    }

    /// Link type of the frames.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Takes up all blocks that are ready, up to the size of a batch.
    fn take_blocks(&mut self, batch: &mut Batch) {
        while batch.bytes.len() < BATCH_BYTES {
            let Some(block) = self.ring.block() else { break };
            for frame in Frames::new(block) {
                let own = self.skip_outgoing && frame.direction == OUTGOING;
                let known = self.link == LinkType::ETHERNET || is_ip(frame.protocol);
                if known && !own {
                    self.frames += 1;
                    push(batch, &frame, self.link, self.worker, self.frames);
                }
            }
            self.ring.release();
        }
    }

    fn lost(&self, error: &std::io::Error) -> CaptureError {
        let what = match (error.raw_os_error(), device(&self.name)) {
            (Some(libc::ENETDOWN), Err(_)) => "it is gone".to_owned(),
            (Some(libc::ENETDOWN), Ok(_)) => {
                format!(
                    "it went down: switch it on with \"ip link set {} up\" and start again",
                    self.name
                )
            }
            _ => format!("waiting for frames failed: {error}"),
        };
        CaptureError::Interface {
            interface: self.name.clone(),
            what,
        }
    }
}

impl FrameSource for Interface {
    fn next_batch(&mut self, batch: &mut Batch) -> Result<bool, CaptureError> {
        batch.clear();
        self.take_blocks(batch);
        if batch.frames.is_empty() {
            match self.ring.wait(WAIT_MS) {
                Ok(Readiness::Ready) => self.take_blocks(batch),
                Ok(Readiness::Idle) => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
        // A count that cannot be had is no reason to stop capturing; it stays with the kernel.
        self.drops = self.drops.saturating_add(self.ring.take_drops().unwrap_or(0));
        Ok(true)
    }

    fn lag(&self) -> Nanos {
        self.lag
    }

    fn drops(&self) -> u64 {
        self.drops
    }
}

fn hold_ms(options: &LiveOptions) -> u32 {
    options.hold_ms.clamp(1, 1000)
}

/// The kernel looks at a block every `hold_ms`, rounded up to its own tick: a frame that just missed
/// one look waits for the next.
fn lag(options: &LiveOptions) -> Nanos {
    Nanos::from(2 * hold_ms(options) + SLACK_MS) * 1_000_000
}

fn ring_options(options: &LiveOptions, link: LinkType) -> RingOptions {
    RingOptions {
        with_link_header: link == LinkType::ETHERNET,
        block_size: options.block_size.clamp(128 << 10, 4 << 20).next_power_of_two(),
        blocks: options.blocks.clamp(4, 4096),
        retire_ms: hold_ms(options),
        snaplen: options.snaplen,
        promiscuous: options.promiscuous,
        fanout_group: (options.workers > 1).then_some(options.fanout_group),
    }
}

fn is_ip(protocol: u16) -> bool {
    matches!(protocol, 0x0800 | 0x86dd)
}

/// Copies a frame, with the VLAN tag that the kernel or the card took out back behind the addresses
/// (IEEE 802.1Q).
#[inline]
fn push(batch: &mut Batch, frame: &RingFrame<'_>, link: LinkType, source: u16, number: u64) {
    let start = batch.bytes.len();
    let mut wire_len = frame.wire_len;
    match (frame.vlan, frame.data.split_at_checked(12)) {
        (Some((tpid, tci)), Some((addresses, rest))) if link == LinkType::ETHERNET => {
            batch.bytes.extend_from_slice(addresses);
            batch.bytes.extend_from_slice(&tpid.to_be_bytes());
            batch.bytes.extend_from_slice(&tci.to_be_bytes());
            batch.bytes.extend_from_slice(rest);
            wire_len = wire_len.saturating_add(4);
        }
        _ => batch.bytes.extend_from_slice(frame.data),
    }
    // A batch is below `BATCH_BYTES` before a block of at most 4 MiB is added.
    let data = Span {
        start: start as u32,
        len: (batch.bytes.len() - start) as u32,
    };
    batch.frames.push(FrameMeta {
        data,
        wire_len,
        at: frame.at,
        link,
        source,
        number,
    });
}

fn no_device(error: &std::io::Error) -> String {
    if error.raw_os_error() != Some(libc::ENODEV) {
        return format!("cannot be asked for: {error}");
    }
    let names: Vec<String> = interfaces().into_iter().map(|interface| interface.name).collect();
    format!("there is no such interface; there are: {}", names.join(", "))
}

fn no_ring(error: &SetupError) -> String {
    let SetupError { step, source } = error;
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!(
            "{step} is not permitted. It needs the capability CAP_NET_RAW: run as root, or give it to \
             the program once with \"sudo setcap cap_net_raw+ep /path/to/citywall\""
        ),
        Some(libc::ENOMEM) => format!("{step} failed: {source}; use a smaller ring"),
        _ => format!("{step} failed: {source}"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_vlan_tag_goes_back_into_the_frame() {
        let mut batch = Batch::default();
        let mut frame = RingFrame {
            data: b"DDDDDDSSSSSS\x08\x00payload",
            wire_len: 100,
            at: 7,
            vlan: Some((0x8100, 0x6005)),
            direction: 0,
            protocol: 0x0800,
        };
        push(&mut batch, &frame, LinkType::ETHERNET, 2, 1);
        frame.data = b"DDDDDDSSSSS";
        push(&mut batch, &frame, LinkType::ETHERNET, 2, 2);
        frame.vlan = None;
        push(&mut batch, &frame, LinkType::RAW, 2, 3);
        let told: String = (batch.frames.iter())
            .map(|meta| {
                let frame = batch.frame(meta);
                format!(
                    "#{} {} {:?}\n",
                    meta.number,
                    frame.wire_len,
                    frame.data.escape_ascii().to_string()
                )
            })
            .collect();
        expect![[r#"
            #1 104 "DDDDDDSSSSSS\\x81\\x00`\\x05\\x08\\x00payload"
            #2 100 "DDDDDDSSSSS"
            #3 100 "DDDDDDSSSSS"
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn an_unknown_interface_is_refused_by_name() {
        let error = Interface::open("no-such-if", LiveOptions::default()).err();
        let told = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            told.starts_with("interface no-such-if: there is no such interface; there are: "),
            "{told}"
        );
    }
}
