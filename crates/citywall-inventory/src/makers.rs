//! Makers by the first bits of a MAC address.
//!
//! Owns: reading the IEEE's public listings (`oui.txt`, `mam.txt`, `oui36.txt`, as in Debian's
//! package `ieee-data`) and the lookup. The listing is read at run time and never part of the
//! program. Does not own: where the file is.

use citywall_event::Mac;
use hashbrown::HashMap;

/// Entries that are kept at most; the IEEE has assigned about 50,000 so far.
const MOST: usize = 262_144;

/// Bytes of a maker's name that are kept.
const NAME: usize = 96;

/// Who made what, by address block. The default knows nobody.
#[derive(Clone, Debug, Default)]
pub struct Makers {
    /// Block (its length in bits, and its first bits) -> place in `names`.
    blocks: HashMap<(u8, u64), (u32, u16)>,
    names: String,
}

impl Makers {
    /// Reads listings; several can be joined to one text. Lines that are not understood are passed
    /// over: the listings hold postal addresses too.
    pub fn parse(text: &str) -> Makers {
        let mut makers = Makers::default();
        let mut oui = None;
        for line in text.lines() {
            if let Some((block, name)) = line.split_once("(hex)") {
                oui = hex(&block.trim().replace('-', ""), 6);
                if let Some(oui) = oui {
                    makers.add(24, oui, name);
                }
            } else if let (Some((range, name)), Some(oui)) = (line.split_once("(base 16)"), oui) {
                // A part of a block: `04D000-04DFFF`, the lower 24 bits of its addresses.
                let Some((first, last)) = range.trim().split_once('-') else {
                    continue;
                };
                let (Some(first), Some(last)) = (hex(first, 6), hex(last, 6)) else {
                    continue;
                };
                for (bits, size) in [(28u8, 1u64 << 20), (36, 1 << 12)] {
                    if first % size == 0 && last == first + size - 1 {
                        // The line before named the part's owner as that of the whole block.
                        makers.blocks.remove(&(24, oui));
                        makers.add(bits, (oui << 24 | first) >> (48 - bits), name);
                    }
                }
            }
        }
        makers
    }

    fn add(&mut self, bits: u8, block: u64, name: &str) {
        let name = name.trim();
        let mut end = name.len().min(NAME);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let name = &name[..end];
        if name.is_empty() || self.blocks.len() >= MOST {
            return;
        }
        let place = (self.names.len() as u32, name.len() as u16);
        self.names.push_str(name);
        self.blocks.insert((bits, block), place);
    }

    /// The maker of a device. Addresses that were not assigned by the IEEE (the locally
    /// administered bit of IEEE 802 is set) have none.
    pub fn find(&self, mac: Mac) -> Option<&str> {
        if mac[0] & 2 != 0 {
            return None;
        }
        let [a, b, c, d, e, f] = mac;
        let address = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let (start, length) = [36u8, 28, 24]
            .into_iter()
            .find_map(|bits| self.blocks.get(&(bits, address >> (48 - bits))))?;
        let start = *start as usize;
        self.names.get(start..start + usize::from(*length))
    }

    /// How many blocks are known.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// True where nobody is known.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

fn hex(text: &str, digits: usize) -> Option<u64> {
    let sound = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    sound.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}
