//! Schedules: against PyTorch and Optax, and what holds for all of them.

#[path = "schedules/laws.rs"]
mod laws;
#[path = "schedules/plateau.rs"]
mod plateau;
#[cfg(feature = "serde")]
#[path = "schedules/saved.rs"]
mod saved;
#[path = "schedules/tables.rs"]
mod tables;

use std::path::Path;

fn golden(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read_to_string(folder.join(file)).unwrap()
}
