//! Playbooks: CACAO 2.0 documents as data.
//!
//! Owns: reading, checking and stepping through them. Does not own: whether a step may be done
//! (the gate), and doing it.
