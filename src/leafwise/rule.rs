//! What an optimizer does to a whole leaf.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;

use crate::error::Error;
use crate::linalg::product::Panels;
use crate::reduce::How;
use crate::scalar::Scalar;
use crate::simd::Work;

/// The update of a whole leaf: for optimizers whose state is no value for each element.
///
/// [`Leafwise`](crate::Leafwise) does the rest (pairing by name, state, learning rate, groups, clipping,
/// the guard against NaN, checkpoints, ranks). Whatever the layout of the arrays, a rule gets them row
/// after row.
///
/// ```
/// use ndarray::array;
/// use thalweg::leafwise::{LeafRule, LeafStep, Leafwise, Slot, Step};
/// use thalweg::{Error, Optimizer, Scalar};
///
/// /// AdaGrad with one sum of squares for a leaf: s += ‖g‖², Δw = -αg/√s.
/// #[derive(Debug, Clone)]
/// struct AdaGradNorm;
///
/// impl<F: Scalar> LeafRule<F> for AdaGradNorm {
///     const NAME: &'static str = "AdaGradNorm";
///     fn validate(&self) -> Result<(), Error> {
///         Ok(())
///     }
///     fn slots(&self, _shape: &[usize]) -> Vec<Slot<F>> {
///         vec![Slot::zeros("s", vec![1])]
///     }
///     fn update(&self, step: &Step, leaf: LeafStep<'_, F>) {
///         let s = &mut leaf.slots[0].values[0];
///         *s = leaf.g.iter().fold(*s, |s, &g| s + g * g);
///         let alpha = F::from_f64(step.learning_rate) / s.sqrt();
///         leaf.w.iter_mut().zip(leaf.g).for_each(|(w, &g)| *w = *w - alpha * g);
///     }
/// }
///
/// let mut w = array![1.0, 1.0];
/// Leafwise::with_rule(AdaGradNorm, 0.5).step(&mut w, &array![3.0, 4.0])?;
/// assert_eq!(w, array![0.7, 0.6]);
/// # Ok::<(), Error>(())
/// ```
pub trait LeafRule<F: Scalar>: Clone + Debug + Send + Sync + 'static {
    /// The optimizer's name, as messages and checkpoints write it.
    const NAME: &'static str;

    /// The learning rate of a default-constructed optimizer.
    const LEARNING_RATE: f64 = 1e-3;

    /// Checks every hyperparameter's range; NaN is out of range.
    ///
    /// # Errors
    /// [`ErrorKind::Hyperparameter`](crate::ErrorKind::Hyperparameter).
    fn validate(&self) -> Result<(), Error>;

    /// Calls `visit` with the name and the number of each hyperparameter; what it writes is taken.
    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        let _ = visit;
    }

    /// What else a saved run must have been built with, as a text.
    fn conventions(&self) -> String {
        String::new()
    }

    /// The largest |g| of which the state can be kept; a larger one is treated as one that is not finite.
    fn largest_gradient(&self) -> f64 {
        f64::INFINITY
    }

    /// The state of a leaf of that shape before its first step.
    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>>;

    /// Updates a leaf, which has elements, and its state.
    fn update(&self, step: &Step, leaf: LeafStep<'_, F>);
}

/// An array of the state of a leaf, in a shape of its own, row after row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Slot<F> {
    /// What a checkpoint calls it.
    pub name: Cow<'static, str>,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The elements.
    pub values: Vec<F>,
}

impl<F: Scalar> Slot<F> {
    /// An array of zeros.
    pub fn zeros(name: impl Into<Cow<'static, str>>, shape: Vec<usize>) -> Self {
        Self::filled(name, shape, F::zero())
    }

    /// An array of one number.
    pub fn filled(name: impl Into<Cow<'static, str>>, shape: Vec<usize>, value: F) -> Self {
        let values = vec![value; shape.iter().product()];
        Self { name: name.into(), shape, values }
    }
}

/// What holds for a leaf in a step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Step {
    /// The leaf's own count of steps, this one included.
    pub step: u64,
    /// α of this leaf.
    pub learning_rate: f64,
    /// The share of each parameter that weight decay takes off.
    pub decay: f64,
}

/// A leaf in a step. It has elements.
#[derive(Debug)]
#[non_exhaustive]
pub struct LeafStep<'a, F: Scalar> {
    /// Length of each axis.
    pub shape: &'a [usize],
    /// The parameters, row after row.
    pub w: &'a mut [F],
    /// The gradient, clipped, in the direction to descend.
    pub g: &'a [F],
    /// The state, as [`slots`](LeafRule::slots) made it.
    pub slots: &'a mut [Slot<F>],
    pub(crate) workspace: &'a mut Workspace<F>,
    pub(crate) how: How,
}

/// Memory that all leaves share.
#[derive(Debug)]
pub(crate) struct Workspace<F> {
    /// Of the size of the leaf.
    pub(crate) of_leaf: [Vec<F>; 5],
    /// Of the size of its axes and of matrices of them.
    pub(crate) wide: [Vec<f64>; 3],
    /// Lengths of axes.
    pub(crate) lens: [Vec<usize>; 2],
    pub(crate) panels: Panels<F>,
    pub(crate) wide_panels: Panels<f64>,
}

impl<F> Default for Workspace<F> {
    fn default() -> Self {
        Self {
            of_leaf: Default::default(),
            wide: Default::default(),
            lens: Default::default(),
            panels: Panels::default(),
            wide_panels: Panels::default(),
        }
    }
}

/// The first elements of a list, which grows to have them.
pub(crate) fn room<T: Copy + Default>(list: &mut Vec<T>, len: usize) -> &mut [T] {
    if list.len() < len {
        list.resize(len, T::default());
    }
    &mut list[..len]
}

/// w = (w - d·w) - α·u, of the d of a step.
pub(crate) fn descend<F: Scalar>(w: &mut [F], step: &Step, alpha: f64, u: &[F], how: How) {
    let [decay, alpha] = [step.decay, alpha].map(F::from_f64);
    how.simd.run(Descend { w, u, decay, alpha });
}

struct Descend<'a, F> {
    w: &'a mut [F],
    u: &'a [F],
    decay: F,
    alpha: F,
}

impl<F: Scalar> Work for Descend<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { w, u, decay, alpha } = self;
        w.iter_mut().zip(u).for_each(|(w, &u)| *w = (*w - decay * *w) - alpha * u);
    }
}

/// A rule as an object: what the engine, which is compiled once, knows of it.
pub(crate) trait Object<F: Scalar>: Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn boxed(&self) -> Box<dyn Object<F>>;
    fn rule(&self) -> &dyn Any;
    fn rule_mut(&mut self) -> &mut dyn Any;
    fn validate(&self) -> Result<(), Error>;
    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64));
    fn conventions(&self) -> String;
    fn largest_gradient(&self) -> f64;
    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>>;
    fn update(&self, step: &Step, leaf: LeafStep<'_, F>);
}

impl<F: Scalar, R: LeafRule<F>> Object<F> for R {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn boxed(&self) -> Box<dyn Object<F>> {
        Box::new(self.clone())
    }

    fn rule(&self) -> &dyn Any {
        self
    }

    fn rule_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn validate(&self) -> Result<(), Error> {
        LeafRule::validate(self)
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        LeafRule::hyperparameters(self, visit);
    }

    fn conventions(&self) -> String {
        LeafRule::conventions(self)
    }

    fn largest_gradient(&self) -> f64 {
        LeafRule::largest_gradient(self)
    }

    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>> {
        LeafRule::slots(self, shape)
    }

    fn update(&self, step: &Step, leaf: LeafStep<'_, F>) {
        LeafRule::update(self, step, leaf);
    }
}
