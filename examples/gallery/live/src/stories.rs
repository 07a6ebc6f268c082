//! Four stories of one slider each: what momentum does, what conditioning costs, how long a saddle holds, and what an
//! adaptive rate remembers.

use std::ops::ControlFlow;

use ndarray::{Array1, array};
use thalweg::solvers::{ConjugateGradient, Lbfgs, NewtonCg, Solver, Stop, minimize};
use thalweg::{AdaGrad, Adam, Momentum, Nesterov, Optimizer, Sgd};

/// A point of the plane.
pub type Point = [f64; 2];

/// A loss that a slider changes, or optimizers that it does.
#[derive(Debug)]
pub struct Story {
    pub name: &'static str,
    pub title: &'static str,
    /// What to do and to see, in plain words.
    pub lesson: &'static str,
    pub formula: &'static str,
    /// The lower left and the upper right corner of what is drawn.
    pub frame: [Point; 2],
    pub start: Point,
    pub minima: &'static [Point],
    pub steps: usize,
    pub slider: Slider,
    pub lines: &'static [Line],
    pub value: fn(f64, &Point) -> f64,
    pub gradient: fn(f64, &Point) -> Point,
    /// Where a setting has the start, if it changes it.
    pub moved: fn(f64, Point) -> Point,
}

/// The one number that is to be tried.
#[derive(Debug)]
pub struct Slider {
    pub label: &'static str,
    pub values: &'static [f64],
    /// The index that it begins at.
    pub first: usize,
}

/// What goes down: an optimizer with the rate that a setting gives it, or a solver.
#[derive(Debug)]
pub struct Line {
    pub title: &'static str,
    /// NaN where there is none.
    pub rate: fn(f64) -> f64,
    pub walker: fn(f64, f64) -> Walker,
}

pub enum Walker {
    Steps(Box<dyn Optimizer<f64>>),
    Solver(Box<dyn Solver<f64>>),
}

fn steps(optimizer: impl Optimizer<f64> + 'static) -> Walker {
    Walker::Steps(Box::new(optimizer))
}

fn solver(solver: impl Solver<f64> + 'static) -> Walker {
    Walker::Solver(Box::new(solver))
}

const FRAME: [Point; 2] = [[-5.5, -4.0], [5.5, 4.0]];
/// How much steeper the valley of the first story is across than along.
const STEEP: f64 = 50.0;

pub static ALL: [Story; 4] = [
    Story {
        name: "momentum",
        title: "Momentum",
        lesson: "Plain SGD crawls along the valley. Momentum adds a share γ of the last step to the next one. Too little, and it \
                 crawls as well; too much, and it overshoots and swings around the goal. The best is in between.",
        formula: "½(u² + 50v²), u = 0.8x + 0.6y, v = 0.8y - 0.6x; each learning rate is 1/50",
        frame: FRAME,
        start: [-3.0, -3.3],
        minima: &[[0.0, 0.0]],
        steps: 150,
        slider: Slider {
            label: "Momentum γ",
            values: &[
                0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98,
                0.99,
            ],
            first: 12,
        },
        lines: &[
            Line { title: "SGD", rate: |_| 1.0 / STEEP, walker: |_, rate| steps(Sgd::new(rate)) },
            Line {
                title: "Momentum",
                rate: |_| 1.0 / STEEP,
                walker: |gamma, rate| steps(Momentum::new(rate).momentum(gamma)),
            },
            Line {
                title: "Nesterov",
                rate: |_| 1.0 / STEEP,
                walker: |gamma, rate| steps(Nesterov::new(rate).momentum(gamma)),
            },
        ],
        value: |_, w| valley(STEEP, w),
        gradient: |_, w| valley_gradient(STEEP, w),
        moved: |_, start| start,
    },
    Story {
        name: "conditioning",
        title: "Conditioning",
        lesson: "κ says how much steeper the valley is across than along. SGD, at its best learning rate, needs about κ times as \
                 many steps; momentum, at its best, about √κ times. Solvers that learn the shape hardly notice.",
        formula: "½(u² + κv²), u = 0.8x + 0.6y, v = 0.8y - 0.6x",
        frame: FRAME,
        start: [-3.48, -1.36],
        minima: &[[0.0, 0.0]],
        steps: 300,
        slider: Slider {
            label: "Condition number κ",
            values: &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0],
            first: 6,
        },
        lines: &[
            Line {
                title: "SGD",
                rate: |kappa| 2.0 / (1.0 + kappa),
                walker: |_, rate| steps(Sgd::new(rate)),
            },
            Line {
                title: "Momentum",
                rate: |kappa| 4.0 / (kappa.sqrt() + 1.0).powi(2),
                walker: |kappa, rate| {
                    let gamma = ((kappa.sqrt() - 1.0) / (kappa.sqrt() + 1.0)).powi(2);
                    steps(Momentum::new(rate).momentum(gamma))
                },
            },
            Line {
                title: "ConjugateGradient",
                rate: |_| f64::NAN,
                walker: |_, _| solver(ConjugateGradient::new()),
            },
            Line { title: "Lbfgs", rate: |_| f64::NAN, walker: |_, _| solver(Lbfgs::new()) },
        ],
        value: valley,
        gradient: valley_gradient,
        moved: |_, start| start,
    },
    Story {
        name: "saddles",
        title: "Saddles",
        lesson: "At a saddle the gradient is 0, but it is no minimum. Who arrives near the ridge leaves it slowly: SGD needs some \
                 24 steps more for each zero in front. Adam divides by the gradient's size, so that small ones count as well. \
                 Exactly on the ridge, y = 0, all of these stay.",
        formula: "½x² - ½y² + ¼y⁴",
        frame: [[-2.75, -2.0], [2.75, 2.0]],
        start: [-2.2, 1e-6],
        minima: &[[0.0, 1.0], [0.0, -1.0]],
        steps: 300,
        slider: Slider {
            label: "Start beside the ridge, y",
            values: &[
                1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 0.0,
            ],
            first: 5,
        },
        lines: &[
            Line { title: "SGD", rate: |_| 0.1, walker: |_, rate| steps(Sgd::new(rate)) },
            Line { title: "Momentum", rate: |_| 0.1, walker: |_, rate| steps(Momentum::new(rate)) },
            Line { title: "Adam", rate: |_| 0.1, walker: |_, rate| steps(Adam::new(rate)) },
            Line { title: "NewtonCg", rate: |_| f64::NAN, walker: |_, _| solver(NewtonCg::new()) },
        ],
        value: |_, [x, y]| 0.5 * x * x - 0.5 * y * y + 0.25 * y * y * y * y,
        gradient: |_, [x, y]| [*x, y * y * y - y],
        moved: |beside, [x, _]| [x, beside],
    },
    Story {
        name: "adaptive",
        title: "Adaptive rates",
        lesson: "Adaptive optimizers divide each step by the size of past gradients; β₂ says how long they remember it. The start \
                 is on a steep wall. With a long memory Adam stays cautious in the flat valley below; with a short one it forgets the \
                 wall and steps out boldly. Too short, and it jitters. AdaGrad never forgets.",
        formula: "(1 - x)² + 100(y - x²)²",
        frame: [[-2.0, -1.0], [2.0, 3.0]],
        start: [-1.5, -0.6],
        minima: &[[1.0, 1.0]],
        steps: 300,
        slider: Slider {
            label: "Memory of squares β₂",
            values: &[0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999],
            first: 9,
        },
        lines: &[
            Line { title: "SGD", rate: |_| 0.001, walker: |_, rate| steps(Sgd::new(rate)) },
            Line { title: "AdaGrad", rate: |_| 0.5, walker: |_, rate| steps(AdaGrad::new(rate)) },
            Line {
                title: "Adam",
                rate: |_| 0.1,
                walker: |beta2, rate| steps(Adam::new(rate).beta2(beta2)),
            },
        ],
        value: |_, [x, y]| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2),
        gradient: |_, [x, y]| [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)],
        moved: |_, start| start,
    },
];

/// It lies askew: a diagonal cannot straighten it.
fn valley(kappa: f64, [x, y]: &Point) -> f64 {
    let (u, v) = (0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x);
    0.5 * (u * u + kappa * v * v)
}

fn valley_gradient(kappa: f64, [x, y]: &Point) -> Point {
    let (u, v) = (0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x);
    [0.8 * u - 0.6 * kappa * v, 0.6 * u + 0.8 * kappa * v]
}

impl Story {
    /// x, y and loss after each evaluation of the gradient, the start first; it ends where the path goes far out of the
    /// frame, or a solver stops.
    pub fn run(&self, line: usize, setting: f64, start: Point) -> Vec<[f64; 3]> {
        let line = &self.lines[line];
        let value = |w: &Array1<f64>| (self.value)(setting, &[w[0], w[1]]);
        let gradient =
            |w: &Array1<f64>| Array1::from((self.gradient)(setting, &[w[0], w[1]]).to_vec());
        let mut w = array![start[0], start[1]];
        let mut path = vec![[w[0], w[1], value(&w)]];
        match (line.walker)(setting, (line.rate)(setting)) {
            Walker::Steps(mut optimizer) => {
                while path.len() <= self.steps && !self.is_far(&path) {
                    // A step that cannot be taken leaves everything as it was: the path ends there.
                    let g = gradient(&w);
                    if optimizer.step(&mut w, &g).is_err() {
                        break;
                    }
                    path.push([w[0], w[1], value(&w)]);
                }
            }
            Walker::Solver(mut solver) => {
                let mut objective = |w: &Array1<f64>| (value(w), gradient(w));
                let stop = Stop::default().evaluations(self.steps as u64).callback(|progress| {
                    if let [x, y] = *progress.point.as_slice() {
                        // It rests while it searches along a line.
                        let last = path[path.len() - 1];
                        path.resize(progress.evaluations.total() as usize, last);
                        path.push([x, y, (self.value)(setting, &[x, y])]);
                    }
                    ControlFlow::Continue(())
                });
                // An error is the end of a path too.
                let _ = minimize(&mut *solver, &mut w, &mut objective, stop);
                // It goes back to the best point that was seen.
                let last = path[path.len() - 1];
                if [w[0], w[1]] != last[..2] {
                    path.truncate(self.steps);
                    path.push([w[0], w[1], (self.value)(setting, &[w[0], w[1]])]);
                }
            }
        }
        path
    }

    fn is_far(&self, path: &[[f64; 3]]) -> bool {
        let [[left, low], [right, high]] = self.frame;
        let [x, y, loss] = path[path.len() - 1];
        let within = |value: f64, low: f64, high: f64| (value - low).abs() <= 20.0 * (high - low);
        !(within(x, left, right) && within(y, low, high) && loss.is_finite())
    }

    /// The eigenvalues of the Hessian, by differences of gradients.
    #[allow(dead_code, reason = "only the page asks")]
    pub fn curvatures(&self, setting: f64, &[x, y]: &Point) -> Point {
        let h = 1e-5;
        let column = |dx: f64, dy: f64| {
            let ahead = (self.gradient)(setting, &[x + dx, y + dy]);
            let behind = (self.gradient)(setting, &[x - dx, y - dy]);
            [0, 1].map(|i| (ahead[i] - behind[i]) / (2.0 * h))
        };
        let ([a, b], [c, d]) = (column(h, 0.0), column(0.0, h));
        let (mean, off) = (0.5 * (a + d), 0.5 * (b + c));
        let radius = (0.5 * (a - d)).hypot(off);
        [mean - radius, mean + radius]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(name: &str) -> &'static Story {
        ALL.iter().find(|story| story.name == name).unwrap()
    }

    /// After how many gradients the loss is a millionth of the first.
    fn millionth(story: &Story, line: usize, setting: f64) -> usize {
        let path = story.run(line, setting, (story.moved)(setting, story.start));
        let goal = 1e-6 * path[0][2];
        path.iter().position(|&[_, _, loss]| loss <= goal).unwrap_or(usize::MAX)
    }

    #[test]
    fn each_derivative_is_that_of_its_function() {
        for story in &ALL {
            for &setting in story.slider.values {
                for w in [[0.3, -0.7], [-1.1, 0.4], [1.7, 1.9]] {
                    let gradient = (story.gradient)(setting, &w);
                    for axis in 0..2 {
                        let at = |h: f64| {
                            let mut v = w;
                            v[axis] += h;
                            (story.value)(setting, &v)
                        };
                        let quotient = (at(1e-5) - at(-1e-5)) / 2e-5;
                        let size = gradient[0].hypot(gradient[1]).max(1.0);
                        assert!(
                            (gradient[axis] - quotient).abs() < 1e-6 * size,
                            "{} {w:?}",
                            story.name
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_stories_are_as_they_are_told() {
        // The best γ lies inside, and beats none and too much.
        let momentum = story("momentum");
        let count = |gamma| millionth(momentum, 1, gamma);
        assert!(count(0.75) < count(0.4) && count(0.75) < count(0.95) && count(0.75) < 80);
        assert_eq!(momentum.run(0, 0.9, momentum.start), momentum.run(1, 0.0, momentum.start));
        // κ times and √κ times the steps: ln 10³ over the rate of each mode.
        let conditioning = story("conditioning");
        let (sgd, heavy) = (millionth(conditioning, 0, 50.0), millionth(conditioning, 1, 50.0));
        assert!((100..250).contains(&sgd) && heavy < 60, "{sgd} {heavy}");
        for &kappa in conditioning.slider.values {
            assert!(millionth(conditioning, 3, kappa) < 30, "{kappa}");
        }
        // (1 + α)ᵗ: ln 10/ln 1.1 = 24.2 steps for each zero.
        let saddles = story("saddles");
        let leaves = |line: usize, beside: f64| {
            let path = saddles.run(line, beside, (saddles.moved)(beside, saddles.start));
            path.iter().position(|w| w[1].abs() > 0.1).unwrap_or(usize::MAX)
        };
        let each = (leaves(0, 1e-8) - leaves(0, 1e-4)) as f64 / 4.0;
        assert!((each - 24.16).abs() < 0.5, "{each}");
        assert!(leaves(2, 1e-8) < leaves(1, 1e-8) && leaves(1, 1e-8) < leaves(0, 1e-8));
        assert!((0..3).all(|line| leaves(line, 0.0) == usize::MAX));
        // A long memory of the wall is slow.
        let adaptive = story("adaptive");
        let last =
            |line: usize, beta2: f64| adaptive.run(line, beta2, adaptive.start).last().unwrap()[2];
        assert!(last(2, 0.9) < 0.1 * last(2, 0.99) && last(2, 0.99) < last(2, 0.9999));
        assert!(last(2, 0.5) > last(2, 0.8) && last(1, 0.9) > last(2, 0.9999));
    }

    #[test]
    fn no_path_fails_wherever_it_begins() {
        for story in &ALL {
            let [[left, low], [right, high]] = story.frame;
            for &setting in story.slider.values {
                for start in [[left, low], [right, high], story.start, story.minima[0]] {
                    for line in 0..story.lines.len() {
                        let path = story.run(line, setting, start);
                        assert!(path.len() <= story.steps + 2, "{} {line}", story.name);
                        assert_eq!(path[0][..2], start);
                    }
                }
            }
        }
    }
}
