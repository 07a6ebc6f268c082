//! Gauss and Newton's model of a sum of squares, m(p) = ½‖r + Jp‖², and steps by it.

use crate::linalg::svd::{Columns, Svd};
use crate::scalar::Scalar;
use crate::solvers::descent::Descent;
use crate::solvers::halt::Halt;
use crate::solvers::linearization::Linearization;
use crate::vector::norm;

/// How close ‖Dp‖ comes to Δ.
const NEAR: f64 = 0.1;
/// Newton's iterations for λ at most.
const ITERATIONS: u32 = 30;

/// The model where the solver stands. Steps are measured by ‖Dp‖, where D holds the size of each column
/// of J, the largest that was seen: what a parameter can do does not depend on its units.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    size: Vec<f64>,
    /// J D⁻¹ = U S Vᵀ.
    svd: Option<Svd>,
    /// Of each direction in V, whether J tells it from none.
    told: Vec<bool>,
    /// Uᵀr.
    along: Vec<f64>,
    /// ‖r - UUᵀr‖: what no step changes.
    rest: f64,
    observations: usize,
    /// r, without weights.
    residuals: Vec<f64>,
    /// By how much the rows of J were weighted.
    rows: Vec<f64>,
    jacobian: Option<Columns>,
}

/// A step in the coordinates of V.
#[derive(Debug, Clone)]
pub(super) struct Coordinates {
    pub(super) entries: Vec<f64>,
    /// λ, by which JᵀJ was raised.
    pub(super) damping: f64,
    /// Whether Δ has shortened it.
    pub(super) at_border: bool,
}

impl Coordinates {
    /// ‖Dp‖.
    pub(super) fn size(&self) -> f64 {
        norm(&self.entries)
    }
}

impl Model {
    /// Forgets the sizes.
    pub(super) fn start(&mut self) {
        *self = Self::default();
    }

    /// The model at the current point; elements that stay at their bounds do not move.
    pub(super) fn update<F: Scalar>(&mut self, descent: &mut Descent<'_, F>) -> Result<(), Halt> {
        let Linearization { residuals, jacobian, rows } = descent.linearize()?;
        let (m, n) = jacobian.dim();
        let mut columns = Columns::new(m, jacobian.t().iter().copied().collect());
        self.size.resize(n, 0.0);
        for (j, size) in self.size.iter_mut().enumerate() {
            *size = norm(columns.column(j)).max(*size);
            if *size == 0.0 || !size.is_finite() {
                *size = 1.0;
            }
        }
        self.jacobian = Some(columns.clone());
        let mut free = vec![F::one(); n];
        descent.mask(&mut free);
        for (j, &size) in self.size.iter().enumerate() {
            let factor = free[j].into_f64() / size;
            columns.column_mut(j).iter_mut().for_each(|entry| *entry *= factor);
        }
        let sizes: Vec<f64> = (0..n).map(|j| norm(columns.column(j))).collect();
        let svd = Svd::factor(columns);
        // What rounding makes of a product with J in that direction.
        let blur = (n as f64) * (m as f64).sqrt() * f64::EPSILON;
        let noise = |k: usize| {
            let parts: Vec<f64> = svd.right(k).iter().zip(&sizes).map(|(v, s)| v * s).collect();
            blur * norm(&parts)
        };
        self.told = svd.values().iter().enumerate().map(|(k, s)| *s > noise(k)).collect();
        (self.along, self.rest) = svd.project(&residuals.to_vec());
        (self.observations, self.rows) = (m, rows.to_vec());
        self.residuals = descent.residuals()?.to_vec();
        descent.note_rounding(self.rounding(descent.x()));
        self.svd = Some(svd);
        Ok(())
    }

    fn values(&self) -> &[f64] {
        self.svd.as_ref().map_or(&[], Svd::values)
    }

    /// ‖Dx‖.
    pub(super) fn measure<F: Scalar>(&self, x: &[F]) -> f64 {
        let scaled: Vec<f64> = x.iter().zip(&self.size).map(|(x, d)| x.into_f64() * d).collect();
        norm(&scaled)
    }

    /// Whether a step moves each element by no more than that part of itself, or of the residuals.
    pub(super) fn is_small<F: Scalar>(&self, step: &[F], x: &[F], part: f64) -> bool {
        let Some(jacobian) = &self.jacobian else { return false };
        let rest = part * norm(&self.residuals);
        step.iter().zip(x).enumerate().all(|(j, (p, x))| {
            let p = p.into_f64().abs();
            p <= part * x.into_f64().abs() || p * norm(jacobian.column(j)) <= rest
        })
    }

    /// What rounding in the parameters makes of f, and rounding of f itself.
    pub(super) fn rounding<F: Scalar>(&self, x: &[F]) -> f64 {
        let Some(jacobian) = &self.jacobian else { return 0.0 };
        let epsilon = F::epsilon().into_f64();
        let sizes = x.iter().enumerate();
        let parts = sizes.map(|(j, x)| x.into_f64().abs() * norm(jacobian.column(j)));
        let blur = epsilon * parts.sum::<f64>();
        let size = self.along.iter().fold(self.rest, |size, c| size.hypot(*c));
        2.0 * epsilon * size * size + size * blur + 0.5 * blur * blur
    }

    /// Bates and Watts' relative offset: how much of the residuals a step could still take away, for
    /// each parameter, beside what it must leave, for each of the observations beyond them. `None` where
    /// nothing is left.
    pub(super) fn offset(&self) -> Option<f64> {
        let told = self.along.iter().zip(&self.told).filter(|(_, told)| **told);
        let reached: Vec<f64> = told.map(|(c, _)| *c).collect();
        let (n, free) = (reached.len(), self.observations.saturating_sub(reached.len()));
        let gain = norm(&reached);
        // Below this all of the residuals is rounding of the products.
        let told = self.rest > 100.0 * f64::EPSILON * gain;
        let noise = self.rest / (free as f64).sqrt();
        (n > 0 && free > 0 && told).then(|| gain / (n as f64).sqrt() / noise)
    }

    /// By how much the model says that f will fall.
    pub(super) fn promise(&self, step: &Coordinates) -> f64 {
        self.promise_of(step, 1.0)
    }

    /// The same, of that part of a step.
    pub(super) fn promise_of(&self, step: &Coordinates, part: f64) -> f64 {
        let terms = self.along.iter().zip(self.values()).zip(&step.entries);
        // ½(c² - (c + sq)²)
        terms.map(|((c, s), q)| -part * s * q * (c + 0.5 * part * s * q)).sum()
    }

    /// ∇fᵀp.
    pub(super) fn slope(&self, step: &Coordinates) -> f64 {
        let terms = self.along.iter().zip(self.values()).zip(&step.entries);
        terms.map(|((c, s), q)| c * s * q).sum()
    }

    /// Gauss and Newton's step: the least of those that lead to the model's minimum.
    pub(super) fn gauss_newton(&self) -> Coordinates {
        let entries = self.solve(&self.along, 0.0);
        Coordinates { entries, damping: 0.0, at_border: false }
    }

    /// -S(S² + λ)⁻¹c, in the directions that J tells.
    fn solve(&self, c: &[f64], damping: f64) -> Vec<f64> {
        let terms = c.iter().zip(self.values()).zip(&self.told);
        let entry = |((c, s), told): ((&f64, &f64), &bool)| match *told {
            true if damping == 0.0 => -c / s,
            true => -c * s / (s * s + damping),
            false => 0.0,
        };
        terms.map(entry).collect()
    }

    fn damped(&self, damping: f64) -> Coordinates {
        let entries = self.solve(&self.along, damping);
        Coordinates { entries, damping, at_border: true }
    }

    /// Levenberg and Marquardt's step: -(JᵀJ + λD²)⁻¹Jᵀr with the least λ ≥ 0 for which ‖Dp‖ ≤ Δ, within
    /// a tenth.
    pub(super) fn within(&self, radius: f64) -> Coordinates {
        let whole = self.gauss_newton();
        if whole.size() <= (1.0 + NEAR) * radius {
            return whole;
        }
        // ‖Dp(λ)‖ falls, and 1/‖Dp(λ)‖ is almost a line: Hebden's, Reinsch's and Moré's iteration.
        let gradient: Vec<f64> = self.along.iter().zip(self.values()).map(|(c, s)| c * s).collect();
        let (mut low, mut high) = (0.0, norm(&gradient) / radius);
        let mut damping = 1e-3 * high;
        for _ in 0..ITERATIONS {
            let step = self.damped(damping);
            let size = step.size();
            if (size - radius).abs() <= NEAR * radius {
                break;
            }
            (low, high) = if size > radius { (damping, high) } else { (low, damping) };
            let slopes = step.entries.iter().zip(self.values());
            let bend: f64 = slopes.map(|(q, s)| (q / size).powi(2) / (s * s + damping)).sum();
            let next = damping + (size - radius) / radius / bend;
            damping =
                if next > low && next < high { next } else { (low * high).sqrt().max(1e-3 * high) };
        }
        self.damped(damping)
    }

    /// Powell's dogleg: from the minimum along -D⁻²∇f toward Gauss and Newton's, as far as Δ.
    pub(super) fn dogleg(&self, radius: f64) -> Coordinates {
        let whole = self.gauss_newton();
        if whole.size() <= radius {
            return whole;
        }
        let values = self.values();
        let gradient: Vec<f64> = self.along.iter().zip(values).map(|(c, s)| c * s).collect();
        let curved: Vec<f64> = gradient.iter().zip(values).map(|(g, s)| g * s).collect();
        let length = (norm(&gradient) / norm(&curved)).powi(2);
        let cauchy: Vec<f64> = gradient.iter().map(|g| -length * g).collect();
        let near = norm(&cauchy);
        let entries = if near >= radius || !near.is_finite() {
            let shorter = radius / norm(&gradient);
            gradient.iter().map(|g| -shorter * g).collect()
        } else {
            let way: Vec<f64> = whole.entries.iter().zip(&cauchy).map(|(w, c)| w - c).collect();
            let onward: f64 = way.iter().zip(&cauchy).map(|(w, c)| w * c).sum();
            let square = norm(&way).powi(2);
            let gap = radius * radius - near * near;
            let root = (onward * onward + square * gap).sqrt();
            let part = if onward > 0.0 { gap / (onward + root) } else { (root - onward) / square };
            cauchy.iter().zip(&way).map(|(c, w)| c + part * w).collect()
        };
        Coordinates { entries, damping: 0.0, at_border: true }
    }

    /// Transtrum and Sethna's acceleration, -(JᵀJ + λD²)⁻¹Jᵀr″, for the second derivatives r″ of the
    /// residuals along a step of that damping.
    pub(super) fn acceleration(&self, bend: &[f64], damping: f64) -> Coordinates {
        let Some(svd) = &self.svd else {
            return Coordinates { entries: Vec::new(), damping, at_border: false };
        };
        let weighted: Vec<f64> = bend.iter().zip(&self.rows).map(|(b, row)| b * row).collect();
        let (along, _) = svd.project(&weighted);
        let entries = self.solve(&along, damping);
        Coordinates { entries, damping, at_border: false }
    }

    /// p = D⁻¹Vq.
    pub(super) fn step<F: Scalar>(&self, coordinates: &Coordinates, step: &mut [F]) {
        let Some(svd) = &self.svd else { return };
        let scaled = svd.expand(&coordinates.entries);
        for ((to, p), size) in step.iter_mut().zip(scaled).zip(&self.size) {
            *to = F::from_f64(p / size);
        }
    }

    /// r″ along a step, from the residuals at that part of it.
    pub(super) fn second_derivatives<F: Scalar>(
        &self,
        there: &[f64],
        part: f64,
        step: &[F],
    ) -> Vec<f64> {
        let Some(jacobian) = &self.jacobian else { return Vec::new() };
        let step: Vec<f64> = step.iter().map(|p| p.into_f64()).collect();
        let change = jacobian.times(&step);
        let pairs = there.iter().zip(&self.residuals);
        let known = change.iter().zip(&self.rows).map(|(change, row)| change / row);
        pairs.zip(known).map(|((r, before), by)| 2.0 / part * ((r - before) / part - by)).collect()
    }
}
