//! Schedules: against PyTorch and Optax, and what holds for all of them.

mod laws;
mod plateau;
#[cfg(feature = "serde")]
mod saved;
mod tables;

use std::path::Path;

fn golden(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    std::fs::read_to_string(folder.join(file)).unwrap()
}
