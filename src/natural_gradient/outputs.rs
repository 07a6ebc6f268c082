//! The gradients of log p by a model's outputs, as each kind of Fisher matrix takes them.

use std::marker::PhantomData;

use ndarray::{Array2, ArrayRef2};

use super::batch::Batch;
#[cfg(feature = "rand")]
use super::kind::Sampled;
use super::kind::{Empirical, Exact, FisherKind};
use super::layer::{DenseLayer, check_finite, drop_tiny};
use crate::error::{Error, ErrorKind};
use crate::interval::Interval;
use crate::loss;
#[cfg(feature = "rand")]
use crate::random::Generator;
use crate::scalar::Scalar;

/// Gradients of -log p by the outputs of a batch, to go back through the network: one matrix
/// (n×outputs) for each backward pass that the kind of Fisher matrix takes.
///
/// They are those of single samples, not divided by n; of an outcome of probability p, √p times
/// the gradient, so that a plain sum of squares is the expectation.
#[derive(Debug, Clone)]
pub struct Outputs<F, K> {
    passes: Vec<Array2<F>>,
    kind: PhantomData<K>,
}

impl<F: Scalar, K: FisherKind> Outputs<F, K> {
    fn new(mut passes: Vec<Array2<F>>) -> Result<Self, Error> {
        for pass in &mut passes {
            check_finite("a gradient by the outputs", pass)?;
            drop_tiny(pass);
        }
        Ok(Self { passes, kind: PhantomData })
    }

    /// The matrices, one for each backward pass.
    pub fn passes(&self) -> &[Array2<F>] {
        &self.passes
    }

    /// The statistics of a dense network, by `back`: from gradients by the outputs to the layers with
    /// their inputs and their gradients by the pre-activations, which must be linear in them.
    ///
    /// # Errors
    /// As [`Batch::of_layers`].
    pub fn backward(
        &self,
        mut back: impl FnMut(&Array2<F>) -> Vec<DenseLayer<F>>,
    ) -> Result<Batch<F, K>, Error> {
        let samples = self.passes.first().map_or(0, |pass| pass.nrows());
        let mut all: Option<Vec<DenseLayer<F>>> = None;
        let passes = self.passes.iter().map(&mut back).collect::<Vec<_>>();
        for layers in passes {
            all = Some(match all {
                None => layers,
                Some(before) => DenseLayer::stack(before, layers)?,
            });
        }
        Batch::stacked(samples, all.unwrap_or_default())
    }
}

/// Probabilities of the classes, row by row.
fn softmax<F: Scalar>(scores: &ArrayRef2<F>) -> Array2<f64> {
    let mut p = scores.mapv(F::into_f64);
    for mut row in p.rows_mut() {
        let largest = row.fold(f64::NEG_INFINITY, |max, &score| max.max(score));
        row.mapv_inplace(|score| (score - largest).exp());
        let sum = row.sum();
        row.mapv_inplace(|exp| exp / sum);
    }
    p
}

fn check_rows<F: Scalar>(owner: &'static str, outputs: &ArrayRef2<F>) -> Result<(), Error> {
    if outputs.is_empty() {
        return Err(ErrorKind::EmptyBatch { owner }.into());
    }
    check_finite("an output", outputs)
}

fn check_deviation<F: Scalar>(deviation: f64) -> Result<(), Error> {
    Interval::POSITIVE.check::<F>("gaussian", "deviation", deviation)
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// Gradients softmax(s) - 1_y of single samples.
fn by_classes<F: Scalar>(scores: &ArrayRef2<F>, classes: &[usize]) -> Result<Array2<F>, Error> {
    let (_, mut gradient) = loss::softmax_cross_entropy(scores, classes)?;
    let n = F::from_f64(classes.len() as f64);
    gradient.mapv_inplace(|g| g * n);
    Ok(gradient)
}

impl Exact {
    /// Classes of probabilities softmax(s), s a row of scores: √p_c (p - 1_c) for each class c.
    ///
    /// ```
    /// use ndarray::array;
    /// use thalweg::natural_gradient::Exact;
    /// let outputs = Exact::categorical(&array![[0.0, 0.0]])?;
    /// // The sum of the outer products is diag(p) - ppᵀ.
    /// let f: f64 = outputs.passes().iter().map(|d| d[[0, 0]] * d[[0, 0]]).sum();
    /// assert!((f - 0.25).abs() < 1e-15);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are no scores, or one is not finite.
    pub fn categorical<F: Scalar>(scores: &ArrayRef2<F>) -> Result<Outputs<F, Self>, Error> {
        check_rows("categorical", scores)?;
        let p = softmax(scores);
        let pass = |class: usize| {
            Array2::from_shape_fn(scores.raw_dim(), |(i, j)| {
                let hit = f64::from(u8::from(j == class));
                F::from_f64(p[[i, class]].sqrt() * (p[[i, j]] - hit))
            })
        };
        Outputs::new((0..scores.ncols()).map(pass).collect())
    }

    /// Outputs that are means of independent normal distributions of that deviation σ: a pass with 1/σ
    /// for each output.
    ///
    /// # Errors
    /// If there are no outputs, one is not finite, or σ is not positive.
    pub fn gaussian<F: Scalar>(
        outputs: &ArrayRef2<F>,
        deviation: f64,
    ) -> Result<Outputs<F, Self>, Error> {
        check_rows("gaussian", outputs)?;
        check_deviation::<F>(deviation)?;
        let pass = |output: usize| {
            let mut pass = Array2::zeros(outputs.raw_dim());
            pass.column_mut(output).fill(F::from_f64(1.0 / deviation));
            pass
        };
        Outputs::new((0..outputs.ncols()).map(pass).collect())
    }

    /// One score s of p = 1/(1 + exp(-s)) for each of the columns, independent: a pass with √(p(1-p))
    /// for each.
    ///
    /// # Errors
    /// If there are no scores, or one is not finite.
    pub fn bernoulli<F: Scalar>(scores: &ArrayRef2<F>) -> Result<Outputs<F, Self>, Error> {
        check_rows("bernoulli", scores)?;
        let pass = |column: usize| {
            let mut pass = Array2::zeros(scores.raw_dim());
            for (to, &score) in pass.column_mut(column).iter_mut().zip(scores.column(column)) {
                let score = score.into_f64();
                *to = F::from_f64((sigmoid(score) * sigmoid(-score)).sqrt());
            }
            pass
        };
        Outputs::new((0..scores.ncols()).map(pass).collect())
    }
}

#[cfg(feature = "rand")]
impl Sampled {
    /// Classes of probabilities softmax(s), one drawn for each row: p - 1_y.
    ///
    /// # Errors
    /// If there are no scores, or one is not finite.
    pub fn categorical<F: Scalar>(
        scores: &ArrayRef2<F>,
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Outputs<F, Self>, Error> {
        use rand::RngExt;
        check_rows("categorical", scores)?;
        let draw = |row: ndarray::ArrayView1<'_, f64>| {
            let mut left: f64 = rng.random_range(0.0..1.0);
            for (class, &p) in row.iter().enumerate() {
                left -= p;
                if left < 0.0 {
                    return class;
                }
            }
            // The probabilities' rounded sum may fall short of 1.
            (0..row.len()).rev().find(|&class| row[class] > 0.0).unwrap_or(0)
        };
        let mut p = softmax(scores);
        let classes: Vec<usize> = p.rows().into_iter().map(draw).collect();
        classes.iter().enumerate().for_each(|(row, &class)| p[[row, class]] -= 1.0);
        Outputs::new(vec![p.mapv(F::from_f64)])
    }

    /// Outputs that are means of independent normal distributions of that deviation σ: ε/σ with ε of
    /// the standard normal distribution.
    ///
    /// # Errors
    /// If there are no outputs, one is not finite, or σ is not positive.
    pub fn gaussian<F: Scalar>(
        outputs: &ArrayRef2<F>,
        deviation: f64,
        rng: &mut (impl Generator + ?Sized),
    ) -> Result<Outputs<F, Self>, Error> {
        use rand::RngExt;
        check_rows("gaussian", outputs)?;
        check_deviation::<F>(deviation)?;
        let pass = Array2::from_shape_simple_fn(outputs.raw_dim(), || {
            // Box & Muller, 1958.
            let radius = (-2.0 * (1.0 - rng.random_range(0.0..1.0_f64)).ln()).sqrt();
            let angle = rng.random_range(0.0..std::f64::consts::TAU);
            F::from_f64(radius * angle.cos() / deviation)
        });
        Outputs::new(vec![pass])
    }
}

impl Empirical {
    /// Classes of probabilities softmax(s), the data's for each row: p - 1_y.
    ///
    /// # Errors
    /// As [`loss::softmax_cross_entropy`], and if a score is not finite.
    pub fn categorical<F: Scalar>(
        scores: &ArrayRef2<F>,
        classes: &[usize],
    ) -> Result<Outputs<F, Self>, Error> {
        Outputs::new(vec![by_classes(scores, classes)?])
    }

    /// Outputs z that are means of independent normal distributions of that deviation σ, and targets
    /// y: (z - y)/σ².
    ///
    /// # Errors
    /// If there are no outputs, one is not finite, the shapes differ, or σ is not positive.
    pub fn gaussian<F: Scalar>(
        outputs: &ArrayRef2<F>,
        targets: &ArrayRef2<F>,
        deviation: f64,
    ) -> Result<Outputs<F, Self>, Error> {
        check_rows("gaussian", outputs)?;
        check_deviation::<F>(deviation)?;
        if outputs.shape() != targets.shape() {
            let (expected, found) = (outputs.shape().to_vec(), targets.shape().to_vec());
            let (owner, what) = ("gaussian", "array of targets");
            return Err(ErrorKind::Shape { owner, what, expected, found }.into());
        }
        let precision = F::from_f64(1.0 / (deviation * deviation));
        let mut pass = outputs - targets;
        pass.mapv_inplace(|difference| difference * precision);
        Outputs::new(vec![pass])
    }
}
