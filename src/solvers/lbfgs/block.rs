//! The newest pairs, taken together.

/// Pairs that are taken together at most.
pub(super) const TOGETHER: usize = 20;

/// What sᵢᵀyⱼ and sⱼᵀyᵢ, which are equal on a quadratic, may differ by: this part of the root of sᵢᵀyᵢ·sⱼᵀyⱼ.
const UNEQUAL: f64 = 0.1;
/// What newer pairs must leave of sᵀy, as a part of it; below, the pair is all but made of them.
const LEFT: f64 = 1e-3;

/// The matrix of the products sᵢᵀyⱼ of the newest pairs, the newest first, as L·diag(σ)·U with ones on the diagonals
/// of L and U.
///
/// L⁻¹ and U⁻¹ turn the pairs into ones that are conjugate to each other, s̃ᵢᵀỹⱼ = 0. The update of BFGS by one of those
/// leaves alone what those before have made of H, so that Hy = s holds for all pairs.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// Room for a matrix of so many rows.
    room: usize,
    /// How many pairs it is of.
    len: usize,
    /// L below the diagonal, σ on it, U above.
    factor: Vec<f64>,
    /// The coefficients of the two halves of a product with H.
    alpha: [f64; TOGETHER],
    beta: [f64; TOGETHER],
}

impl Block {
    /// One with room for that many pairs.
    pub(super) fn with_room(room: usize) -> Self {
        Self { room, factor: vec![0.0; room * room], ..Self::default() }
    }

    /// Takes the newest pairs as long as they agree with each other, of `most`; `product` is sᵢᵀyⱼ by age. Returns how
    /// many.
    pub(super) fn gather(&mut self, most: usize, product: impl Fn(usize, usize) -> f64) -> usize {
        self.len = 0;
        for age in 0..most.min(self.room) {
            let own = product(age, age);
            let agrees = |newer: usize| {
                let difference = product(newer, age) - product(age, newer);
                difference.abs() <= UNEQUAL * product(newer, newer).sqrt() * own.sqrt()
            };
            if !(0..age).all(agrees) {
                break;
            }
            let mut left = own;
            for newer in 0..age {
                let (mut below, mut above) = (product(age, newer), product(newer, age));
                for k in 0..newer {
                    let sigma = self.at(k, k);
                    below -= self.at(age, k) * sigma * self.at(k, newer);
                    above -= self.at(newer, k) * sigma * self.at(k, age);
                }
                let sigma = self.at(newer, newer);
                *self.at_mut(age, newer) = below / sigma;
                *self.at_mut(newer, age) = above / sigma;
                left -= below * above / sigma;
            }
            if left.is_nan() || left <= LEFT * own {
                break;
            }
            *self.at_mut(age, age) = left;
            self.len += 1;
        }
        self.len
    }

    /// How much of each y to take from d, where `along` is sᵀd.
    pub(super) fn before(&mut self, along: impl Fn(usize) -> f64) -> &[f64] {
        for i in 0..self.len {
            self.alpha[i] = along(i) - (0..i).map(|k| self.at(i, k) * self.alpha[k]).sum::<f64>();
        }
        for i in 0..self.len {
            self.alpha[i] /= self.at(i, i);
        }
        self.beta = self.alpha;
        for i in (0..self.len).rev() {
            self.beta[i] -= (i + 1..self.len).map(|k| self.at(i, k) * self.beta[k]).sum::<f64>();
        }
        &self.beta[..self.len]
    }

    /// How much of each s to give to d after that, where `along` is yᵀd.
    pub(super) fn after(&mut self, along: impl Fn(usize) -> f64) -> &[f64] {
        for i in 0..self.len {
            self.beta[i] = along(i) - (0..i).map(|k| self.at(k, i) * self.beta[k]).sum::<f64>();
        }
        for i in (0..self.len).rev() {
            let own = self.alpha[i] - self.beta[i] / self.at(i, i);
            self.alpha[i] =
                own - (i + 1..self.len).map(|k| self.at(k, i) * self.alpha[k]).sum::<f64>();
        }
        &self.alpha[..self.len]
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.factor[row * self.room + column]
    }

    fn at_mut(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.factor[row * self.room + column]
    }
}
