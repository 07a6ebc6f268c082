//! Gradients of single samples, by the push-through identity.

use std::marker::PhantomData;

use ndarray::{Array1, Array2, Axis};

use super::average::{invalid, nothing_observed, singular};
use super::batch::{Batch, FisherOperator};
use super::kind::FisherKind;
use super::layer::check_finite;
use super::metric::Metric;
use crate::curvature::LinearOperator;
use crate::error::Error;
use crate::linalg::cholesky::Cholesky;
use crate::linalg::symmetric::SymmetricEigen;
use crate::params::{Flatten, Params};
use crate::scalar::Scalar;
use crate::state::{Record, compare};
use crate::vector::{add_scaled, norm};

const NAME: &str = "PushThrough";

/// **Push-through**: (GᵀG/n + λI)⁻¹Gᵀv/n = Gᵀ(GGᵀ/n + λI)⁻¹v/n, with the gradients of single samples as
/// the rows of G (n×p): a system of n unknowns instead of p.
///
/// Where the gradient is the mean of the rows (the empirical Fisher matrix of the same batch), v = 1
/// and nothing cancels at any λ. Any other gradient is split by the eigenvectors of GGᵀ into what the
/// rows span and the rest, which is divided by λ. Of layers G itself is never formed: GGᵀ is
/// Σ (AAᵀ)∘(ΔΔᵀ). The inverse by Woodbury's difference is not used: it loses all digits as λ → 0.
///
/// ```
/// use ndarray::array;
/// use thalweg::Optimizer;
/// use thalweg::natural_gradient::{Batch, Empirical, NaturalGradient, PushThrough};
/// let mut w = array![0.0, 0.0, 0.0];
/// let gradients = array![[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]];
/// let mut optimizer = NaturalGradient::new(1.0, PushThrough::<f64, Empirical>::new(1e-6));
/// optimizer.observe(&w, Batch::of_gradients(gradients.clone())?)?;
/// optimizer.step(&mut w, &(gradients.sum_axis(ndarray::Axis(0)) / 2.0))?;
/// // To first order each sample's own objective falls by one.
/// assert!((gradients.dot(&w) + 1.0).iter().all(|d| d.abs() < 1e-5));
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Source: Henderson & Searle, "On deriving the inverse of a sum of matrices", 1981.
#[derive(Debug, Clone)]
pub struct PushThrough<F, K> {
    damping: f64,
    operator: Option<FisherOperator<F>>,
    /// GGᵀ
    gram: Array2<f64>,
    factor: Option<Cholesky>,
    eigen: Option<SymmetricEigen>,
    kind: PhantomData<K>,
}

impl<F: Scalar, K: FisherKind> PushThrough<F, K> {
    /// With a damping λ ≥ 0.
    pub fn new(damping: f64) -> Self {
        let gram = Array2::zeros((0, 0));
        Self { damping, operator: None, gram, factor: None, eigen: None, kind: PhantomData }
    }

    fn set(&mut self, operator: FisherOperator<F>) {
        self.gram = operator.gram().mapv(F::into_f64);
        self.operator = Some(operator);
        (self.factor, self.eigen) = (None, None);
    }
}

impl<F: Scalar, K: FisherKind> Metric<F> for PushThrough<F, K> {
    type Statistics = Batch<F, K>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(
        &mut self,
        layout: &Flatten,
        _: &dyn Params<F>,
        batch: Batch<F, K>,
    ) -> Result<(), Error> {
        let operator = batch.bind(layout)?;
        let before = (std::mem::take(&mut self.gram), self.operator.take());
        self.set(operator);
        check_finite("a product of gradients", &self.gram).inspect_err(|_| {
            (self.gram, self.operator) = before;
        })
    }

    fn apply(&mut self, _: &Flatten, x: &[F], y: &mut [F]) -> Result<(), Error> {
        self.operator.as_mut().ok_or_else(nothing_observed)?.apply(x, y)
    }

    fn apply_inverse(
        &mut self,
        _: &Flatten,
        gradient: &[F],
        direction: &mut [F],
    ) -> Result<(), Error> {
        let operator = self.operator.as_ref().ok_or_else(nothing_observed)?;
        let (n, rows, p) = (operator.samples() as f64, operator.rows(), gradient.len());
        let damping = self.damping;
        if damping == 0.0 && rows < p {
            return Err(singular("the Fisher matrix, of fewer gradients than parameters,"));
        }
        let epsilon = F::epsilon().into_f64();
        let size = norm(gradient);
        let mut rest = gradient.to_vec();
        if rows == operator.samples() && damping > 0.0 {
            let ones = Array1::from_elem(rows, F::one());
            operator.transposed_times(&ones, F::from_f64(1.0 / n), direction);
            add_scaled(-1.0, direction, &mut rest);
            if norm(&rest) <= 64.0 * epsilon * size {
                let factor = match self.factor.take() {
                    Some(factor) => factor,
                    None => Cholesky::factor(&(&self.gram / n), damping, "GGᵀ/n + λI")?,
                };
                let mut z = Array2::ones((rows, 1));
                factor.solve(&mut z);
                let z = z.remove_axis(Axis(1)).mapv(F::from_f64);
                operator.transposed_times(&z, F::from_f64(1.0 / n), direction);
                self.factor = Some(factor);
                return Ok(());
            }
            rest.copy_from_slice(gradient);
        }
        let eigen = match self.eigen.take() {
            Some(eigen) => eigen,
            None => SymmetricEigen::factor(&self.gram, "GGᵀ")?,
        };
        let largest = eigen.values.fold(0.0, |max: f64, &value| max.max(value));
        let null = rows as f64 * epsilon * largest;
        let rank = eigen.values.iter().filter(|&&value| value > null).count();
        if damping == 0.0 && rank < p {
            return Err(singular("the Fisher matrix"));
        }
        let by_rows = |x: &[F]| operator.times(x).mapv(F::into_f64);
        let pseudo = |value: f64| if value > null { 1.0 / value } else { 0.0 };
        // Twice is enough to leave nothing of the rows' span in the rest.
        let mut spanned = vec![F::zero(); p];
        for _ in 0..2 {
            let v = eigen.solve(&by_rows(&rest), pseudo).mapv(F::from_f64);
            operator.transposed_times(&v, F::one(), &mut spanned);
            add_scaled(-1.0, &spanned, &mut rest);
        }
        let within = |value: f64| pseudo(value) / (value / n + damping);
        let v = eigen.solve(&by_rows(gradient), within).mapv(F::from_f64);
        operator.transposed_times(&v, F::one(), direction);
        if norm(&rest) > 1e3 * epsilon * size {
            add_scaled(1.0 / damping, &rest, direction);
        }
        self.eigen = Some(eigen);
        Ok(())
    }

    fn damping(&self) -> f64 {
        self.damping
    }

    fn set_damping(&mut self, damping: f64) {
        if damping != self.damping {
            self.factor = None;
        }
        self.damping = damping;
    }

    fn forget(&mut self) {
        *self = Self::new(self.damping);
    }

    fn save(&self, record: &mut Record) {
        record.text("fisher", K::NAME);
        record.count("observed", u64::from(self.operator.is_some()));
        if let Some(operator) = &self.operator {
            operator.save(record);
        }
    }

    fn load(&mut self, layout: Option<&Flatten>, record: &Record) -> Result<(), Error> {
        compare("the Fisher matrix", record.get_text("fisher")?, K::NAME)?;
        match (record.get_flag("observed")?, layout) {
            (false, _) => self.forget(),
            (true, Some(layout)) => self.set(FisherOperator::load(layout.len(), record)?),
            (true, None) => return Err(invalid("observed", "is 1 without a model")),
        }
        Ok(())
    }
}
