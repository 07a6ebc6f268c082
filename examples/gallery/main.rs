//! Draws how every optimizer and solver of the crate goes down toy loss surfaces, and writes a page
//! to compare them by hand.
//!
//! ```text
//! cargo run --release --features gallery --example gallery               # target/gallery: a picture a surface, index.html
//! cargo run --release --features gallery --example gallery -- --surface rosenbrock --optimizers adam,lbfgs --start=-1.5,2
//! cargo run --release --features gallery --example gallery -- --help
//! ```
//!
//! `surfaces` has the losses, `methods` the optimizers, `runs` the trajectories and the search for
//! rates, `sheet` all of these of a surface; `picture`, `page` and `paths` show them. `stories` are what the page computes by
//! itself, by `live`, this crate as WebAssembly.

mod encode;
mod geometry;
mod methods;
mod page;
mod paths;
mod picture;
#[path = "../png.rs"]
mod png;
mod runs;
mod sheet;
#[path = "live/src/stories.rs"]
mod stories;
mod surfaces;

use std::fs;
use std::path::{Path as File, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use methods::Method;
use picture::Group;
use sheet::{Extent, Sheet};
use surfaces::{Point, Surface};

/// It goes from one thread to another.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Draws how every optimizer of the crate goes down toy loss surfaces
#[derive(Parser)]
#[command(allow_negative_numbers = true)]
struct Args {
    /// Draws one picture, of this surface
    #[arg(long, value_name = "NAME", value_parser = surface_names())]
    surface: Option<String>,

    /// The optimizers of that picture, in its order [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "surface",
          value_parser = method_names())]
    optimizers: Vec<String>,

    /// How many gradients each gets [default: the surface's own]
    #[arg(long, value_name = "COUNT", requires = "surface",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: Option<u32>,

    /// Where they start: `--start=-1.5,2` [default: the surface's own]
    #[arg(long, value_name = "X,Y", requires = "surface", value_parser = point,
          allow_hyphen_values = true)]
    start: Option<Point>,

    /// The learning rate of all [default: the best of 31 for each]
    #[arg(long, value_name = "RATE", requires = "surface", value_parser = rate)]
    lr: Option<f64>,

    /// Where everything goes [default: target/gallery]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Fewer steps, to see that everything works
    #[arg(long, conflicts_with = "surface")]
    quick: bool,

    /// Writes the small pictures of the optimizers' pages to this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["surface", "quick", "out"])]
    paths: Option<PathBuf>,

    /// Compares them to what is there, and writes nothing
    #[arg(long, requires = "paths")]
    check: bool,
}

fn surface_names() -> PossibleValuesParser {
    surfaces::all().iter().map(|surface| surface.name).collect::<Vec<_>>().into()
}

fn method_names() -> PossibleValuesParser {
    methods::all().iter().map(|method| method.name).collect::<Vec<_>>().into()
}

fn point(text: &str) -> Result<Point, String> {
    let number = |part: &str| part.trim().parse::<f64>().ok().filter(|x| x.is_finite());
    let parts = text.split_once(',').and_then(|(x, y)| Some([number(x)?, number(y)?]));
    parts.ok_or_else(|| "two numbers with a comma between, such as -1.5,2".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0);
    rate.ok_or_else(|| "a number ≥ 0, such as 0.01".to_owned())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    if let Some(folder) = &args.paths {
        return small_pictures(folder, args.check);
    }
    let folder = args.out.clone().unwrap_or_else(|| File::new(ROOT).join("target").join("gallery"));
    fs::create_dir_all(&folder)?;
    let surfaces = surfaces::all();
    match &args.surface {
        Some(name) => {
            let surface = surfaces.into_iter().find(|surface| surface.name == name);
            one(&surface.ok_or("no such surface")?, args, &folder)
        }
        None => all(&surfaces, args, &folder),
    }
}

/// Every surface's picture, the page, and the final losses.
fn all(surfaces: &[Surface], args: &Args, folder: &File) -> Result<(), Failure> {
    let methods = methods::all();
    let extent = if args.quick { Extent::QUICK } else { Extent::WHOLE };
    let done = runs::parallel(surfaces, |surface| {
        let sheet = Sheet::new(surface, &methods, extent)?;
        let own: Vec<_> = methods.iter().zip(sheet.own()).collect();
        let file = folder.join(surface.name).with_extension("png");
        picture::draw(&file, surface, sheet.steps, &families(&own))?;
        println!("{}", report(&sheet, &methods));
        Ok::<_, Failure>((page::data(&sheet)?, page::summary(&sheet, &methods)))
    })?;
    let (data, summaries): (Vec<Value>, Vec<Value>) = done.into_iter().unzip();
    let names = surfaces.iter().map(|surface| surface.name.to_owned());
    let summary: serde_json::Map<String, Value> = names.zip(summaries).collect();
    fs::write(folder.join("stories.json"), serde_json::to_string(&page::told())?)?;
    fs::write(folder.join("summary.json"), serde_json::to_string(&summary)?)?;
    let page = page::page(&methods, data)?;
    let file = folder.join("index.html");
    fs::write(&file, &page)?;
    println!(
        "{} surfaces, {} optimizers and solvers: {} ({:.1} MB)",
        surfaces.len(),
        methods.len(),
        file.display(),
        page.len() as f64 / 1e6
    );
    if page.len() > extent.bytes {
        return Err(format!("the page has more than {} bytes", extent.bytes).into());
    }
    Ok(())
}

/// A line about a surface.
fn report(sheet: &Sheet<'_>, methods: &[Method]) -> String {
    let surface = sheet.surface;
    let value = |i: usize| surface.value(&sheet.paths[i][0].last());
    let inside = |&i: &usize| surface.shows(&sheet.paths[i][0].last());
    let best = (0..methods.len())
        .filter(inside)
        .min_by(|&a, &b| value(a).total_cmp(&value(b)))
        .unwrap_or(0);
    let [x, y] = surface.start;
    format!(
        "{:18} {} steps from ({x}, {y}): lowest {:.6e} by {}",
        surface.name,
        sheet.steps,
        value(best),
        methods[best].title
    )
}

/// The columns of a picture with all methods, eight lines each at most.
fn families<'a>(paths: &[(&'a Method, &'a runs::Path)]) -> Vec<Group<'a>> {
    methods::FAMILIES
        .iter()
        .map(|&title| Group {
            title,
            paths: paths.iter().filter(|(method, _)| method.family() == title).copied().collect(),
        })
        .collect()
}

/// The picture that the user asks for.
fn one(surface: &Surface, args: &Args, folder: &File) -> Result<(), Failure> {
    let start = args.start.unwrap_or(surface.start);
    let steps = args.steps.map_or(surface.steps, |steps| steps as usize);
    let all = methods::all();
    let chosen: Vec<&Method> = if args.optimizers.is_empty() {
        all.iter().collect()
    } else {
        let named = |name: &String| all.iter().find(|method| method.name == name);
        args.optimizers.iter().filter_map(named).collect()
    };
    let paths = runs::parallel(&chosen, |method| {
        let rate = match args.lr {
            Some(rate) if method.takes_rate() => rate,
            _ => runs::best_rate(surface, method, &[start], steps)?,
        };
        runs::run(surface, method, rate, start, steps)
    })?;
    println!("{} from ({}, {}), {steps} gradients", surface.title, start[0], start[1]);
    for (method, path) in chosen.iter().zip(&paths) {
        let rate = if method.takes_rate() { format!("{}", path.rate) } else { "-".to_owned() };
        println!("{:26} rate {rate:8} loss {:e}", method.name, surface.value(&path.last()));
    }
    let pairs: Vec<_> = chosen.into_iter().zip(&paths).collect();
    let groups = if args.optimizers.is_empty() {
        families(&pairs)
    } else {
        let columns = pairs.chunks(8);
        columns.map(|paths| Group { title: "", paths: paths.to_vec() }).collect()
    };
    let file = folder.join(format!("{}-own.png", surface.name));
    picture::draw(&file, surface, steps, &groups)?;
    println!("wrote {}", file.display());
    Ok(())
}

fn small_pictures(folder: &File, check: bool) -> Result<(), Failure> {
    if !check {
        return paths::write(folder);
    }
    let stale = paths::stale(folder)?;
    if stale.is_empty() {
        println!("the pictures in {} are what the crate draws", folder.display());
        return Ok(());
    }
    Err(format!(
        "not what the crate draws: {}; look at what has changed, and write them again with \
         `cargo run --features gallery --example gallery -- --paths {}`",
        stale.join(", "),
        folder.display()
    )
    .into())
}
