//! Constants of a leaf's own: where a norm of the leaf scales it, or a count of its elements does.

use super::around::{Around, Constants};
use super::inspect::{self, Norm, Scale};
use super::kernel::{Kernel, Loops, Quantities};
use super::plan::Course;
use super::scratch::Lists;
use super::strided::{self, Strided};
use super::sweep::{self, Flat};
use crate::reduce::{How, ScaledSquare, Sum};
use crate::regularize::AdaptiveClip;
use crate::rule::{Rule, Slots};
use crate::scalar::Scalar;

/// The least share of agreeing elements that a cautious step makes up for.
const LEAST_SHARE: f64 = 1e-3;

/// Gives constants of its own to each leaf that something couples.
#[cold]
pub(super) fn couple<F: Scalar, R: Rule<F>>(
    courses: &[Course<R>],
    lists: &mut Lists<'_, F, R::State>,
    constants: &mut Vec<Constants<F, R>>,
    factors: &mut Vec<F>,
    scale: Scale<F>,
    how: How,
) {
    factors.clear();
    for leaf in &mut lists.flat {
        let course = &courses[leaf.course];
        if let Some(own) = own(course, &constants[leaf.course], leaf, factors, scale, how) {
            leaf.constants = constants.len();
            constants.push(own);
        }
    }
    for leaf in &mut lists.strided {
        let course = &courses[leaf.course];
        if let Some(own) = own(course, &constants[leaf.course], leaf, factors, scale, how) {
            leaf.constants = constants.len();
            constants.push(own);
        }
    }
}

/// The constants of one leaf, where they are not its course's.
fn own<F: Scalar, R: Rule<F>>(
    course: &Course<R>,
    shared: &Constants<F, R>,
    leaf: &mut dyn Coupled<F, R::State>,
    factors: &mut Vec<F>,
    scale: Scale<F>,
    how: How,
) -> Option<Constants<F, R>> {
    let settings = &course.settings;
    if !R::NORMS && !course.traits.couples {
        return None;
    }
    let mut own_scale = scale;
    if let Some(limit) = settings.clip_leaf_norm {
        own_scale = own_scale.within(limit, leaf.grad_norm(how));
    }
    if let Some(clip) = settings.clip_adaptive
        && !leaf.find_factors(clip, own_scale.value(), how, factors)
    {
        let limit = clip.limit(leaf.param_norm(how).value());
        own_scale = own_scale.within(limit, leaf.grad_norm(how));
    }
    let mut own = shared.clone();
    if own_scale != scale {
        own.around = Some(Around::new(settings, course.learning_rate, own_scale));
    }
    if R::NORMS {
        let norms = norms(&Loops(std::slice::from_ref(&own)), leaf, factors, how);
        course.rule().of_leaf(&mut own.step, norms);
    }
    if settings.cautious {
        let kernel = Loops(std::slice::from_ref(&own));
        let [agreeing, _] = leaf.measure(&kernel, Quantities::Agreeing, factors, how);
        let share = agreeing.value() / leaf.len() as f64;
        own.caution = Some(F::from_f64(share.max(LEAST_SHARE).recip()));
    }
    Some(own)
}

/// The norms of a leaf that the rule wants.
fn norms<F: Scalar, S: Slots<F>>(
    kernel: &dyn Kernel<F, S>,
    leaf: &mut dyn Coupled<F, S>,
    factors: &[F],
    how: How,
) -> [f64; 2] {
    let mut squares =
        |power| leaf.measure(kernel, Quantities::OfRule { power }, factors, how).map(Sum::value);
    let plain = squares(F::one());
    [0, 1].map(|i| {
        let scaled = |ScaledSquare(power): ScaledSquare| {
            let power = F::from_f64(power);
            // The squares of any `f32` are neither too large nor too small.
            let helps = power > F::zero() && power.is_finite();
            if helps { squares(power)[i] } else { plain[i] }
        };
        Norm::from_sums(plain[i], scaled).value()
    })
}

impl<F: Scalar> Scale<F> {
    /// This scale, or the one that brings a gradient of that norm to the limit, if it is above it
    /// so scaled.
    fn within(self, limit: f64, norm: Norm) -> Self {
        if norm.value() * self.value() > limit { Self::of(Some(limit), Some(norm)) } else { self }
    }
}

/// A leaf of a step, however it lies in memory.
trait Coupled<F: Scalar, S: Slots<F>> {
    fn len(&self) -> usize;
    fn grad_norm(&self, how: How) -> Norm;
    fn param_norm(&self, how: How) -> Norm;

    /// Finds the factors of the leaf's units; whether it has units.
    fn find_factors(
        &mut self,
        clip: AdaptiveClip,
        scale: f64,
        how: How,
        factors: &mut Vec<F>,
    ) -> bool;

    /// Sums of squares, by the first constants of the kernel.
    fn measure(
        &mut self,
        kernel: &dyn Kernel<F, S>,
        quantities: Quantities<F>,
        factors: &[F],
        how: How,
    ) -> [Sum; 2];
}

impl<F: Scalar, S: Slots<F>> Coupled<F, S> for Flat<'_, F, S> {
    fn len(&self) -> usize {
        self.stretch.w.len()
    }

    fn grad_norm(&self, how: How) -> Norm {
        inspect::norm_of_slice(self.stretch.g, how)
    }

    fn param_norm(&self, how: How) -> Norm {
        inspect::norm_of_slice(self.stretch.w, how)
    }

    fn find_factors(&mut self, _: AdaptiveClip, _: f64, _: How, _: &mut Vec<F>) -> bool {
        false
    }

    fn measure(
        &mut self,
        kernel: &dyn Kernel<F, S>,
        quantities: Quantities<F>,
        _factors: &[F],
        how: How,
    ) -> [Sum; 2] {
        sweep::measure(kernel, 0, quantities, how, self.stretch.reborrow())
    }
}

impl<F: Scalar, S: Slots<F>> Coupled<F, S> for Strided<'_, F, S> {
    fn len(&self) -> usize {
        self.shape().iter().product()
    }

    fn grad_norm(&self, how: How) -> Norm {
        Strided::grad_norm(self, how)
    }

    fn param_norm(&self, how: How) -> Norm {
        Strided::param_norm(self, how)
    }

    fn find_factors(
        &mut self,
        clip: AdaptiveClip,
        scale: f64,
        how: How,
        factors: &mut Vec<F>,
    ) -> bool {
        Strided::find_factors(self, clip, scale, how, factors);
        self.has_units()
    }

    fn measure(
        &mut self,
        kernel: &dyn Kernel<F, S>,
        quantities: Quantities<F>,
        factors: &[F],
        how: How,
    ) -> [Sum; 2] {
        strided::measure(kernel, 0, quantities, how, self.reborrow().with_factors(factors))
    }
}
