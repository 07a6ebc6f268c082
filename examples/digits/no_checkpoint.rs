//! Stands for `checkpoint` without the feature `serde`; the command line refuses its options.

use std::path::Path;

use thalweg::Error;

use crate::train::Training;

pub fn save(_: &Training<'_>, _: &Path) -> Result<(), Error> {
    Ok(())
}

pub fn resume(_: &mut Training<'_>, _: &Path) -> Result<(), String> {
    Err("checkpoints need the feature `serde`".to_owned())
}
