//! Optimizers of whole leaves against literal transcriptions, and the laws for them. (Against other
//! libraries: `goldens`.)

mod factored;
mod groups;
mod kronecker;
mod laws;
mod memory;
mod own_rule;
mod states;
mod support;
