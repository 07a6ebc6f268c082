//! The Krylov basis that Lanczos's method builds, one product a step, fully re-orthogonalized.

use super::operator::{LinearOperator, check_finite, check_size};
use crate::basis::{Partial, rotate, subtract};
use crate::error::{Error, ErrorKind};
use crate::linalg::tridiagonal::{Arrow, Eigen, Tridiagonal};
use crate::scalar::Scalar;
use crate::vector::{combine, dot, norm};

/// A·Q = Q·T + w·eᵀ, where T is diagonal but for an arrow of what a restart kept and the
/// off-diagonal behind it.
pub(super) struct Krylov<F> {
    n: usize,
    basis: Vec<Vec<F>>,
    /// Most vectors in the basis.
    capacity: usize,
    /// The product, then the residual; of unit length between steps.
    w: Vec<F>,
    /// The first product, for the probe.
    first: Vec<F>,
    alpha: Vec<f64>,
    /// off[i] couples i and i + 1; 0 among the kept.
    off: Vec<f64>,
    /// Couples the kept vectors with the one after them.
    arrow: Vec<f64>,
    /// The length that the residual had.
    beta: f64,
    /// A lower bound of ‖A‖.
    scale: f64,
    /// The largest entry of QᵀAQ found where a symmetric operator has none.
    skew: f64,
    /// The sum of their squares: what QᵀAQ - T has been.
    strays: f64,
    products: usize,
    /// How often the products have led to an end, and another vector was begun.
    breaks: usize,
    noise: Noise,
    partial: Partial,
}

/// Pseudo-random numbers for a start vector: the same ones in every run.
#[derive(Clone)]
struct Noise(u64);

impl Noise {
    fn start() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Steele, Lea & Flood's SplitMix64, 2014; uniform in [-1, 1).
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn fill<F: Scalar>(&mut self, x: &mut [F]) {
        x.iter_mut().for_each(|x| *x = F::from_f64(self.next()));
    }
}

fn normalized<F: Scalar>(x: &[F]) -> Result<Vec<F>, Error> {
    let length = norm(x);
    if !(length > 0.0 && length.is_finite()) {
        let allowed = "a start vector of finite, positive length";
        return Err(Error::hyperparameter("Lanczos", "start", length, allowed));
    }
    let mut unit = vec![F::zero(); x.len()];
    combine(1.0 / length, x, 0.0, &mut unit);
    Ok(unit)
}

impl<F: Scalar> Krylov<F> {
    /// A basis of one vector: `start`, or pseudo-random.
    pub(super) fn new(n: usize, capacity: usize, start: Option<&[F]>) -> Result<Self, Error> {
        let mut w = vec![F::zero(); n];
        let first = match start {
            Some(start) => {
                check_size("the start vector", start.len(), n)?;
                normalized(start)?
            }
            None => {
                Noise::start().fill(&mut w);
                normalized(&w)?
            }
        };
        let mut basis = Vec::with_capacity(capacity);
        basis.push(first);
        Ok(Self {
            n,
            basis,
            capacity,
            w,
            first: Vec::new(),
            alpha: Vec::new(),
            off: Vec::new(),
            arrow: Vec::new(),
            beta: 0.0,
            scale: 0.0,
            skew: 0.0,
            strays: 0.0,
            products: 0,
            breaks: 0,
            noise: Noise(!Noise::start().0),
            partial: Partial::default(),
        })
    }

    /// The rows of A.
    pub(super) fn size(&self) -> usize {
        self.n
    }

    /// The rows of T.
    pub(super) fn len(&self) -> usize {
        self.alpha.len()
    }

    /// Whether the next step needs a restart first, or there is nothing left to find.
    pub(super) fn is_full(&self) -> bool {
        self.len() == self.capacity || self.is_complete()
    }

    /// Whether the basis spans the whole space.
    pub(super) fn is_complete(&self) -> bool {
        self.len() == self.n
    }

    /// Whether an invariant subspace was used up, outside of which there may be more copies of its
    /// eigenvalues.
    pub(super) fn is_broken(&self) -> bool {
        self.breaks > 0
    }

    /// How many invariant subspaces were used up, where the last step used up one; else 0.
    ///
    /// A start vector by chance has a part along an eigenvector of each eigenvalue that is left: each subspace holds
    /// another copy.
    pub(super) fn used_up(&self) -> usize {
        if self.beta == 0.0 { self.breaks } else { 0 }
    }

    pub(super) fn products(&self) -> usize {
        self.products
    }

    pub(super) fn beta(&self) -> f64 {
        self.beta
    }

    /// The largest entry that a symmetric operator would not have, in absolute terms.
    pub(super) fn skew(&self) -> f64 {
        self.skew
    }

    /// ‖QᵀAQ - T‖_F, found while re-orthogonalizing.
    pub(super) fn strays(&self) -> f64 {
        self.strays.sqrt()
    }

    /// One product, and the vector after it.
    pub(super) fn step(
        &mut self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
    ) -> Result<(), Error> {
        let j = self.len();
        operator.apply(&self.basis[j], &mut self.w)?;
        self.products += 1;
        if self.products == 1 {
            self.first = self.w.clone();
        }
        let mut alpha = dot(&self.basis[j], &self.w);
        if !alpha.is_finite() {
            // An element that is not finite makes the sum so too.
            check_finite("the operator's product", &self.w)?;
            let what = "the sum over the operator's product";
            return Err(ErrorKind::NonFiniteProduct { what, index: 0, value: alpha }.into());
        }

        let kept = self.arrow.len();
        let mut known = vec![0.0; j + 1];
        if j == kept {
            known[..kept].copy_from_slice(&self.arrow);
        } else if j > 0 {
            known[j - 1] = self.off[j - 1];
        }
        known[j] = alpha;
        let column = known.iter().fold(0.0_f64, |sum, t| sum.hypot(*t));

        let Self { basis, w, partial, .. } = self;
        let basis = &basis[..=j];
        let mut rest = vec![0.0; j + 1];
        let mut before = subtract(basis, &known, w, Some(&mut rest), partial);
        let mut after = subtract(basis, &rest, w, None, partial);
        let mut strays = rest.clone();
        let bound = 8.0 * F::epsilon().into_f64();
        // What is left of a vector that lay almost in the basis is mostly rounding: once more, or
        // nothing at all.
        for _ in 0..3 {
            if after >= 0.25 * before || after.sqrt() <= bound * self.scale.max(column) {
                break;
            }
            before = after;
            subtract(basis, &[], w, Some(&mut rest), partial);
            after = subtract(basis, &rest, w, None, partial);
            strays.iter_mut().zip(&rest).for_each(|(stray, rest)| *stray += rest);
        }
        alpha += strays[j];
        for stray in &strays[..j] {
            self.skew = self.skew.max(stray.abs());
            self.strays += stray * stray;
        }

        let length = if after > 1e-280 && after < 1e300 { after.sqrt() } else { norm(&self.w) };
        self.scale = self.scale.max(column.hypot(length));
        self.alpha.push(alpha);
        self.beta = length;
        if self.is_complete() {
            self.beta = 0.0;
        } else if length <= bound * self.scale {
            self.beta = 0.0;
            self.breaks += 1;
            self.start_anew();
        } else {
            self.w.iter_mut().for_each(|w| *w = F::from_f64(w.into_f64() / length));
        }
        self.off.push(self.beta);
        if self.basis.len() < self.capacity && !self.is_complete() {
            self.basis.push(self.w.clone());
        }
        Ok(())
    }

    /// A vector orthogonal to the basis, where the products do not lead out of it.
    fn start_anew(&mut self) {
        let Self { basis, w, partial, noise, .. } = self;
        let basis = &basis[..self.alpha.len()];
        let mut parts = vec![0.0; basis.len()];
        // Of a few tries one has a part outside, unless the basis is complete.
        for _ in 0..10 {
            noise.fill(w);
            let mut square = dot(w, w);
            for _ in 0..3 {
                subtract(basis, &[], w, Some(&mut parts), partial);
                let after = subtract(basis, &parts, w, None, partial);
                if after >= 0.25 * square {
                    let factor = 1.0 / after.sqrt();
                    w.iter_mut().for_each(|w| *w = F::from_f64(w.into_f64() * factor));
                    return;
                }
                square = after;
            }
        }
    }

    /// T but for its arrow: all of it, if the basis was never restarted.
    pub(super) fn tridiagonal(&self) -> Tridiagonal {
        let m = self.len();
        Tridiagonal { diagonal: self.alpha.clone(), off: self.off[..m.saturating_sub(1)].to_vec() }
    }

    /// The eigenvalues of T, and of its eigenvectors at least the last element.
    pub(super) fn ritz(&self, whole: bool) -> Eigen {
        let t = Arrow { tridiagonal: self.tridiagonal(), arrow: &self.arrow };
        if whole { t.eigen() } else { t.eigen_row(self.len() - 1) }
    }

    /// Keeps these eigenvectors of T in place of the basis, and goes on with the residual.
    pub(super) fn restart(&mut self, ritz: &Eigen, keep: &[usize]) {
        let columns: Vec<Vec<f64>> = keep.iter().map(|&i| ritz.vectors[i].clone()).collect();
        let last = self.len() - 1;
        self.arrow = columns.iter().map(|column| self.beta * column[last]).collect();
        rotate(&mut self.basis, &columns);
        self.basis.truncate(keep.len() + 1);
        std::mem::swap(&mut self.basis[keep.len()], &mut self.w);
        self.alpha = keep.iter().map(|&i| ritz.values[i]).collect();
        self.off = vec![0.0; keep.len()];
    }

    /// Q·s
    pub(super) fn vector(&mut self, s: &[f64]) -> Vec<F> {
        let mut y = vec![F::zero(); self.n];
        let minus: Vec<f64> = s.iter().map(|s| -s).collect();
        subtract(&self.basis, &minus, &mut y, None, &mut self.partial);
        y
    }

    /// How far the product with the first vector has moved since the first step; ends the run.
    pub(super) fn moved(
        &mut self,
        operator: &mut (impl LinearOperator<F> + ?Sized),
        start: Option<&[F]>,
    ) -> Result<f64, Error> {
        let unit = match start {
            Some(start) => normalized(start)?,
            None => {
                Noise::start().fill(&mut self.w);
                normalized(&self.w)?
            }
        };
        operator.apply(&unit, &mut self.w)?;
        self.products += 1;
        combine(-1.0, &self.first, 1.0, &mut self.w);
        Ok(norm(&self.w))
    }
}
