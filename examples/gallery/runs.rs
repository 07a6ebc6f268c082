//! Trajectories, and the search for each method's learning rate.

use std::ops::ControlFlow;

use ndarray::{Array2, array};
use thalweg::solvers::{Solver, Status, Stop, minimize};
use thalweg::train::Sam;
use thalweg::{ErrorKind, Optimizer, Sgd};

use crate::methods::{Kind, Method};
use crate::surfaces::{Point, Surface};

/// The learning rates that are tried: 1, 2 and 5 times these powers of ten.
pub const POWERS: std::ops::RangeInclusive<i32> = -7..=2;
/// Farther from the frame's middle than that many frames, a trajectory has diverged.
const FAR: f64 = 50.0;
/// Below that part of the first loss's height, all are as good.
const FLOOR: f64 = 1e-9;

/// Where a method has been.
#[derive(Debug, Clone)]
pub struct Path {
    /// The learning rate; NaN for a solver.
    pub rate: f64,
    /// The parameters after that many evaluations of the gradient, the start first.
    pub points: Vec<Point>,
    pub end: End,
}

/// Why a trajectory ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The evaluations are used up.
    Budget,
    /// It went to infinity.
    Diverged,
    /// The solver says why.
    Stopped(String),
}

impl Path {
    /// Its last point.
    pub fn last(&self) -> Point {
        self.points[self.points.len() - 1]
    }

    /// The evaluation after which it was outside the frame up to its end.
    pub fn left(&self, surface: &Surface) -> Option<usize> {
        let inside = self.points.iter().rposition(|w| surface.shows(w));
        let first = inside.map_or(0, |last| last + 1);
        (first < self.points.len()).then_some(first)
    }
}

/// A trajectory of `steps` evaluations of the gradient.
pub fn run(
    surface: &Surface,
    method: &Method,
    rate: f64,
    start: Point,
    steps: usize,
) -> Result<Path, thalweg::Error> {
    let mut walk = Walk::new(surface, start, steps);
    match method.kind {
        Kind::Rule(_) | Kind::Steps(_) => {
            if let Some(mut optimizer) = method.build(rate) {
                walk.steps(&mut *optimizer)?;
            }
        }
        Kind::Sam => walk.sam(rate)?,
        Kind::Solver(make) => walk.solver(&mut *make())?,
    }
    Ok(Path { rate, points: walk.points, end: walk.end })
}

struct Walk<'a> {
    surface: &'a Surface,
    steps: usize,
    points: Vec<Point>,
    end: End,
}

impl<'a> Walk<'a> {
    fn new(surface: &'a Surface, start: Point, steps: usize) -> Self {
        Self { surface, steps, points: vec![start], end: End::Budget }
    }

    /// The start as a matrix of one column, which is what Muon orthogonalizes.
    fn start(&self) -> Array2<f64> {
        let [x, y] = self.points[0];
        array![[x], [y]]
    }

    /// Where the parameters are after an evaluation, unless that is too far.
    fn arrive(&mut self, w: &Array2<f64>) -> ControlFlow<()> {
        let point = point(w);
        let [x, y] = self.surface.fractions(&point);
        if !((x - 0.5).abs() <= FAR && (y - 0.5).abs() <= FAR) {
            self.end = End::Diverged;
            return ControlFlow::Break(());
        }
        self.points.push(point);
        if self.points.len() > self.steps {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn steps(&mut self, optimizer: &mut dyn Optimizer<f64>) -> Result<(), thalweg::Error> {
        let mut gradient = self.surface.gradients();
        let mut w = self.start();
        while let Some(g) = self.met(gradient(&point(&w))) {
            // Above the lowest value: those who ask for the loss take 0 for it.
            let loss = self.surface.value(&point(&w)) - self.surface.lowest();
            if let Err(error) = optimizer.step_with_loss(&mut w, &g, loss) {
                // Where no step can be taken any more, the path went too far.
                let far = |kind: &ErrorKind| {
                    matches!(
                        kind,
                        ErrorKind::LargeGradient { .. }
                            | ErrorKind::NonFiniteStep { .. }
                            | ErrorKind::NonFiniteLoss { .. }
                            | ErrorKind::NonFiniteSum { .. }
                    )
                };
                if !far(error.kind()) {
                    return Err(error);
                }
                self.end = End::Diverged;
                break;
            }
            if self.arrive(&w).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Two evaluations a step: the parameters rest during the first.
    fn sam(&mut self, rate: f64) -> Result<(), thalweg::Error> {
        let [[_, low], [_, high]] = self.surface.frame;
        let mut gradient = self.surface.gradients();
        let mut w = self.start();
        let mut sam = Sam::new(Sgd::new(rate), (high - low) / 50.0);
        while let Some(g) = self.met(gradient(&point(&w))) {
            let home = w.clone();
            sam.ascend(&mut w, &g)?;
            if self.arrive(&home).is_break() {
                break;
            }
            let Some(g) = self.met(gradient(&point(&w))) else { break };
            sam.step(&mut w, &g)?;
            if self.arrive(&w).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A gradient as a matrix; where it is not finite, this is the end.
    fn met(&mut self, [x, y]: Point) -> Option<Array2<f64>> {
        if x.is_finite() && y.is_finite() {
            return Some(array![[x], [y]]);
        }
        self.end = End::Diverged;
        None
    }

    /// The parameters rest between the points that the solver accepts.
    fn solver(&mut self, solver: &mut dyn Solver<f64>) -> Result<(), thalweg::Error> {
        let surface = self.surface;
        let mut gradient = surface.gradients();
        let mut objective = |w: &Array2<f64>| {
            let [gx, gy] = gradient(&point(w));
            (surface.value(&point(w)), array![[gx], [gy]])
        };
        let mut w = self.start();
        let points = &mut self.points;
        let stop = Stop::default().evaluations(self.steps as u64).callback(|progress| {
            if let [x, y] = *progress.point.as_slice() {
                let last = points[points.len() - 1];
                points.resize(progress.evaluations.total() as usize, last);
                points.push([x, y]);
            }
            ControlFlow::Continue(())
        });
        let report = minimize(solver, &mut w, &mut objective, stop)?;
        // It goes back to the best point that was seen.
        if point(&w) != points[points.len() - 1] {
            points.truncate(self.steps);
            points.push(point(&w));
        }
        self.end = match report.status {
            Status::EvaluationLimit => End::Budget,
            status => End::Stopped(status.to_string()),
        };
        Ok(())
    }
}

fn point(w: &Array2<f64>) -> Point {
    [w[[0, 0]], w[[1, 0]]]
}

/// The rate whose trajectories leave the frame from the fewest starts, and of these the one with the
/// lowest mean of ln((E - E*)/(E₀ - E*)) over the second half of the steps and all starts.
///
/// Of 1, 2 and 5 times the powers of ten of [`POWERS`], and the method's default, which stays where
/// none is better.
pub fn best_rate(
    surface: &Surface,
    method: &Method,
    starts: &[Point],
    steps: usize,
) -> Result<f64, thalweg::Error> {
    let mut best = method.learning_rate;
    if !method.takes_rate() {
        return Ok(best);
    }
    let mut least = badness(surface, method, best, starts, steps)?;
    for rate in POWERS.flat_map(|power| [1.0, 2.0, 5.0].map(|digit| decimal(digit, power))) {
        let bad = badness(surface, method, rate, starts, steps)?;
        if bad < least {
            (best, least) = (rate, bad);
        }
    }
    Ok(best)
}

/// The decimal number nearest to digit·10^power.
fn decimal(digit: f64, power: i32) -> f64 {
    if power < 0 { digit / 10.0_f64.powi(-power) } else { digit * 10.0_f64.powi(power) }
}

/// From how many starts the frame is left, and the mean height in the end.
fn badness(
    surface: &Surface,
    method: &Method,
    rate: f64,
    starts: &[Point],
    steps: usize,
) -> Result<(usize, f64), thalweg::Error> {
    let lowest = surface.lowest();
    let (mut leaving, mut sum) = (0, 0.0);
    for &start in starts {
        let path = run(surface, method, rate, start, steps)?;
        if path.end == End::Diverged || !path.points.iter().all(|w| surface.shows(w)) {
            leaving += 1;
        }
        let first = surface.value(&start) - lowest;
        let half = &path.points[path.points.len() / 2..];
        let heights = half.iter().map(|w| {
            let height = (surface.value(w) - lowest).max(0.0);
            if first > 0.0 { (height / first + FLOOR).ln() } else { 0.0 }
        });
        sum += heights.sum::<f64>() / half.len() as f64;
    }
    Ok((leaving, sum / starts.len() as f64))
}

/// The surface's own start and four others, for the search of a rate.
pub fn search_starts(surface: &Surface) -> Vec<Point> {
    let quarters = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]];
    std::iter::once(surface.start).chain(quarters.map(|part| surface.at(part))).collect()
}

/// `work` on each item, on all processors; the answers in the items' order.
pub fn parallel<T: Sync, U: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<U, E> + Sync,
) -> Result<Vec<U>, E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut answers: Vec<(usize, Result<U, E>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    loop {
                        let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(item) = items.get(i) else { return done };
                        done.push((i, work(item)));
                    }
                })
            })
            .collect();
        let joined = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    });
    answers.sort_by_key(|(i, _)| *i);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
