//! The loss surfaces: functions of a point of the plane, with gradients, frames and known minima.

mod known;
mod problems;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of the frame on no axis of symmetry.
    fn points(surface: &Surface, side: usize) -> Vec<Point> {
        let part = |i: usize, shift: f64| (i as f64 + shift) / side as f64;
        (0..side * side)
            .map(|i| surface.at([part(i % side, 0.437), part(i / side, 0.571)]))
            .collect()
    }

    /// By four values around, each a ten-thousandth of the frame from the next.
    fn differences(surface: &Surface, w: &Point) -> Point {
        let [[left, low], [right, high]] = surface.frame;
        [0, 1].map(|axis| {
            let step = 1e-4 * [right - left, high - low][axis];
            let change = |length: f64| {
                let at = |length: f64| {
                    let mut point = *w;
                    point[axis] += length;
                    surface.value(&point)
                };
                at(length) - at(-length)
            };
            (8.0 * change(step) - change(2.0 * step)) / (12.0 * step)
        })
    }

    #[test]
    fn each_derivative_is_that_of_its_function() {
        for surface in all() {
            let points = points(&surface, 8);
            let gradients: Vec<Point> = points.iter().map(|w| surface.gradient(w)).collect();
            let mean = gradients.iter().flatten().map(|g| g.abs()).sum::<f64>() / 128.0;
            for (w, gradient) in points.iter().zip(gradients) {
                let other = differences(&surface, w);
                for (g, d) in gradient.into_iter().zip(other) {
                    let allowed = 1e-5 * g.abs().max(0.01 * mean);
                    assert!((g - d).abs() <= allowed, "{} at {w:?}: {g}, {d}", surface.name);
                }
            }
        }
    }

    #[test]
    fn nothing_in_the_frame_is_lower_than_the_minima() {
        for surface in all().iter().filter(|surface| !surface.minima.is_empty()) {
            let lowest = surface.lowest();
            for w in points(surface, 120) {
                assert!(surface.value(&w) >= lowest - 1e-12, "{} at {w:?}", surface.name);
            }
            for w in surface.minima {
                let height = surface.value(w) - lowest;
                assert!(height <= 1e-10 * lowest.abs().max(1.0), "{} at {w:?}", surface.name);
                assert!(surface.shows(w), "{} at {w:?}", surface.name);
            }
        }
    }

    #[test]
    fn starts_are_within_the_frame_and_names_differ() {
        let all = all();
        let names: std::collections::BTreeSet<_> = all.iter().map(|surface| surface.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|surface| surface.shows(&surface.start)));
    }

    #[test]
    fn every_optimizer_meets_the_same_noise() {
        let noisy = all().into_iter().find(|surface| surface.noise > 0.0).unwrap();
        let (mut first, mut second) = (noisy.gradients(), noisy.gradients());
        let draws: Vec<Point> = (0..2000).map(|_| first(&noisy.start)).collect();
        assert!(draws.iter().all(|draw| *draw == second(&noisy.start)));
        let exact = noisy.gradient(&noisy.start);
        for axis in 0..2 {
            let off: Vec<f64> = draws.iter().map(|draw| draw[axis] - exact[axis]).collect();
            let mean = off.iter().sum::<f64>() / 2000.0;
            let deviation = (off.iter().map(|x| x * x).sum::<f64>() / 2000.0).sqrt();
            assert!(mean.abs() < 0.15 && (deviation / noisy.noise - 1.0).abs() < 0.08);
        }
    }
}
