//! Draws how every optimizer goes down toy loss surfaces.

mod geometry;
mod methods;
mod paths;
mod runs;
mod surfaces;

use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
struct Args {
    #[arg(long, value_name = "FOLDER")]
    paths: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    if let Some(folder) = args.paths {
        paths::write(&folder)?;
    }
    Ok(())
}
