//! The enforcer and its hand: processes, the control socket, and doing what the governor decides.
//!
//! Owns: who runs with which rights, the control socket's lines, the journal's file. Does not own:
//! any decision (`citywall-response`).
