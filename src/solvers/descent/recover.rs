//! What is done where a solver finds nothing lower, and why there is nothing.

use super::Descent;
use crate::scalar::Scalar;
use crate::solvers::halt::Halt;
use crate::solvers::report::{Stall, Status, Test};
use crate::vector;

/// The longest probe along -∇f, as a part of the largest parameter or 1.
const LONGEST: f64 = 1e-4;
/// Probes at most, each to both sides.
const PROBES: u32 = 16;
/// Recoveries that lower f by very little before they are given up.
const WEAK: u32 = 10;
/// How often a step may make the gradient doubtful.
const DOUBTS: u32 = 3;

/// What the probes have shown.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// f was not finite wherever more than rounding could be told.
    walled: bool,
    /// f rises to both sides in proportion to the way.
    kink: bool,
    /// A length was tried whose effect is rounding.
    tried: bool,
}

impl Seen {
    fn and(self, other: Self) -> Self {
        let Self { walled, kink, tried } = other;
        Self { walled: self.walled || walled, kink: self.kink || kink, tried: self.tried && tried }
    }
}

/// The probes at one length.
#[derive(Debug, Clone, Copy)]
struct Probe {
    /// Δf over the way and the slope; NaN where Δf is rounding.
    ratio: f64,
    /// The rise to both sides over the way and the slope; NaN where it is rounding.
    bend: f64,
    length: f64,
}

impl Probe {
    /// Whether the slope is the gradient's, but for `blur`.
    fn judge(self, blur: f64) -> Result<(), Halt> {
        if (self.ratio + 1.0).abs() < 0.1 && blur < 1.0 {
            Err(Stall::GradientSign.into())
        } else if (self.ratio - 1.0).abs() > 0.1_f64.max(blur) {
            Err(Stall::GradientMismatch.into())
        } else {
            Ok(())
        }
    }
}

impl<F: Scalar> Descent<'_, F> {
    /// Where a solver finds no lower point: probes f along -∇f, at lengths down to one whose effect
    /// is rounding. `Ok` if one of them, or a trial before, is lower than the current point by more
    /// than rounding: it is now the current one, from which the solver starts anew.
    ///
    /// # Errors
    /// Else the [`Halt`] with what was seen; as [`try_length`](Descent::try_length) besides.
    pub(crate) fn recover(&mut self) -> Result<(), Halt> {
        self.confirm()?;
        if let Some(test) = self.test_gradient() {
            return Err(Halt::Done(Status::Converged(test)));
        }
        let far = F::epsilon().into_f64().powi(-2) * self.start_value.abs().max(1.0);
        let before = self.current.value;
        if before < -far {
            return Err(Halt::Done(Status::Unbounded));
        }
        let mut seen = self.probe(false)?;
        let rounding = self.rounding();
        if self.best_value() >= before - rounding {
            // Where parameters differ in size, the steepest one hides the others.
            seen = seen.and(self.probe(true)?);
        }
        let lower = self.best_value() < before - rounding;
        if lower && self.weak < WEAK {
            let fall = before - self.best_value();
            self.weak = if fall > 1e-3 * before.abs() { 0 } else { self.weak + 1 };
            if self.accept_best(0.0)? {
                return Ok(());
            }
        }
        let gradient = self.current.free_gradient();
        let square = vector::dot(gradient, gradient);
        Err(if seen.walled {
            Stall::NonFinite.into()
        } else if seen.kink {
            Stall::Kink.into()
        } else if !square.is_normal() {
            Stall::Scale.into()
        } else if lower || !seen.tried {
            Stall::NoProgress.into()
        } else if self.promise <= rounding {
            Halt::Done(Status::Converged(Test::Model))
        } else {
            Stall::Precision.into()
        })
    }

    /// Looks whether the gradient is that of f, if the step that was just accepted makes it
    /// doubtful: f has changed by less than half, or more than twice, of the mean of the slopes at
    /// its ends, though these differ little.
    pub(crate) fn doubt(&mut self) -> Result<(), Halt> {
        let (new, old) = (&self.current, &self.trial);
        if new.predicted || old.predicted || !old.gradient_max.is_finite() {
            return Ok(());
        }
        let (mut before, mut after) = (0.0, 0.0);
        let gradients = new.gradient.iter().zip(&old.gradient);
        for ((&x, &was), (&g, &slope)) in new.x.iter().zip(&old.x).zip(gradients) {
            let moved = (x - was).into_f64();
            before += slope.into_f64() * moved;
            after += g.into_f64() * moved;
        }
        let (told, change) = (0.5 * (before + after), new.value - old.value);
        let alike = (after - before).abs() <= 0.5 * before.abs().min(after.abs());
        let agrees = change / told > 0.5 && change / told < 2.0;
        let telling = told.abs().max(change.abs()) > 10.0 * self.noise();
        if agrees || !alike || !telling || self.doubts >= DOUBTS {
            return Ok(());
        }
        self.doubts += 1;
        self.probe(false).map(|_| ())
    }

    /// Says how much the solver's model of f, which curves upward everywhere, promises to lower f at
    /// most; ∞ where there is no such model. It tells a minimum from a stall.
    pub(crate) fn note_promise(&mut self, decrease: f64) {
        self.promise = decrease;
    }

    /// Says what rounding of the parameters makes of f, where a solver knows it.
    pub(crate) fn note_rounding(&mut self, rounding: f64) {
        self.rounding = rounding;
    }

    /// Differences of f of this size are rounding of f itself.
    fn rounding(&self) -> f64 {
        (4.0 * F::epsilon().into_f64() * self.current.value.abs()).max(self.rounding)
    }

    /// Looks at f along -∇f, or with each element of it by the square of its parameter's size.
    ///
    /// # Errors
    /// [`Stall::GradientSign`] and [`Stall::GradientMismatch`], where f is smooth there and its slope
    /// is not what the gradient says.
    fn probe(&mut self, by_size: bool) -> Result<Seen, Halt> {
        let mut seen = Seen { walled: false, kink: false, tried: false };
        let steepest = self.steepest();
        if !steepest.is_finite() {
            return Ok(Seen { walled: true, ..seen });
        }
        let (direction, slope, size) = self.downhill(by_size);
        let (value, noise) = (self.current.value, 10.0 * self.noise().max(f64::MIN_POSITIVE));
        // Along the slope, f changes by rounding here.
        let least = (self.rounding() / slope).max(f64::MIN_POSITIVE);
        let mut length = (LONGEST * size).max((10.0 * least).min(size));
        let (mut blocked, mut open) = (false, false);
        let mut last: Option<Probe> = None;
        for _ in 0..PROBES {
            let up = self.probe_at(length, &direction)?;
            let still = !self.moves();
            // Where a bound stops an element, nothing is to be told of the gradient.
            let room =
                self.stays_inside(length, &direction) && self.stays_inside(-length, &direction);
            let down = if room { self.probe_at(-length, &direction)? } else { None };
            let finite = up.is_some();
            // A wall is where nothing longer than rounding is finite.
            blocked |= !finite;
            open |= finite && (still || length > 100.0 * least);
            seen.walled = blocked && !open;
            seen.tried |= finite && (still || length <= 100.0 * least);
            let way = length * slope;
            let probe = match (up, down) {
                (Some(up), Some(down)) => {
                    let (change, rise) = (down - up, up + down - 2.0 * value);
                    let over = |x: f64| if x.abs() > noise { x / way } else { f64::NAN };
                    Probe { ratio: 0.5 * over(change), bend: over(rise), length }
                }
                _ => Probe { ratio: f64::NAN, bend: f64::NAN, length },
            };
            let lower = self.best_value() < value - self.rounding();
            if let Some(last) = last {
                let near = |a: f64, b: f64, part: f64| (a - b).abs() <= part * a.abs().min(b.abs());
                // A slope that jumps by much more than itself is a minimum's.
                let steep = |bend: f64| (0.1..100.0).contains(&bend);
                // A smooth f rises ten times as slowly a tenth of the way off.
                let apart = length < 0.2 * last.length;
                let kink = apart && near(last.bend, probe.bend, 0.3) && steep(probe.bend);
                seen.kink |= kink && !lower;
                // Two quotients that agree are those of a smooth f.
                if !kink && near(last.ratio, probe.ratio, 0.01) {
                    // What rounding in the parameters makes of the gradient.
                    let blur = 100.0 * F::epsilon().into_f64() * size * probe.bend.abs() / length;
                    probe.judge(if blur.is_nan() { 0.0 } else { blur })?;
                    if lower {
                        break;
                    }
                }
            }
            last = Some(probe);
            if still || length <= least {
                break;
            }
            length = (0.1 * length).max(0.5 * least);
        }
        Ok(seen)
    }

    /// max|gᵢ| of the free elements.
    fn steepest(&self) -> f64 {
        match &self.face {
            None => self.current.gradient_max,
            Some(_) => vector::norm_max(&self.current.reduced),
        }
    }

    /// A direction downhill whose largest element is 1, the slope along it, and how far it may be
    /// gone for its elements to change by no more than themselves, or than the largest one or 1.
    fn downhill(&self, by_size: bool) -> (Vec<F>, f64, f64) {
        let (x, g) = (&self.current.x, self.current.free_gradient());
        let largest = vector::norm_max(x).max(f64::MIN_POSITIVE);
        let part = |x: F| if by_size { (x.into_f64() / largest).powi(2) } else { 1.0 };
        let wide: Vec<f64> = x.iter().zip(g).map(|(&x, &g)| -g.into_f64() * part(x)).collect();
        let most = wide.iter().fold(f64::MIN_POSITIVE, |most, d| most.max(d.abs()));
        let direction: Vec<F> = wide.iter().map(|&d| F::from_f64(d / most)).collect();
        // Scaled, so that no product overflows or vanishes.
        let steepest = self.steepest();
        let over = F::from_f64(steepest);
        let scaled: Vec<F> = g.iter().map(|&g| -g / over).collect();
        let slope = steepest * vector::dot(&scaled, &direction);
        let size = if by_size {
            let reach = |(x, d): (&F, &F)| (x.into_f64() / d.into_f64()).abs();
            let moving = x.iter().zip(&direction).filter(|(_, d)| **d != F::zero());
            moving.map(reach).fold(f64::INFINITY, f64::min).min(largest)
        } else {
            largest.max(1.0)
        };
        (direction, slope, size)
    }

    /// f at a length, if it and what is known of the gradient are finite there.
    fn probe_at(&mut self, length: f64, direction: &[F]) -> Result<Option<f64>, Halt> {
        let value = self.value_straight(length, direction)?;
        Ok((value.is_finite() && self.trial.gradient_max != f64::INFINITY).then_some(value))
    }
}
