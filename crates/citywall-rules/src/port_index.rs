//! Rules by port, for those that have no fast pattern and for the question whether a conversation
//! concerns any rule at all.

use hashbrown::HashMap;

use crate::detect::Header;

/// A rule for more ports than this is kept in the general list.
const FEW_PORTS: usize = 64;

/// Rules by destination port, by source port, and the rest.
#[derive(Debug, Default)]
pub(crate) struct PortIndex {
    by_dst: HashMap<u16, Vec<u32>>,
    by_src: HashMap<u16, Vec<u32>>,
    rest: Vec<u32>,
}

impl PortIndex {
    /// Adds a rule.
    pub fn insert(&mut self, rule: u32, header: &Header) {
        let few_dst = header.dst_port.few(FEW_PORTS);
        let few_src = header.src_port.few(FEW_PORTS);
        let (by_dst, by_src) = match (few_dst, few_src) {
            // Either way round: found from either end.
            (Some(ports), _) if header.both_ways => (ports.clone(), ports),
            (None, Some(ports)) if header.both_ways => (ports.clone(), ports),
            (Some(ports), _) => (ports, Vec::new()),
            (None, Some(ports)) => (Vec::new(), ports),
            (None, None) => {
                self.rest.push(rule);
                return;
            }
        };
        for port in by_dst {
            self.by_dst.entry(port).or_default().push(rule);
        }
        for port in by_src {
            self.by_src.entry(port).or_default().push(rule);
        }
    }

    /// True where nothing was added.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.by_dst.is_empty() && self.by_src.is_empty()
    }

    /// Hands out each rule whose ports could fit; stops when `each` gives true, and says so.
    #[inline]
    pub fn any(&self, src: u16, dst: u16, mut each: impl FnMut(u32) -> bool) -> bool {
        let dst_rules = self.by_dst.get(&dst).map_or(&[][..], Vec::as_slice);
        let src_rules = self.by_src.get(&src).map_or(&[][..], Vec::as_slice);
        self.rest
            .iter()
            .chain(dst_rules)
            .chain(src_rules)
            .any(|rule| each(*rule))
    }

    /// Appends the rules whose ports could fit.
    #[inline]
    pub fn collect(&self, src: u16, dst: u16, out: &mut Vec<u32>) {
        self.any(src, dst, |rule| {
            out.push(rule);
            false
        });
    }
}
