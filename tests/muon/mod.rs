//! Muon against a literal transcription, and the laws for it. (Against other libraries: `goldens`.)

mod allocations;
mod laws;
mod oracle;
mod states;
