//! Muon against a literal transcription, and the laws for it. (Against other libraries: `goldens`.)

#[path = "muon/allocations.rs"]
mod allocations;
#[path = "support/counting.rs"]
mod counting;
#[path = "muon/laws.rs"]
mod laws;
#[path = "muon/oracle.rs"]
mod oracle;
#[path = "muon/states.rs"]
mod states;
