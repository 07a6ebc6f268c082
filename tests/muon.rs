//! Muon against other libraries and a literal transcription, and the laws for it.

#[path = "muon/allocations.rs"]
mod allocations;
#[path = "support/counting.rs"]
mod counting;
#[path = "muon/goldens.rs"]
mod goldens;
#[path = "muon/laws.rs"]
mod laws;
#[path = "muon/oracle.rs"]
mod oracle;
#[path = "muon/states.rs"]
mod states;
