//! What mutants are tried on: tests that need nothing but the library without features, and so build fast.

#[path = "../conjugate_gradient/answers.rs"]
mod answers;
#[path = "../laws/mod.rs"]
mod laws;
#[path = "../oracle/mod.rs"]
mod oracle;
#[path = "../conjugate_gradient/phis.rs"]
mod phis;
#[path = "../conjugate_gradient/transcribed.rs"]
mod transcribed;
