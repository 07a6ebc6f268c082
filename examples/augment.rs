//! Draws digits and what each kind of augmentation makes of them.
//!
//! ```text
//! cargo run --release --example augment
//! cargo run --release --example augment -- --seed 2 --out digits.png
//! ```

// Shared with the example that trains on them.
#[allow(dead_code)]
#[path = "digits/data.rs"]
mod data;
mod png;

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use epaint_default_fonts::UBUNTU_LIGHT;
use ndarray::{Array2, ArrayView2};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use rand::{SeedableRng, rngs::StdRng};
use thalweg::regularize::Augment;

use data::{CLASSES, Digits};

/// Height and width of an image.
const SIDE: usize = 8;
/// A pixel of an image, in pixels of the picture.
const ZOOM: usize = 9;
const TILE: i32 = (SIDE * ZOOM) as i32;
const GAP: i32 = 8;
/// What sets the originals apart.
const WIDE_GAP: i32 = 26;
const MARGIN: i32 = 28;
const HEAD: i32 = 84;
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(120, 120, 120);

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/optdigits.csv");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/augment.png");

/// Draws digits and what each kind of augmentation makes of them
#[derive(Parser)]
struct Args {
    /// Draws the distortions
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The picture
    #[arg(long, value_name = "FILE", default_value = PICTURE, hide_default_value = true)]
    out: PathBuf,
}

/// A kind of augmentation, and how many copies are shown of it.
struct Kind {
    title: &'static str,
    strength: &'static str,
    augment: Augment,
    copies: usize,
}

/// Strengths that suit images of 8x8 pixels.
fn kinds() -> Vec<Kind> {
    let kind = |title, strength, copies, augment| Kind { title, strength, augment, copies };
    let new = Augment::new;
    vec![
        kind("elastic", "σ = 1.5, α = 5", 3, new().elastic(1.5, 5.0)),
        kind("rotation", "±20°", 2, new().rotate(20.0)),
        kind("shift", "±1 pixel", 2, new().shift(1.0)),
        kind("scale", "0.8 to 1.2", 2, new().scale(0.8..=1.2)),
        kind("noise", "σ = 0.1", 2, new().noise(0.1)),
        kind(
            "all together",
            "interpolated once",
            4,
            new().elastic(1.5, 3.0).rotate(12.0).shift(0.7).scale(0.9..=1.1).noise(0.03),
        ),
    ]
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let picture = args.out.display();
    if args.out.extension().is_none_or(|extension| extension != "png") {
        return Err(format!("{picture} does not end in .png").into());
    }
    let digits = Digits::read(Path::new(DATA))?;
    let kinds = kinds();
    let mut rng = StdRng::seed_from_u64(args.seed);

    // For each digit its first image, and then the copies of each kind.
    let mut rows = Vec::new();
    for class in 0..CLASSES {
        let found = digits.classes.iter().position(|&other| other == class);
        let original = found.map(|i| digits.images.row(i)).ok_or("a digit is missing")?;
        let original = original.to_shape((SIDE, SIDE))?.into_owned();
        let mut row = vec![vec![original.clone()]];
        for kind in &kinds {
            let copies = (0..kind.copies).map(|_| kind.augment.image(&original, &mut rng));
            row.push(copies.collect::<Result<_, _>>()?);
        }
        rows.push(row);
    }

    let cannot_write = |error: &dyn Display| format!("cannot write {picture}: {error}");
    if let Some(folder) = args.out.parent() {
        fs::create_dir_all(folder).map_err(|error| cannot_write(&error))?;
    }
    draw(&args.out, &kinds, &rows).map_err(|error| cannot_write(&error))?;
    println!("{picture}");
    Ok(())
}

fn draw(path: &Path, kinds: &[Kind], rows: &[Vec<Vec<Array2<f32>>>]) -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    // The left edge of each group of columns, the originals' first.
    let copies = [1].into_iter().chain(kinds.iter().map(|kind| kind.copies));
    let mut edges = Vec::new();
    let mut x = MARGIN;
    for copies in copies {
        let width = copies as i32 * (TILE + GAP) - GAP;
        edges.push((x, width));
        x += width + WIDE_GAP;
    }
    let width = x - WIDE_GAP + MARGIN;
    let height = HEAD + rows.len() as i32 * (TILE + GAP) - GAP + MARGIN;

    png::draw(path, (width as u32, height as u32), |root| paint(root, kinds, rows, &edges))
}

fn paint(
    root: &png::Canvas<'_>,
    kinds: &[Kind],
    rows: &[Vec<Vec<Array2<f32>>>],
    edges: &[(i32, i32)],
) -> Result<(), Box<dyn Error>> {
    let titles = [("original", "8x8 pixels")].into_iter();
    let titles = titles.chain(kinds.iter().map(|kind| (kind.title, kind.strength)));
    for ((title, strength), &(x, width)) in titles.zip(edges) {
        let middle = x + width / 2;
        root.draw(&Text::new(title, (middle, 34), font(24, INK)))?;
        root.draw(&Text::new(strength, (middle, 62), font(18, FAINT)))?;
    }
    for (row, groups) in (0..).zip(rows) {
        let y = HEAD + row * (TILE + GAP);
        for (group, &(x, _)) in groups.iter().zip(edges) {
            for (column, image) in (0..).zip(group) {
                draw_image(root, (x + column * (TILE + GAP), y), image.view())?;
            }
        }
    }
    Ok(())
}

/// An image of values from 0, white, to 1, black, with its upper left corner there; smooth between the
/// centres of its pixels.
fn draw_image<DB: DrawingBackend>(
    area: &DrawingArea<DB, plotters::coord::Shift>,
    (x, y): (i32, i32),
    image: ArrayView2<'_, f32>,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    // Two pixels to interpolate between, and how far the second is away.
    let between = |at: i32| {
        let place = (at as f32 + 0.5) / ZOOM as f32 - 0.5;
        let place = place.clamp(0.0, (SIDE - 1) as f32);
        let first = (place as usize).min(SIDE - 2);
        (first, place - first as f32)
    };
    for i in 0..TILE {
        let (row, down) = between(i);
        for j in 0..TILE {
            let (column, right) = between(j);
            let pixel = |i: usize, j: usize| image[[row + i, column + j]];
            let upper = (1.0 - right) * pixel(0, 0) + right * pixel(0, 1);
            let lower = (1.0 - right) * pixel(1, 0) + right * pixel(1, 1);
            let value = ((1.0 - down) * upper + down * lower).clamp(0.0, 1.0);
            let grey = (244.0 - 230.0 * value) as u8;
            area.draw_pixel((x + j, y + i), &RGBColor(grey, grey, grey))?;
        }
    }
    Ok(())
}

fn font(size: u32, color: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color).pos(Pos::new(HPos::Center, VPos::Center))
}
