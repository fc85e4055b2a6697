//! A city in network namespaces, to try the wall in: devices that speak the real protocols,
//! attackers, scenarios.
//!
//! Owns: building and taking down the namespaces, the devices, the attacks, what each scenario must
//! show. Drives the real binary; names no other crate of the workspace.
