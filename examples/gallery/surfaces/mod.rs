//! The loss surfaces: functions of a point of the plane, with gradients, frames and known minima.

mod known;
mod problems;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A point of the plane.
pub type Point = [f64; 2];

/// The noise of a gradient is drawn from this seed: every optimizer meets the same.
const SEED: u64 = 1;

/// A loss over the plane.
#[derive(Debug, Clone)]
pub struct Surface {
    /// The name to choose it by.
    pub name: &'static str,
    /// The name to read.
    pub title: &'static str,
    /// The formula, in Unicode.
    pub formula: &'static str,
    /// What it shows.
    pub lesson: &'static str,
    /// The lower left and the upper right corner of what is drawn.
    pub frame: [Point; 2],
    /// Where the trajectories begin.
    pub start: Point,
    /// All points of the lowest loss within the frame; empty where there is none, or all are.
    pub minima: &'static [Point],
    /// How many evaluations of the gradient a trajectory gets.
    pub steps: usize,
    /// The standard deviation of what is added to each partial derivative.
    pub noise: f64,
    value: fn(&Point) -> f64,
    gradient: fn(&Point) -> Point,
}

/// All surfaces: those that show a known problem first.
pub fn all() -> Vec<Surface> {
    problems::all().into_iter().chain(known::all()).collect()
}

impl Surface {
    /// The loss, without noise.
    pub fn value(&self, w: &Point) -> f64 {
        (self.value)(w)
    }

    /// The gradient, without noise.
    pub fn gradient(&self, w: &Point) -> Point {
        (self.gradient)(w)
    }

    /// The gradients that a training meets, one after the other.
    pub fn gradients(&self) -> impl FnMut(&Point) -> Point {
        let (gradient, noise) = (self.gradient, self.noise);
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        move |w| {
            let exact = gradient(w);
            if noise == 0.0 { exact } else { exact.map(|g| g + noise * normal(&mut rng)) }
        }
    }

    /// The lowest loss that is known.
    pub fn lowest(&self) -> f64 {
        self.minima.iter().map(|w| self.value(w)).fold(f64::INFINITY, f64::min)
    }

    /// The point at these fractions of the frame's width and height.
    pub fn at(&self, [x, y]: Point) -> Point {
        let [[left, low], [right, high]] = self.frame;
        [left + x * (right - left), low + y * (high - low)]
    }

    /// The fractions of the frame's width and height where a point lies.
    pub fn fractions(&self, [x, y]: &Point) -> Point {
        let [[left, low], [right, high]] = self.frame;
        [(x - left) / (right - left), (y - low) / (high - low)]
    }

    /// Whether a point is drawn.
    pub fn shows(&self, w: &Point) -> bool {
        self.fractions(w).iter().all(|part| (0.0..=1.0).contains(part))
    }
}

/// A standard normal number, by Box and Muller's method.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
