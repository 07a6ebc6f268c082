//! Fills in the hidden pixels of digits by a factorization of the matrix of images × pixels.
//!
//! Half of all pixels are hidden. Each image and each pixel has a vector, whose product is learnt from the
//! pixels that are seen, a few at a time: the gradient is of the rows that a batch touches, and so is the step.
//!
//! ```text
//! cargo run --release --example factorization
//! cargo run --release --example factorization -- --epochs 10 --out filled.png
//! ```

// Shared with the example that trains on them.
#[allow(dead_code)]
#[path = "digits/data.rs"]
mod data;
mod png;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use epaint_default_fonts::UBUNTU_LIGHT;
use ndarray::{Array1, Array2, Axis};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use thalweg::params::Rows;
use thalweg::regularize::Penalty;
use thalweg::{AdaGrad, Optimizer};

use data::{CLASSES, Digits, PIXELS, SIDE};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/optdigits.csv");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/factorization.png");

const RANK: usize = 16;
const BATCH: usize = 64;
const ZOOM: i32 = 9;
const GAP: i32 = 8;
const HEAD: i32 = 60;
const LEFT: i32 = 150;
const INK: RGBColor = RGBColor(40, 40, 40);
const HIDDEN: RGBColor = RGBColor(240, 200, 160);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Fills in the hidden pixels of digits
#[derive(Parser)]
struct Args {
    /// How often each pixel that is seen is learnt from
    #[arg(long, default_value_t = 60)]
    epochs: usize,
    /// The learning rate
    #[arg(long, default_value_t = 0.1)]
    rate: f32,
    /// The strength of the L2 penalty on the vectors of a batch
    #[arg(long, default_value_t = 0.015)]
    penalty: f64,
    /// What the random numbers begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Two epochs only
    #[arg(long)]
    quick: bool,
    /// Where the picture goes
    #[arg(long, value_name = "FILE", default_value = PICTURE)]
    out: PathBuf,
}

/// An element of the matrix.
struct Pixel {
    image: usize,
    place: usize,
    value: f32,
}

/// value ≈ a + b + u·v of an image and a place.
struct Model {
    images: Array2<f32>,
    places: Array2<f32>,
    of_images: Array1<f32>,
    of_places: Array1<f32>,
}
thalweg::params!(Model { images, places, of_images, of_places });

/// There are many images, of which a batch has few, and few places, of which it has most.
struct Gradient {
    images: Rows<Vec<usize>, Array2<f32>>,
    places: Array2<f32>,
    of_images: Rows<Vec<usize>, Array1<f32>>,
    of_places: Array1<f32>,
}
thalweg::params!(Gradient { images, places, of_images, of_places });

impl Model {
    fn new(images: usize, rng: &mut impl Rng) -> Self {
        let mut vectors =
            |rows| Array2::from_shape_fn((rows, RANK), |_| rng.random_range(-0.1..0.1));
        Self {
            images: vectors(images),
            places: vectors(PIXELS),
            of_images: Array1::zeros(images),
            of_places: Array1::zeros(PIXELS),
        }
    }

    fn value(&self, image: usize, place: usize) -> f32 {
        let product = self.images.row(image).dot(&self.places.row(place));
        self.of_images[image] + self.of_places[place] + product
    }

    /// The gradient of ½Σ(value - model)² over a batch; an image may be in it several times.
    fn gradient(&self, batch: &[Pixel]) -> Gradient {
        let rows: Vec<usize> = batch.iter().map(|pixel| pixel.image).collect();
        let mut values = Array2::zeros((batch.len(), RANK));
        let mut errors = Array1::zeros(batch.len());
        let (mut places, mut of_places) = (Array2::zeros((PIXELS, RANK)), Array1::zeros(PIXELS));
        for (i, &Pixel { image, place, value }) in batch.iter().enumerate() {
            let error = self.value(image, place) - value;
            errors[i] = error;
            values.row_mut(i).scaled_add(error, &self.places.row(place));
            places.row_mut(place).scaled_add(error, &self.images.row(image));
            of_places[place] += error;
        }
        Gradient {
            images: Rows { rows: rows.clone(), values },
            places,
            of_images: Rows { rows, values: errors },
            of_places,
        }
    }

    /// √ of the mean of (value - model)², where a pixel is from 0 to 1.
    fn error(&self, pixels: &[Pixel]) -> f32 {
        let value = |pixel: &Pixel| self.value(pixel.image, pixel.place).clamp(0.0, 1.0);
        let square = |pixel: &Pixel| (value(pixel) - pixel.value).powi(2);
        (pixels.iter().map(square).sum::<f32>() / pixels.len() as f32).sqrt()
    }
}

/// The pixels that are seen, and those that are hidden.
fn divide(images: &Array2<f32>, rng: &mut impl Rng) -> (Vec<Pixel>, Vec<Pixel>) {
    let pixels = images.indexed_iter();
    let pixels = pixels.map(|((image, place), &value)| Pixel { image, place, value });
    pixels.partition(|_| rng.random_bool(0.5))
}

/// What is wrong where each hidden pixel is the mean of those that are seen at its place.
fn error_of_means(seen: &[Pixel], hidden: &[Pixel]) -> f32 {
    let mut sums = [(0.0_f32, 0.0_f32); PIXELS];
    for pixel in seen {
        let (sum, count) = &mut sums[pixel.place];
        (*sum, *count) = (*sum + pixel.value, *count + 1.0);
    }
    let square = |pixel: &Pixel| (sums[pixel.place].0 / sums[pixel.place].1 - pixel.value).powi(2);
    (hidden.iter().map(square).sum::<f32>() / hidden.len() as f32).sqrt()
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut rng = StdRng::seed_from_u64(args.seed);
    let digits = Digits::read(Path::new(DATA))?;
    let (mut seen, hidden) = divide(&digits.images, &mut rng);
    let mut model = Model::new(digits.len(), &mut rng);
    let penalty = Penalty::l2(args.penalty);
    let mut optimizer = AdaGrad::new(f64::from(args.rate))
        .group("images", move |group| group.penalty(penalty))
        .group("places", move |group| group.penalty(penalty));

    let (mut time, mut steps) = (Duration::ZERO, 0);
    let epochs = if args.quick { 2 } else { args.epochs };
    for epoch in 1..=epochs {
        seen.shuffle(&mut rng);
        for batch in seen.chunks(BATCH) {
            let gradient = model.gradient(batch);
            let start = Instant::now();
            optimizer.step(&mut model, &gradient)?;
            time += start.elapsed();
            steps += 1;
        }
        if epoch % 10 == 0 || epoch == epochs {
            let (of_seen, of_hidden) = (model.error(&seen), model.error(&hidden));
            println!("epoch {epoch:3}: seen pixels ± {of_seen:.3}, hidden ones ± {of_hidden:.3}");
        }
    }
    let means = error_of_means(&seen, &hidden);
    println!("the means of their places leave the hidden pixels at ± {means:.3}");
    println!("a step of {BATCH} pixels took {:.1} µs", time.as_secs_f64() * 1e6 / f64::from(steps));
    if model.error(&hidden) >= means {
        return Err("the factorization knows no more than the means".into());
    }
    draw(&args.out, &digits, &model, &hidden)
}

/// A digit of each kind: as it is, as it is seen, and filled in.
fn draw(path: &Path, digits: &Digits, model: &Model, hidden: &[Pixel]) -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let tile = SIDE as i32 * ZOOM;
    let width = LEFT + CLASSES as i32 * (tile + GAP) + GAP;
    let height = HEAD + 3 * (tile + GAP) + GAP;
    let of_class = |class| digits.classes.iter().rposition(|&other| other == class);
    let images: Vec<usize> = (0..CLASSES).filter_map(of_class).collect();
    png::draw(path, (width as u32, height as u32), |canvas| {
        let font = |size: u32| ("sans-serif", size).into_font().color(&INK);
        let title =
            "Half of the pixels of all digits, filled in by a factorization of images × pixels";
        canvas.draw(&Text::new(title, (GAP, 16), font(24)))?;
        for (row, name) in (0..).zip(["as it is", "as it is seen", "filled in"]) {
            let top = HEAD + row * (tile + GAP);
            canvas.draw(&Text::new(name, (GAP, top + tile / 2 - 10), font(22)))?;
            for (column, &image) in (0..).zip(&images) {
                let left = LEFT + column * (tile + GAP);
                let mut is_hidden = [false; PIXELS];
                let own = hidden.iter().filter(|pixel| pixel.image == image);
                own.for_each(|pixel| is_hidden[pixel.place] = true);
                let values = digits.images.index_axis(Axis(0), image);
                for place in 0..PIXELS {
                    let value = match (row, is_hidden[place]) {
                        (2, true) => model.value(image, place),
                        _ => values[place],
                    };
                    let gray = (255.0 * (1.0 - value.clamp(0.0, 1.0))) as u8;
                    let hides = row == 1 && is_hidden[place];
                    let color = if hides { HIDDEN } else { RGBColor(gray, gray, gray) };
                    let (x, y) = ((place % SIDE) as i32, (place / SIDE) as i32);
                    let corner = (left + x * ZOOM, top + y * ZOOM);
                    let end = (corner.0 + ZOOM, corner.1 + ZOOM);
                    canvas.draw(&Rectangle::new([corner, end], color.filled()))?;
                }
            }
        }
        Ok(())
    })
}
