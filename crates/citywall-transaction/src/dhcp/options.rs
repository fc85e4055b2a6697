//! DHCP options (RFC 2132): where they lie, options in the `file` and `sname` fields (option 52),
//! and long options in several pieces (RFC 3396).

use std::borrow::Cow;
use std::ops::Range;

/// Pieces that are kept of one message.
const PIECES: usize = 512;

/// Option codes, from the IANA registry "BOOTP Vendor Extensions and DHCP Options".
pub(super) mod code {
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS_SERVER: u8 = 6;
    pub const HOSTNAME: u8 = 12;
    pub const DOMAIN: u8 = 15;
    pub const REQUESTED_IP: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETERS: u8 = 55;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
}

/// The `sname` and `file` fields of the fixed part.
const SNAME: Range<usize> = 44..108;
const FILE: Range<usize> = 108..236;

/// The options of one message.
#[derive(Debug, Default)]
pub(super) struct Options {
    raw: Box<[u8]>,
    /// Code and place of each piece, in the order in which pieces are joined.
    pieces: Vec<(u8, Range<u32>)>,
}

impl Options {
    /// Finds the options of `message`, which start at `start`. The mark names what is not well
    /// formed.
    pub(super) fn parse(message: &[u8], start: usize) -> (Options, Option<&'static str>) {
        let mut options = Options {
            raw: message.into(),
            pieces: Vec::with_capacity(16),
        };
        let mut mark = options.walk(start..message.len());
        let overload = options
            .get(code::OVERLOAD)
            .and_then(|value| value.first().copied());
        match overload {
            None => {}
            Some(which @ 1..=3) => {
                if which & 1 != 0 {
                    mark = mark.or(options.walk(FILE));
                }
                if which & 2 != 0 {
                    mark = mark.or(options.walk(SNAME));
                }
            }
            Some(_) => mark = mark.or(Some("dhcp.overload")),
        }
        (options, mark)
    }

    fn walk(&mut self, field: Range<usize>) -> Option<&'static str> {
        let Some(mut rest) = self.raw.get(field.clone()) else {
            return Some("dhcp.truncated");
        };
        while let Some((&option, after)) = rest.split_first() {
            rest = after;
            match option {
                0 => continue,
                255 => break,
                _ => {}
            }
            let Some((&length, after)) = rest.split_first() else {
                return Some("dhcp.option_truncated");
            };
            let Some((_, after)) = after.split_at_checked(length.into()) else {
                return Some("dhcp.option_truncated");
            };
            if self.pieces.len() == PIECES {
                return Some("dhcp.too_many_options");
            }
            let end = field.end - after.len();
            self.pieces
                .push((option, (end - usize::from(length)) as u32..end as u32));
            rest = after;
        }
        None
    }

    /// An option's value, its pieces joined.
    pub(super) fn get(&self, option: u8) -> Option<Cow<'_, [u8]>> {
        let mut values = self
            .pieces
            .iter()
            .filter(|(code, _)| *code == option)
            .filter_map(|(_, place)| self.raw.get(place.start as usize..place.end as usize));
        let first = values.next()?;
        let Some(second) = values.next() else {
            return Some(Cow::Borrowed(first));
        };
        let mut joined = [first, second].concat();
        values.for_each(|more| joined.extend_from_slice(more));
        Some(Cow::Owned(joined))
    }

    /// An option that is one number of four bytes.
    pub(super) fn number(&self, option: u8) -> Option<u32> {
        let value = self.get(option)?;
        Some(u32::from_be_bytes(value.as_ref().try_into().ok()?))
    }

    /// The message as it came.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }
}

/// Text without the zeros at its end that a receiver has to delete (RFC 2132 section 2).
pub(super) fn text(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    &value[..end]
}
