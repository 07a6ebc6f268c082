//! Which weights a trained model can do without.

use std::ops::Range;

use ndarray::{Array2, ArrayBase, Data, Ix2};

use super::gauss_newton::Fisher;
use super::operator::{check_finite, check_size};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::ranking::ranked;
use crate::scalar::Scalar;

/// ½H_qq·w_q² for each weight: by how much the loss grows without it, if H were diagonal (Optimal
/// Brain Damage).
///
/// ```
/// use thalweg::curvature::obd_saliency;
/// assert_eq!(obd_saliency(&[2.0, 1.0], &[1.0, 10.0])?, [2.0, 5.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// If the two have different sizes, or a value is not finite.
///
/// Source: LeCun, Denker & Solla, "Optimal brain damage", 1990.
pub fn obd_saliency<F: Scalar>(w: &[F], diagonal: &[F]) -> Result<Vec<f64>, Error> {
    check_size("the diagonal", diagonal.len(), w.len())?;
    check_finite("a weight", w)?;
    check_finite("the diagonal", diagonal)?;
    let term = |(w, h): (&F, &F)| 0.5 * h.into_f64() * w.into_f64() * w.into_f64();
    Ok(w.iter().zip(diagonal).map(term).collect())
}

/// Weights that were removed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pruned {
    /// Their places, the first removed first.
    pub removed: Vec<usize>,
    /// The change of the loss that was predicted: the sum of their saliencies at their turn.
    ///
    /// It is exact on a quadratic at its minimum, for OBS; for OBD if H is diagonal too.
    pub predicted: f64,
}

/// Sets the `count` weights of lowest saliency to 0, and leaves the others as they are.
///
/// With w² as the saliency this is magnitude pruning, and the prediction of no use.
///
/// ```
/// use thalweg::curvature::{obd_saliency, prune_lowest};
/// let mut w = [2.0, 1.0, 0.5];
/// let saliency = obd_saliency(&w, &[1.0, 10.0, 4.0])?;
/// let pruned = prune_lowest(&mut w, &saliency, 1)?;
/// assert_eq!((w, pruned.removed, pruned.predicted), ([2.0, 1.0, 0.0], vec![2], 0.5));
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// If the two have different sizes, a saliency is NaN, or there are not so many weights; `w` is then
/// as it was.
pub fn prune_lowest<F: Scalar>(
    w: &mut [F],
    saliency: &[f64],
    count: usize,
) -> Result<Pruned, Error> {
    check_size("the saliency", saliency.len(), w.len())?;
    check_finite("a saliency", saliency)?;
    check_count(count, w.len())?;
    let mut order = ranked(w.len(), &|i, j| saliency[i].total_cmp(&saliency[j]));
    order.truncate(count);
    order.iter().for_each(|&i| w[i] = F::zero());
    Ok(Pruned { predicted: order.iter().map(|&i| saliency[i]).sum(), removed: order })
}

fn check_count(count: usize, available: usize) -> Result<(), Error> {
    if count <= available {
        return Ok(());
    }
    let allowed = "at most as many weights as there are to remove";
    Err(Error::hyperparameter("pruning", "count", count as f64, allowed))
}

/// Optimal Brain Surgeon: removes the weight whose loss the others can best make up for, and lets
/// them do so.
///
/// Without weight q the loss grows by L_q = w_q² / (2[H⁻¹]_qq), if the others move by
/// δw = -(w_q / [H⁻¹]_qq)·H⁻¹e_q. The inverse is that of the whole H, or of blocks on the diagonal of
/// the damped empirical Fisher matrix, built up by Woodbury's formula a sample at a time. Removed
/// weights leave the inverse, so that later updates do not bring them back.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use ndarray::array;
/// use thalweg::curvature::{Dense, Obs};
///
/// // ½(w - m)ᵀH(w - m) at its minimum m = (1, 0.1)
/// let hessian = Dense::from_matrix(&array![[2.0, 1.0], [1.0, 2.0]])?;
/// let mut w = [1.0, 0.1];
/// let mut obs = Obs::dense(&hessian, 0.0)?;
/// let pruned = obs.prune(&mut w, 1)?;
/// assert_eq!((pruned.removed, w[1]), (vec![1], 0.0));
/// assert!((w[0] - 1.05_f64).abs() < 1e-12 && (pruned.predicted - 0.0075).abs() < 1e-12);
/// # }
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Points of test accuracy that a network of 64-16-10 which reads digits loses (the example `prune`;
/// five networks, mean ± standard error):
///
/// | share removed | magnitude | OBD | OBS, Hessian | OBS, Fisher blocks |
/// |---|---|---|---|---|
/// | 50 % | 2.23 ± 0.88 | 0.67 ± 0.32 | 0.39 ± 0.34 | -0.06 ± 0.10 |
/// | 70 % | 10.86 ± 1.13 | 6.30 ± 1.58 | 2.06 ± 0.63 | 0.78 ± 0.28 |
/// | 80 % | 31.64 ± 4.80 | 22.90 ± 4.84 | 14.26 ± 3.35 | 8.36 ± 1.84 |
/// | 90 % | 58.16 ± 3.52 | 55.60 ± 2.82 | 41.67 ± 3.68 | 52.20 ± 3.92 |
///
/// Source: Hassibi & Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon",
/// 1992; Singh & Alistarh, "WoodFisher", 2020, for the blocks.
#[derive(Debug, Clone)]
pub struct Obs {
    len: usize,
    blocks: Vec<Block>,
    removed: Vec<bool>,
}

#[derive(Debug, Clone)]
struct Block {
    range: Range<usize>,
    /// The inverse, row by row; 0 in the rows and columns of removed weights.
    inverse: Vec<f64>,
}

impl Obs {
    /// The whole of H + `damping`·I inverted, in n³ operations (feature `linalg`).
    ///
    /// # Errors
    /// [`ErrorKind::NotPositiveDefinite`]: then more damping is needed, as at any point that is no
    /// strict minimum.
    #[cfg(feature = "linalg")]
    pub fn dense<F: Scalar>(hessian: &super::Dense<F>, damping: f64) -> Result<Self, Error> {
        Interval::NON_NEGATIVE.check::<f64>("Obs", "damping", damping)?;
        let mut matrix = hessian.matrix().mapv(F::into_f64);
        let n = matrix.nrows();
        matrix.diag_mut().mapv_inplace(|d| d + damping);
        let mut inverse = Vec::new();
        if n > 0 {
            let what = "the damped Hessian";
            let factor = crate::linalg::cholesky::Cholesky::factor_any(&matrix)
                .ok_or_else(|| Error::from(ErrorKind::NotPositiveDefinite { what }))?;
            inverse = factor.inverse().into_raw_vec_and_offset().0;
        }
        Self::of(n, vec![Block { range: 0..n, inverse }])
    }

    /// The blocks of `block` weights on the diagonal of F + `damping`·I, where F is the empirical
    /// Fisher matrix; N·b·n operations for N samples and blocks of b, and b·n numbers.
    ///
    /// # Errors
    /// A block of 0, and a damping that is not positive.
    pub fn fisher<F: Scalar>(
        fisher: &Fisher<F>,
        block: usize,
        damping: f64,
    ) -> Result<Self, Error> {
        Interval::POSITIVE.check::<f64>("Obs", "damping", damping)?;
        if block == 0 {
            return Err(Error::hyperparameter("Obs", "block", 0.0, "at least 1"));
        }
        let gradients = fisher.gradients();
        let n = gradients.ncols();
        let mut blocks = Vec::new();
        for start in (0..n).step_by(block) {
            let range = start..n.min(start + block);
            let size = range.len();
            let mut inverse = vec![0.0; size * size];
            (0..size).for_each(|i| inverse[i * size + i] = 1.0 / damping);
            let (mut g, mut product) = (vec![0.0; size], vec![0.0; size]);
            for row in gradients.rows() {
                g.iter_mut().zip(row.iter().skip(start)).for_each(|(g, x)| *g = x.into_f64());
                // B - (Bg)(Bg)ᵀ / (N + gᵀBg)
                for (product, row) in product.iter_mut().zip(inverse.chunks(size)) {
                    *product = row.iter().zip(&g).map(|(b, g)| b * g).sum();
                }
                let across: f64 = product.iter().zip(&g).map(|(p, g)| p * g).sum();
                remove_rank_one(&mut inverse, &product, gradients.nrows() as f64 + across);
            }
            blocks.push(Block { range, inverse });
        }
        Self::of(n, blocks)
    }

    /// From an inverse that is there already.
    ///
    /// # Errors
    /// If it is not square, not finite, or not positive on its diagonal.
    pub fn from_inverse<S: Data<Elem = f64>>(inverse: &ArrayBase<S, Ix2>) -> Result<Self, Error> {
        super::operator::check_square(inverse)?;
        let symmetric: Array2<f64> = (inverse + &inverse.t()) / 2.0;
        let n = symmetric.nrows();
        let inverse = symmetric.as_standard_layout().iter().copied().collect();
        Self::of(n, vec![Block { range: 0..n, inverse }])
    }

    fn of(len: usize, blocks: Vec<Block>) -> Result<Self, Error> {
        for block in &blocks {
            check_finite("the inverse of the Hessian", &block.inverse)?;
            if (0..block.range.len()).any(|i| block.diagonal(i) <= 0.0) {
                let what = "the inverse of the Hessian";
                return Err(ErrorKind::NotPositiveDefinite { what }.into());
            }
        }
        Ok(Self { len, blocks, removed: vec![false; len] })
    }

    /// w_q² / (2[H⁻¹]_qq) for each weight; infinite for those that are removed already.
    ///
    /// # Errors
    /// If there are not as many weights as rows, or one is not finite.
    pub fn saliency<F: Scalar>(&self, w: &[F]) -> Result<Vec<f64>, Error> {
        self.check(w)?;
        let mut saliency = Vec::with_capacity(self.len);
        for block in &self.blocks {
            for (i, at) in block.range.clone().enumerate() {
                let w = w[at].into_f64();
                saliency.push(if self.removed[at] {
                    f64::INFINITY
                } else {
                    0.5 * w * w / block.diagonal(i)
                });
            }
        }
        Ok(saliency)
    }

    /// Removes `count` weights one by one, the least salient first, and updates the others after
    /// each. Called again, it removes more.
    ///
    /// # Errors
    /// As [`saliency`](Self::saliency), and if there are not so many left; nothing is then changed.
    pub fn prune<F: Scalar>(&mut self, w: &mut [F], count: usize) -> Result<Pruned, Error> {
        self.check(w)?;
        check_count(count, self.removed.iter().filter(|&&removed| !removed).count())?;
        let mut current: Vec<f64> = w.iter().map(|w| w.into_f64()).collect();
        // The least salient of each block: only the block of the last removal changes.
        let mut least: Vec<(f64, usize)> =
            self.blocks.iter().map(|block| block.least(&current, &self.removed)).collect();
        let mut pruned = Pruned { removed: Vec::with_capacity(count), predicted: 0.0 };
        for _ in 0..count {
            let lowest = (0..least.len()).min_by(|&a, &b| least[a].0.total_cmp(&least[b].0));
            let Some(index) = lowest else { break };
            let (saliency, at) = least[index];
            let block = &mut self.blocks[index];
            block.remove(at - block.range.start, &mut current);
            self.removed[at] = true;
            pruned.predicted += saliency;
            pruned.removed.push(at);
            least[index] = block.least(&current, &self.removed);
        }
        for ((w, current), &removed) in w.iter_mut().zip(current).zip(&self.removed) {
            *w = if removed { F::zero() } else { F::from_f64(current) };
        }
        Ok(pruned)
    }

    fn check<F: Scalar>(&self, w: &[F]) -> Result<(), Error> {
        check_size("the vector of weights", w.len(), self.len)?;
        check_finite("a weight", w)
    }
}

impl Block {
    fn diagonal(&self, i: usize) -> f64 {
        self.inverse[i * self.range.len() + i]
    }

    /// The lowest saliency and its place; infinite if all are removed.
    fn least(&self, w: &[f64], removed: &[bool]) -> (f64, usize) {
        let mut least = None;
        for (i, at) in self.range.clone().enumerate().filter(|(_, at)| !removed[*at]) {
            // Rounding may have used up the diagonal: such a weight comes last.
            let diagonal = self.diagonal(i);
            let saliency =
                if diagonal > 0.0 { 0.5 * w[at] * w[at] / diagonal } else { f64::INFINITY };
            if least.is_none_or(|(lowest, _)| saliency < lowest) {
                least = Some((saliency, at));
            }
        }
        least.unwrap_or((f64::INFINITY, self.range.start))
    }

    fn remove(&mut self, q: usize, w: &mut [f64]) {
        let size = self.range.len();
        let column = self.inverse[q * size..(q + 1) * size].to_vec();
        if column[q] > 0.0 {
            let factor = w[self.range.start + q] / column[q];
            for (w, h) in w[self.range.clone()].iter_mut().zip(&column) {
                *w -= factor * h;
            }
            remove_rank_one(&mut self.inverse, &column, column[q]);
        }
        w[self.range.start + q] = 0.0;
        for i in 0..size {
            self.inverse[q * size + i] = 0.0;
            self.inverse[i * size + q] = 0.0;
        }
    }
}

/// B - ccᵀ / d
fn remove_rank_one(inverse: &mut [f64], column: &[f64], divisor: f64) {
    for (row, c) in inverse.chunks_mut(column.len()).zip(column) {
        let factor = c / divisor;
        if factor != 0.0 {
            row.iter_mut().zip(column).for_each(|(b, c)| *b -= factor * c);
        }
    }
}
