//! The three kinds of NTP messages, and the record kept of one.

use citywall_event::Nanos;
use citywall_event::json::Object;
use citywall_flow::Direction;

use super::eve;
use crate::{Number, Record};

/// Seconds from 1900-01-01, where NTP counts from, to 1970-01-01.
const EPOCH: i64 = 2_208_988_800;

/// An NTP message.
#[derive(Debug)]
pub struct NtpMessage {
    /// 0 (no warning) to 3 (not synchronised).
    pub(super) leap: u8,
    pub(super) version: u8,
    pub(super) mode: u8,
    pub(super) body: Body,
    pub(super) direction: Direction,
}

#[derive(Debug)]
pub(super) enum Body {
    /// Modes 1 to 5, and 0 of version 1.
    Time(Time),
    /// Mode 6.
    Control(Control),
    /// Mode 7.
    Private(Private),
}

/// RFC 5905 section 7.3.
#[derive(Debug)]
pub(super) struct Time {
    pub stratum: u8,
    /// Logarithm to base 2 of the interval in seconds.
    pub poll: i8,
    /// Logarithm to base 2 of the clock's precision in seconds.
    pub precision: i8,
    /// Seconds times 65,536.
    pub root_delay: u32,
    /// Seconds times 65,536.
    pub root_dispersion: u32,
    pub reference_id: [u8; 4],
    /// Reference, origin, receive, transmit: seconds since 1900 in the upper half.
    pub times: [u64; 4],
    /// Bytes after the header: extension fields and a message digest.
    pub extra: u16,
}

/// RFC 9327 section 2.
#[derive(Debug)]
pub(super) struct Control {
    pub response: bool,
    pub error: bool,
    pub more: bool,
    pub operation: u8,
    pub sequence: u16,
    pub status: u16,
    pub association: u16,
    pub offset: u16,
    pub count: u16,
    /// The data is as long as `count` says.
    pub complete: bool,
}

/// The header of ntpd's private messages: as its own tools send them, no RFC describes it.
#[derive(Debug)]
pub(super) struct Private {
    pub response: bool,
    pub more: bool,
    pub authenticated: bool,
    pub sequence: u8,
    pub implementation: u8,
    pub request: u8,
    pub error: u8,
    pub items: u16,
    pub item_size: u16,
    /// Bytes after the header.
    pub data: usize,
}

/// Reads a message.
///
/// # Errors
/// The mark of what is not well formed.
pub(super) fn parse(data: &[u8], direction: Direction) -> Result<NtpMessage, &'static str> {
    let &first = data.first().ok_or("ntp.truncated")?;
    let version = first >> 3 & 7;
    let mode = first & 7;
    let body = match mode {
        7 => Body::Private(private(data)?),
        6 => Body::Control(control(data)?),
        _ => Body::Time(time(data)?),
    };
    if !(1..=4).contains(&version) || mode == 0 && version != 1 {
        return Err("ntp.version");
    }
    Ok(NtpMessage {
        leap: first >> 6,
        version,
        mode,
        body,
        direction,
    })
}

fn time(data: &[u8]) -> Result<Time, &'static str> {
    let fixed: &[u8; 48] = data.first_chunk().ok_or("ntp.truncated")?;
    let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
    Ok(Time {
        stratum: fixed[1],
        poll: fixed[2] as i8,
        precision: fixed[3] as i8,
        root_delay: word(4),
        root_dispersion: word(8),
        reference_id: [fixed[12], fixed[13], fixed[14], fixed[15]],
        times: [long(16), long(24), long(32), long(40)],
        extra: u16::try_from(data.len() - fixed.len()).unwrap_or(u16::MAX),
    })
}

fn control(data: &[u8]) -> Result<Control, &'static str> {
    let (fixed, rest) = data.split_first_chunk::<12>().ok_or("ntp.truncated")?;
    let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    Ok(Control {
        response: fixed[1] & 0x80 != 0,
        error: fixed[1] & 0x40 != 0,
        more: fixed[1] & 0x20 != 0,
        operation: fixed[1] & 0x1f,
        sequence: half(2),
        status: half(4),
        association: half(6),
        offset: half(8),
        count: half(10),
        complete: usize::from(half(10)) <= rest.len(),
    })
}

fn private(data: &[u8]) -> Result<Private, &'static str> {
    let (fixed, rest) = data.split_first_chunk::<8>().ok_or("ntp.truncated")?;
    let counts = u16::from_be_bytes([fixed[4], fixed[5]]);
    Ok(Private {
        response: fixed[0] & 0x80 != 0,
        more: fixed[0] & 0x40 != 0,
        authenticated: fixed[1] & 0x80 != 0,
        sequence: fixed[1] & 0x7f,
        implementation: fixed[2],
        request: fixed[3],
        error: (counts >> 12) as u8,
        items: counts & 0xfff,
        item_size: u16::from_be_bytes([fixed[6], fixed[7]]) & 0xfff,
        data: rest.len(),
    })
}

/// Is this, whatever the port, an NTP message?
pub(super) fn strict(message: &NtpMessage, data: &[u8]) -> bool {
    match &message.body {
        Body::Time(time) => strict_time(message, time),
        Body::Control(c) => {
            (2..=4).contains(&message.version)
                && message.leap == 0
                && (1..=12).contains(&c.operation)
                && data.len().is_multiple_of(4)
                && c.complete
                && (c.response || !c.error && !c.more && c.status == 0)
        }
        Body::Private(p) => {
            // The implementations are 0 (any), 2 and 3 (ntpd before and after 4.0).
            let padded = data.iter().skip(8).all(|&b| b == 0);
            matches!(p.implementation, 0 | 2 | 3)
                && if p.response {
                    p.items > 0
                        && p.data >= usize::from(p.items) * usize::from(p.item_size)
                        && p.item_size > 0
                } else {
                    matches!(p.request, 16 | 20 | 42) && !p.more && p.items == 0 && padded
                }
        }
    }
}

fn strict_time(message: &NtpMessage, time: &Time) -> bool {
    let [reference, origin, receive, transmit] = time.times;
    let sizes = matches!(time.extra, 0 | 20 | 24) || time.extra >= 28 && time.extra.is_multiple_of(4);
    let shared = matches!(message.version, 3 | 4)
        && sizes
        && time.stratum <= 16
        && (0..=17).contains(&time.poll)
        && (-32..=0).contains(&time.precision)
        && time.root_delay < 16 << 16
        && time.root_dispersion < 17 << 16
        && transmit != 0;
    match message.mode {
        3 => shared && (receive == 0 || origin != 0),
        4 => shared && time.precision < 0 && receive != 0 && (time.stratum == 0 || reference != 0),
        _ => false,
    }
}

/// Packet time of an NTP time; `None` for zero ("unknown"). Times with the highest bit clear are
/// those after 2036-02-07 (RFC 4330 section 3).
pub(super) fn nanos(time: u64) -> Option<Nanos> {
    let (high, low) = ((time >> 32) as i64, (time & 0xffff_ffff) as i64);
    let seconds = if high & 0x8000_0000 == 0 {
        high + (1 << 32)
    } else {
        high
    };
    (time != 0).then_some((seconds - EPOCH) * 1_000_000_000 + ((low * 1_000_000_000) >> 32))
}

impl NtpMessage {
    /// Which way this kind of message goes; `None` where both parties send it.
    pub(super) fn sender(&self) -> Option<Direction> {
        let response = match &self.body {
            Body::Control(control) => control.response,
            Body::Private(private) => private.response,
            Body::Time(_) if self.mode == 3 => false,
            Body::Time(_) if self.mode == 4 => true,
            Body::Time(_) => return None,
        };
        Some(if response {
            Direction::ToInitiator
        } else {
            Direction::ToResponder
        })
    }

    /// What is not well formed although the message can be read.
    pub(super) fn mark(&self) -> Option<&'static str> {
        match &self.body {
            Body::Time(time) if time.stratum > 16 => Some("ntp.stratum"),
            // Every extension field and every digest with its key is padded to words.
            Body::Time(time) if !time.extra.is_multiple_of(4) => Some("ntp.extension"),
            Body::Control(control) if !control.complete => Some("ntp.control_length"),
            Body::Private(p) if p.response && p.data < usize::from(p.items) * usize::from(p.item_size) => {
                Some("ntp.private_length")
            }
            _ => None,
        }
    }
}

impl Record for NtpMessage {
    fn event_type(&self) -> &'static str {
        "ntp"
    }

    fn write(&self, o: &mut Object<'_>) {
        eve::write(self, o);
    }

    fn number(&self, which: Number) -> Option<u64> {
        match which {
            Number::NtpVersion => Some(self.version.into()),
            Number::NtpMode => Some(self.mode.into()),
            _ => None,
        }
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.direction)
    }
}
