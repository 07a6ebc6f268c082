//! Muon against a literal transcription, and the laws for it. (Against other libraries: `goldens`.)

mod allocations;
mod groups;
mod laws;
mod oracle;
mod states;
