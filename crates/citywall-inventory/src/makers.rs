//! Makers by the first bits of a MAC address.
//!
//! Owns: reading the IEEE's public listings (`oui.txt`, `mam.txt`, `oui36.txt`, as in Debian's
//! package `ieee-data`) and the lookup. The listing is read at run time and never part of the
//! program. Does not own: where the file is.
//!
//! What is kept of the listing is one sorted list and one text, about a fifth of the file: every box
//! that knows makers pays for it all the time, and hardly ever asks.

use std::io::{self, Read};
use std::sync::Arc;

use citywall_event::Mac;

/// Entries that are kept at most; the IEEE has assigned about 50,000 so far.
const MOST: usize = 262_144;

/// Bytes of a maker's name that are kept: their number fits a byte.
const NAME: usize = 96;

/// Bytes of a listing that are looked at; the IEEE's have six million.
const LISTING: u64 = 64 << 20;

/// Who made what, by address block. The default knows nobody. Copies share the listing.
#[derive(Clone, Debug, Default)]
pub struct Makers {
    listing: Arc<Listing>,
}

#[derive(Debug, Default)]
struct Listing {
    /// Blocks in ascending order, each with the place of its name in `names`.
    blocks: Vec<(Block, u32)>,
    /// The names, each behind its length.
    names: Vec<u8>,
}

/// The first bits of the addresses of a block, left-aligned in 6 bytes, then their number.
type Block = [u8; 7];

fn block(address: u64, bits: u8) -> Block {
    let kept = address >> (48 - bits) << (48 - bits);
    let [_, _, a, b, c, d, e, f] = kept.to_be_bytes();
    [a, b, c, d, e, f, bits]
}

impl Makers {
    /// Reads a listing that is in memory.
    pub fn parse(text: &str) -> Makers {
        // A slice can always be read.
        Makers::read(text.as_bytes()).unwrap_or_default()
    }

    /// Reads listings; several can be joined to one. Lines that are not understood are passed
    /// over: the listings hold postal addresses too.
    ///
    /// # Errors
    /// Where the listing cannot be read to its end.
    pub fn read(listing: impl Read) -> io::Result<Makers> {
        // As a whole: by far most lines are passed over, and their ends are found fastest so.
        let mut text = Vec::new();
        listing.take(LISTING).read_to_end(&mut text)?;
        let mut found = Listing::default();
        let mut oui = None;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &text).chain([text.len()]) {
            found.line(text.get(start..end).unwrap_or_default(), &mut oui);
            start = end + 1;
        }
        Ok(Makers {
            listing: Arc::new(found.sorted()),
        })
    }

    /// The maker of a device. Addresses that were not assigned by the IEEE (the locally
    /// administered bit of IEEE 802 is set) have none.
    pub fn find(&self, mac: Mac) -> Option<&str> {
        if mac[0] & 2 != 0 {
            return None;
        }
        let Listing { blocks, names } = &*self.listing;
        let [a, b, c, d, e, f] = mac;
        let address = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let place = [36u8, 28, 24].into_iter().find_map(|bits| {
            let sought = block(address, bits);
            let at = blocks.binary_search_by_key(&sought, |(block, _)| *block).ok()?;
            blocks.get(at)
        })?;
        let (length, rest) = names.get(place.1 as usize..)?.split_first()?;
        std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
    }

    /// How many blocks are known.
    pub fn len(&self) -> usize {
        self.listing.blocks.len()
    }

    /// True where nobody is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Listing {
    /// `00-00-0C   (hex)  NAME`, or `04D000-04DFFF  (base 16)  NAME` for a part of the block before:
    /// the lower 24 bits of its addresses.
    fn line(&mut self, line: &[u8], oui: &mut Option<u64>) {
        // Most lines are addresses, and begin with a tab.
        if !line.first().is_some_and(u8::is_ascii_hexdigit) {
            return;
        }
        let Some(at) = line.iter().take(32).position(|byte| *byte == b'(') else {
            return;
        };
        let (numbers, rest) = line.split_at(at);
        let numbers = numbers.trim_ascii();
        if let Some(name) = rest.strip_prefix(b"(hex)") {
            *oui = hex(numbers);
            if let Some(oui) = *oui {
                self.add(24, oui << 24, name);
            }
        } else if let (Some(name), Some(oui)) = (rest.strip_prefix(b"(base 16)"), *oui) {
            let Some((first, last)) = numbers.split_at_checked(6) else {
                return;
            };
            let (Some(first), Some(last)) = (hex(first), last.strip_prefix(b"-").and_then(hex)) else {
                return;
            };
            for (bits, size) in [(28u8, 1u64 << 20), (36, 1 << 12)] {
                if first % size == 0 && last == first + size - 1 {
                    self.add(bits, oui << 24 | first, name);
                }
            }
        }
    }

    fn add(&mut self, bits: u8, address: u64, name: &[u8]) {
        let name = String::from_utf8_lossy(name.trim_ascii());
        let mut end = name.len().min(NAME);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = &name.as_bytes()[..end];
        if name.is_empty() || self.blocks.len() >= MOST {
            return;
        }
        self.blocks.push((block(address, bits), self.names.len() as u32));
        self.names.push(name.len() as u8);
        self.names.extend_from_slice(name);
    }

    /// In order, without what a later line says again, and without blocks that are given out in
    /// parts: the line before a part names the part's owner as that of the whole.
    fn sorted(mut self) -> Listing {
        self.blocks.reverse();
        self.blocks.sort_by_key(|(block, _)| *block);
        self.blocks.dedup_by_key(|(block, _)| *block);
        let mut last_part = None;
        self.blocks.reverse();
        self.blocks.retain(|([a, b, c, .., bits], _)| {
            let oui = Some([*a, *b, *c]);
            if *bits > 24 {
                last_part = oui;
            }
            *bits > 24 || last_part != oui
        });
        self.blocks.reverse();
        self.blocks.shrink_to_fit();
        self.names.shrink_to_fit();
        self
    }
}

/// Six hexadecimal digits, as they are or in pairs (`00-00-0C`).
fn hex(text: &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut digits = 0;
    for byte in text.iter().filter(|byte| **byte != b'-') {
        value = value << 4 | u64::from(char::from(*byte).to_digit(16)?);
        digits += 1;
        if digits > 6 {
            return None;
        }
    }
    (digits == 6).then_some(value)
}
