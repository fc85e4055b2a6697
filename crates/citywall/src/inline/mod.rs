//! The inline parser: verdicts on packets that the kernel holds for us.
//!
//! Owns: judging marked packets by policy, commands and rules, and answering in a protocol's own
//! words. Does not own: netlink and shared memory (`citywall-capture`), who is inspected (the mark).
