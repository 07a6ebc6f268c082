//! The digits: reading them from a file and dividing them into three sets.

use std::fs;
use std::path::Path;

use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Height and width of an image.
pub const SIDE: usize = 8;
/// The pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;
/// The digits 0 to 9.
pub const CLASSES: usize = 10;
/// What a black pixel has in the file.
const BLACK: u8 = 16;
/// Fewer images cannot be divided into three sets that are not empty.
const FEWEST: usize = 10;

/// Images, a row each with pixels from 0 to 1, and the digit that each shows.
pub struct Digits {
    pub images: Array2<f32>,
    pub classes: Vec<usize>,
}

/// The three sets: to learn from, to watch the learning by, and to judge the result by.
pub struct Split {
    pub training: Digits,
    pub validation: Digits,
    pub test: Digits,
}

impl Digits {
    /// Reads lines of 64 pixels, 0 to 16, and a class, 0 to 9; a message names file and line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let bytes = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let mut pixels = Vec::new();
        let mut classes = Vec::new();
        for (i, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let class = read_line(line, &mut pixels)
                .map_err(|problem| format!("{name}, line {}: {problem}", i + 1))?;
            classes.push(class);
        }
        match classes.len() {
            0 => return Err(format!("{name}, line 1: the file is empty")),
            few @ 1..FEWEST => {
                return Err(format!(
                    "{name}: {few} images are too few to split, it takes {FEWEST}"
                ));
            }
            _ => {}
        }
        let images = Array2::from_shape_vec((classes.len(), PIXELS), pixels)
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { images, classes })
    }

    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// The images at these indices.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            images: self.images.select(Axis(0), indices),
            classes: indices.iter().map(|&i| self.classes[i]).collect(),
        }
    }

    /// How many images a share of them is, at least one.
    pub fn count(&self, share: f64) -> usize {
        ((share * self.len() as f64).round() as usize).max(1)
    }

    /// That share of the images, in (0, 1], drawn by `rng`.
    pub fn sample(&self, share: f64, rng: &mut impl Rng) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(rng);
        order.truncate(self.count(share));
        self.select(&order)
    }

    /// A fifth for the test, an eighth of the others for validation; the same ones in every run.
    pub fn split(&self) -> Split {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(0));
        let (test, others) = order.split_at(self.len() / 5);
        let (validation, training) = others.split_at(others.len() / 8);
        Split {
            training: self.select(training),
            validation: self.select(validation),
            test: self.select(test),
        }
    }
}

/// Appends the pixels of a line and returns its class.
fn read_line(line: &str, pixels: &mut Vec<f32>) -> Result<usize, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    if fields.len() != PIXELS + 1 {
        return Err(format!(
            "{} values separated by commas instead of {}: {PIXELS} pixels and a class",
            fields.len(),
            PIXELS + 1
        ));
    }
    for (i, field) in fields[..PIXELS].iter().enumerate() {
        let value = read_number(field, BLACK).map_err(|e| format!("pixel {}: {e}", i + 1))?;
        pixels.push(f32::from(value) / f32::from(BLACK));
    }
    read_number(fields[PIXELS], 9).map(usize::from).map_err(|e| format!("class: {e}"))
}

fn read_number(field: &str, largest: u8) -> Result<u8, String> {
    match field.parse() {
        Ok(value) if value <= largest => Ok(value),
        _ => Err(format!("`{field}` is not a whole number from 0 to {largest}")),
    }
}
