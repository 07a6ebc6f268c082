//! Constants of a leaf's own: where a norm of the leaf scales it, or a count of its elements does.

use super::around::{Loop, Quantities, Sums};
use super::ledger::Cohort;
use super::outer::Outer;
use super::plan::Course;
use super::program::Kernel;
use super::scale::{self, Norm, Scale};
use super::scratch::{Lists, Scratch};
use super::strided::{self, Strided};
use super::sweep::{self, Flat};
use crate::reduce::{How, ScaledSquare, Sum};
use crate::regularize::AdaptiveClip;
use crate::rule::Clock;
use crate::scalar::Scalar;

/// The least share of agreeing elements that a cautious step makes up for.
pub(super) const LEAST_SHARE: f64 = 1e-3;

/// Gives constants of its own to each leaf that something couples.
#[cold]
pub(super) fn couple<F: Scalar>(
    courses: &[Course<F>],
    cohorts: &mut [Cohort],
    lists: &mut Lists<'_, F>,
    scratch: &mut Scratch<F>,
    scale: Scale<F>,
    how: How,
) {
    let Scratch { kernel, outer, factors, .. } = scratch;
    factors.clear();
    let mut coupling = Coupling { kernel: &mut **kernel, outer, factors, scale, how };
    for leaf in &mut lists.flat {
        let cohort = &mut cohorts[leaf.cohort];
        let course = &courses[cohort.course];
        leaf.constants = coupling.own(course, leaf.cohort, &mut cohort.clock, leaf);
    }
    for leaf in &mut lists.strided {
        let cohort = &mut cohorts[leaf.cohort];
        let course = &courses[cohort.course];
        leaf.constants = coupling.own(course, leaf.cohort, &mut cohort.clock, leaf);
    }
    if let Some(gathered) = lists.gathered.as_deref_mut() {
        for leaf in &mut lists.touched {
            let cohort = &mut cohorts[leaf.cohort];
            let course = &courses[cohort.course];
            let clock = &mut cohort.clock;
            leaf.constants = coupling.own(course, leaf.cohort, clock, &mut leaf.of(gathered));
        }
    }
}

/// The place of the constants of one leaf, measured as `leaf` says.
pub(super) fn own<F: Scalar>(
    course: &Course<F>,
    cohort: (usize, &mut Clock),
    leaf: &mut dyn Coupled<F>,
    scratch: &mut Scratch<F>,
    scale: Scale<F>,
    how: How,
) -> usize {
    let Scratch { kernel, outer, factors, .. } = scratch;
    let mut coupling = Coupling { kernel: &mut **kernel, outer, factors, scale, how };
    coupling.own(course, cohort.0, cohort.1, leaf)
}

/// Finds the factor of cautious updates of each leaf, once its constants are complete.
#[cold]
pub(super) fn find_caution<F: Scalar>(
    courses: &[Course<F>],
    cohorts: &[Cohort],
    lists: &mut Lists<'_, F>,
    scratch: &mut Scratch<F>,
    how: How,
) {
    let Scratch { kernel, outer, factors, .. } = scratch;
    let scale = Scale::one();
    let mut coupling = Coupling { kernel: &mut **kernel, outer, factors, scale, how };
    let is_cautious = |cohort: usize| courses[cohorts[cohort].course].settings.cautious;
    for leaf in lists.flat.iter_mut().filter(|leaf| is_cautious(leaf.cohort)) {
        coupling.find_caution(leaf.constants, leaf);
    }
    for leaf in lists.strided.iter_mut().filter(|leaf| is_cautious(leaf.cohort)) {
        coupling.find_caution(leaf.constants, leaf);
    }
}

struct Coupling<'c, F: Scalar> {
    kernel: &'c mut dyn Kernel<F>,
    outer: &'c mut Vec<Outer<F>>,
    factors: &'c mut Vec<F>,
    scale: Scale<F>,
    how: How,
}

impl<F: Scalar> Coupling<'_, F> {
    /// The place of the constants of one leaf, which are its cohort's or its own.
    fn own(
        &mut self,
        course: &Course<F>,
        cohort: usize,
        clock: &mut Clock,
        leaf: &mut dyn Coupled<F>,
    ) -> usize {
        let (settings, how) = (&course.settings, self.how);
        if !course.traits.couples {
            return cohort;
        }
        let mut scale = self.scale;
        if let Some(limit) = settings.clip_leaf_norm {
            scale = scale.within(limit, leaf.grad_norm(how));
        }
        if let Some(clip) = settings.clip_adaptive
            && !leaf.find_factors(clip, scale.value(), how, self.factors)
        {
            let limit = clip.limit(leaf.param_norm(how).value());
            scale = scale.within(limit, leaf.grad_norm(how));
        }
        let place = self.kernel.repeat(cohort);
        let mut outer = self.outer[cohort];
        if scale != self.scale {
            let rate = course.learning_rate;
            outer = outer.scaled(settings, course.traits.is_plain, rate, scale);
        }
        self.outer.push(outer);
        if course.program().about().norms {
            let norms = self.norms(place, leaf);
            self.kernel.of_leaf(place, course.program(), norms, clock);
        }
        if settings.cautious && !course.program().about().has_totals() {
            self.find_caution(place, leaf);
        }
        place
    }

    fn find_caution(&mut self, place: usize, leaf: &mut dyn Coupled<F>) {
        let [agreeing, ..] = self.measure(place, Quantities::Agreeing, leaf);
        let share = agreeing.value() / leaf.len() as f64;
        self.outer[place].caution = Some(F::from_f64(share.max(LEAST_SHARE).recip()));
    }

    fn measure(&self, place: usize, quantities: Quantities<F>, leaf: &mut dyn Coupled<F>) -> Sums {
        let constants = Loop { kernel: &*self.kernel, outer: self.outer };
        leaf.measure(constants, place, quantities, self.factors, self.how)
    }

    /// The norms of a leaf that the rule wants.
    fn norms(&self, place: usize, leaf: &mut dyn Coupled<F>) -> [f64; 2] {
        let mut squares =
            |power| self.measure(place, Quantities::OfRule { power }, leaf).map(Sum::value);
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
}

/// A leaf of a step, however it lies in memory.
pub(super) trait Coupled<F: Scalar> {
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

    /// Sums of quantities, by the constants at a place.
    fn measure(
        &mut self,
        constants: Loop<'_, F>,
        place: usize,
        quantities: Quantities<F>,
        factors: &[F],
        how: How,
    ) -> Sums;
}

impl<F: Scalar> Coupled<F> for Flat<'_, F> {
    fn len(&self) -> usize {
        self.stretch.w.len()
    }

    fn grad_norm(&self, how: How) -> Norm {
        scale::norm_of_slice(self.stretch.g, how)
    }

    fn param_norm(&self, how: How) -> Norm {
        scale::norm_of_slice(self.stretch.w, how)
    }

    fn find_factors(&mut self, _: AdaptiveClip, _: f64, _: How, _: &mut Vec<F>) -> bool {
        false
    }

    fn measure(
        &mut self,
        constants: Loop<'_, F>,
        place: usize,
        quantities: Quantities<F>,
        _factors: &[F],
        how: How,
    ) -> Sums {
        sweep::measure(constants, place, quantities, how, self.stretch.reborrow())
    }
}

impl<F: Scalar> Coupled<F> for Strided<'_, F> {
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
        constants: Loop<'_, F>,
        place: usize,
        quantities: Quantities<F>,
        factors: &[F],
        how: How,
    ) -> Sums {
        let leaf = self.reborrow().with_factors(factors);
        strided::measure(constants, place, quantities, how, leaf)
    }
}
