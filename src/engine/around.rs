//! What happens to an element around its rule.
//!
//! What is more than a scale or a penalty of the gradient is done in tiles that fit the nearest cache,
//! before and after the loop of the rule: the same arithmetic, compiled once for all rules.

use super::average::averaged;
use super::compact::{self, Codes, Rounding};
use super::program::{Before, Kernel, Penalized, RowsOf, Stretch};
use super::scale::Scale;
use super::settings::Settings;
use super::sixteen::Encoding;
use crate::reduce::{BLOCK, Sum};
use crate::rule::{MOST, SUMS};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// Elements of a tile; a whole number of the widest vectors.
const TILE: usize = 512;

/// What is done around the rule in one step, for the leaves that share it.
#[derive(Clone, Copy)]
pub(super) struct Outer<F> {
    /// What is done to gradient and parameter.
    around: Around<F>,
    /// That, where the loop of the rule can do it.
    before: Option<Before<F>>,
    /// The factor of updates that agree with their gradient; others are dropped.
    pub(super) caution: Option<F>,
    /// What the average takes of the new parameter.
    pub(super) average: Option<F>,
    /// What the rounding of state goes by, where it is kept in fewer bits.
    pub(super) rounding: Option<Rounding>,
    /// How parameters of 16 bits are rounded.
    pub(super) encoding: Encoding,
}

impl<F: Scalar> Outer<F> {
    #[inline]
    pub(super) fn new(
        settings: &Settings,
        is_plain: bool,
        rate: f64,
        scale: Scale<F>,
        average: Option<F>,
        encoding: Encoding,
    ) -> Self {
        if is_plain && scale.is_one() {
            let before = Some(Before::Nothing);
            return Self {
                around: Around::nothing(),
                before,
                caution: None,
                average,
                rounding: None,
                encoding,
            };
        }
        let around = Around::new(settings, rate, scale);
        Self { around, before: around.before(), caution: None, average, rounding: None, encoding }
    }

    /// What gradients are multiplied by, where nothing else is done around the rule but the average.
    fn factor(&self) -> Option<F> {
        match self.before {
            _ if self.caution.is_some() => None,
            Some(Before::Nothing) => Some(F::one()),
            Some(Before::Scaled(factor)) => Some(factor),
            _ => None,
        }
    }

    /// The same with gradients scaled otherwise.
    pub(super) fn scaled(
        &self,
        settings: &Settings,
        is_plain: bool,
        rate: f64,
        scale: Scale<F>,
    ) -> Self {
        let outer = Self::new(settings, is_plain, rate, scale, self.average, self.encoding);
        Self { rounding: self.rounding, ..outer }
    }
}

/// What is done to a gradient before the rule sees it, and to a parameter before and after.
///
/// What is absent is there with the constant that changes nothing.
#[derive(Clone, Copy)]
struct Around<F> {
    scale: Scale<F>,
    clip: F,
    penalized: Penalized<F>,
    decay: F,
    shrink: F,
    threshold: F,
}

impl<F: Scalar> Around<F> {
    fn nothing() -> Self {
        let zero = F::zero();
        Self {
            scale: Scale::one(),
            clip: F::infinity(),
            penalized: Penalized { l1: zero, l2: zero },
            decay: zero,
            shrink: F::one(),
            threshold: zero,
        }
    }

    fn new(settings: &Settings, rate: f64, scale: Scale<F>) -> Self {
        let decay = settings.decoupled_decay.map_or(0.0, |decay| decay.fraction(rate));
        let (l1, l2) = (settings.penalty.l1, settings.penalty.l2);
        Self {
            scale: if settings.maximize { scale.negated() } else { scale },
            clip: F::from_f64(settings.clip_value.unwrap_or(f64::INFINITY)),
            penalized: Penalized { l1: F::from_f64(l1), l2: F::from_f64(l2) },
            decay: F::from_f64(decay),
            shrink: F::from_f64(settings.shrink),
            threshold: F::from_f64(rate * settings.proximal_l1),
        }
    }

    /// What the loop of the rule can do, if that is all.
    fn before(&self) -> Option<Before<F>> {
        let of_gradient = self.clip == F::infinity()
            && self.decay == F::zero()
            && self.shrink == F::one()
            && self.threshold == F::zero();
        let pulls = self.penalized.l1 != F::zero() || self.penalized.l2 != F::zero();
        match self.scale.as_factor() {
            _ if !of_gradient => None,
            Some(factor) if !pulls => Some(Before::Scaled(factor)),
            Some(_) if self.scale.is_one() => Some(Before::Penalized(self.penalized)),
            _ => None,
        }
    }

    /// The gradient that the rule gets.
    #[inline(always)]
    fn gradient(&self, w: F, g: F) -> F {
        let g = self.scale.apply(g.flushed());
        // Comparisons rather than `min` and `max`, which would hide NaN.
        let g = if g > self.clip { self.clip } else { g };
        let g = if g < -self.clip { -self.clip } else { g };
        g + self.penalized.pull(w)
    }

    /// The parameter that the rule gets.
    #[inline(always)]
    fn kept(&self, w: F) -> F {
        w - self.decay * w.flushed()
    }

    /// What becomes of the parameter that the rule returns.
    #[inline(always)]
    fn finish(&self, w: F) -> F {
        // A factor of 1 must leave a subnormal parameter as it is.
        let w = if self.shrink == F::one() { w } else { self.shrink * w.flushed() };
        let size = w.abs();
        let beyond = if size <= self.threshold { F::zero() } else { size - self.threshold };
        beyond.copysign(w)
    }
}

/// The constants of a step and the loops that take them, by place.
#[derive(Clone, Copy)]
pub(super) struct Loop<'c, F: Scalar> {
    pub(super) kernel: &'c dyn Kernel<F>,
    pub(super) outer: &'c [Outer<F>],
}

/// What is measured of an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Quantities<F> {
    /// 1 where the update would agree with the gradient, else 0; and nothing.
    Agreeing,
    /// Those whose norms the rule wants, times a power of two.
    OfRule { power: F },
    /// The terms that the rule wants summed over the tree.
    OfTree,
}

/// What is summed up over a leaf.
pub(in crate::engine) type Sums = [Sum; SUMS];

impl<F: Scalar> Loop<'_, F> {
    /// Updates a stretch of elements.
    #[inline]
    pub(super) fn update(&self, place: usize, simd: Simd, stretch: &mut Stretch<'_, F>) {
        let (kernel, outer) = (self.kernel, &self.outer[place]);
        match outer.rounding {
            None => update(kernel, place, outer, simd, stretch),
            Some(rounding) => {
                let mut stretch = stretch.reborrow();
                let averages = outer.average.is_some() && !stretch.average.is_empty();
                let factor = outer.factor().filter(|_| !averages);
                let done = factor.map_or(0, |factor| {
                    kernel.update_codes(place, factor, rounding.key, simd, &mut stretch)
                });
                let (_, rest) = stretch.split_at(done);
                compact::update(rounding, simd, rest, |mut tile| {
                    update(kernel, place, outer, simd, &mut tile);
                });
            }
        }
    }

    /// Updates rows of whole vectors in one loop, where little is done around the rule; whether it has.
    pub(super) fn update_rows(
        &self,
        place: usize,
        simd: Simd,
        rows: RowsOf<'_>,
        stretch: &mut Stretch<'_, F>,
    ) -> bool {
        let outer = &self.outer[place];
        let averages = outer.average.is_some() && !stretch.average.is_empty();
        let is_plain = outer.rounding.is_none() && !averages && simd.is_wide();
        let factor = outer.factor().filter(|_| is_plain);
        factor.is_some_and(|factor| {
            self.kernel.update_rows(place, factor, simd, rows, stretch);
            true
        })
    }

    /// Whether parameters whose gradient is 0 move all the same, where the rule leaves them as they are.
    pub(super) fn idles(&self, place: usize) -> bool {
        let Around { decay, shrink, threshold, .. } = self.outer[place].around;
        decay != F::zero() || shrink != F::one() || threshold != F::zero()
    }

    /// Moves parameters whose gradient is 0.
    pub(super) fn idle(&self, place: usize, simd: Simd, w: &mut [F]) {
        simd.run(Idle { around: self.outer[place].around, w });
    }

    /// The sums of quantities over a stretch, which is short and not written to: of the squares, where
    /// there are two.
    pub(super) fn measure(
        &self,
        place: usize,
        quantities: Quantities<F>,
        simd: Simd,
        stretch: Stretch<'_, F>,
    ) -> [f64; SUMS] {
        let (kernel, outer) = (self.kernel, &self.outer[place]);
        let mut room;
        let stretch = if outer.rounding.is_none() {
            stretch
        } else {
            // A stretch is no longer than the room.
            room = compact::room::<F, BLOCK>();
            let Stretch { w, g, slots, codes, average } = stretch;
            let slots = compact::decoded(w.len(), simd, slots, &codes, &mut room);
            Stretch { w, g, slots, codes: Codes::default(), average }
        };
        match quantities {
            Quantities::Agreeing => {
                [count_agreeing(kernel, place, outer, simd, stretch), 0.0, 0.0, 0.0]
            }
            Quantities::OfRule { power } => prepared(outer, simd, stretch, |stretch| {
                let [first, second] = kernel.norms(place, power, simd, stretch);
                [first, second, 0.0, 0.0]
            }),
            Quantities::OfTree => {
                prepared(outer, simd, stretch, |stretch| kernel.sums(place, simd, stretch))
            }
        }
    }
}

/// Updates a stretch: the rule, and what is around it.
#[inline]
fn update<F: Scalar>(
    kernel: &dyn Kernel<F>,
    place: usize,
    outer: &Outer<F>,
    simd: Simd,
    stretch: &mut Stretch<'_, F>,
) {
    let rate = outer.average.filter(|_| !stretch.average.is_empty());
    match (outer.before, outer.caution, rate) {
        (Some(before), None, None) => kernel.update(place, before, simd, stretch),
        (Some(before), None, Some(rate)) => {
            let mut stretch = stretch.reborrow();
            while !stretch.w.is_empty() {
                let n = TILE.min(stretch.w.len());
                let (mut tile, rest) = stretch.split_at(n);
                kernel.update(place, before, simd, &mut tile);
                simd.run(Blend { rate, w: tile.w, average: tile.average });
                stretch = rest;
            }
        }
        _ => rarer(kernel, place, outer, rate, simd, stretch.reborrow()),
    }
}

#[cold]
fn rarer<F: Scalar>(
    kernel: &dyn Kernel<F>,
    place: usize,
    outer: &Outer<F>,
    rate: Option<F>,
    simd: Simd,
    mut stretch: Stretch<'_, F>,
) {
    let around = outer.around;
    let (mut gradients, mut kept) = ([F::zero(); TILE], [F::zero(); TILE]);
    let decay = kernel.decay(place);
    while !stretch.w.is_empty() {
        let n = TILE.min(stretch.w.len());
        let (Stretch { w, g, slots, codes, average }, rest) = stretch.split_at(n);
        simd.run(Prepare { around, w: &*w, g, gradients: &mut gradients, kept: &mut kept });
        w.copy_from_slice(&kept[..n]);
        let g = &gradients[..n];
        let mut inner = Stretch { w: &mut *w, g, slots, codes, average: &mut [] };
        kernel.update(place, Before::Nothing, simd, &mut inner);
        if let Some(factor) = outer.caution {
            let (kept, gradients) = (&kept[..n], &gradients[..n]);
            simd.run(Caution { decay, factor, w: &mut *w, kept, gradients });
        }
        simd.run(Finish { around, w: &mut *w });
        if let Some(rate) = rate {
            simd.run(Blend { rate, w: &*w, average });
        }
        stretch = rest;
    }
}

/// How many elements of a stretch, which is short, would move with their gradient.
fn count_agreeing<F: Scalar>(
    kernel: &dyn Kernel<F>,
    place: usize,
    outer: &Outer<F>,
    simd: Simd,
    mut stretch: Stretch<'_, F>,
) -> f64 {
    let around = outer.around;
    let (mut gradients, mut kept) = ([F::zero(); TILE], [F::zero(); TILE]);
    let (mut moved, mut copies) = ([F::zero(); TILE], [[F::zero(); TILE]; MOST]);
    let (decay, mut count) = (kernel.decay(place), 0.0);
    while !stretch.w.is_empty() {
        let n = TILE.min(stretch.w.len());
        let (Stretch { w, g, slots, codes, .. }, rest) = stretch.split_at(n);
        simd.run(Prepare { around, w, g, gradients: &mut gradients, kept: &mut kept });
        moved[..n].copy_from_slice(&kept[..n]);
        let [a, b, c, d] = &mut copies;
        let slots = {
            let mut copies = [a, b, c, d].into_iter();
            slots.map(|slot| match copies.next() {
                Some(copy) => {
                    copy[..slot.len()].copy_from_slice(slot);
                    &mut copy[..slot.len()]
                }
                None => &mut [],
            })
        };
        let (w, g) = (&mut moved[..n], &gradients[..n]);
        let mut inner = Stretch { w, g, slots, codes, average: &mut [] };
        kernel.update(place, Before::Nothing, simd, &mut inner);
        let (kept, gradients) = (&kept[..n], &gradients[..n]);
        count += simd.run(Agreeing { decay, moved: &moved[..n], kept, gradients });
        stretch = rest;
    }
    count
}

/// What `measure` finds in a stretch, which is short and not written to, as the rule gets it.
fn prepared<F: Scalar>(
    outer: &Outer<F>,
    simd: Simd,
    stretch: Stretch<'_, F>,
    measure: impl FnOnce(Stretch<'_, F>) -> [f64; SUMS],
) -> [f64; SUMS] {
    if matches!(outer.before, Some(Before::Nothing)) {
        return measure(stretch);
    }
    let (mut gradients, mut kept) = ([F::zero(); BLOCK], [F::zero(); BLOCK]);
    let Stretch { w, g, slots, codes, average } = stretch;
    let n = w.len();
    let around = outer.around;
    simd.run(Prepare { around, w, g, gradients: &mut gradients, kept: &mut kept });
    let (w, g) = (&mut kept[..n], &gradients[..n]);
    measure(Stretch { w, g, slots, codes, average })
}

/// Gradients and parameters as the rule gets them.
struct Prepare<'a, F> {
    around: Around<F>,
    w: &'a [F],
    g: &'a [F],
    gradients: &'a mut [F],
    kept: &'a mut [F],
}

impl<F: Scalar> Work for Prepare<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { around, w, g, gradients, kept } = self;
        let n = w.len();
        let (g, gradients, kept) = (&g[..n], &mut gradients[..n], &mut kept[..n]);
        for i in 0..n {
            gradients[i] = around.gradient(w[i], g[i]);
            kept[i] = around.kept(w[i]);
        }
    }
}

/// What happens to parameters whose gradient is 0, where the rule leaves them as they are.
struct Idle<'a, F> {
    around: Around<F>,
    w: &'a mut [F],
}

impl<F: Scalar> Work for Idle<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for w in self.w {
            *w = self.around.finish(self.around.kept(*w));
        }
    }
}

/// What becomes of the parameters that the rule returns.
struct Finish<'a, F> {
    around: Around<F>,
    w: &'a mut [F],
}

impl<F: Scalar> Work for Finish<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for w in self.w {
            *w = self.around.finish(*w);
        }
    }
}

/// Takes back updates that do not agree with their gradient, and scales the others.
struct Caution<'a, F> {
    decay: F,
    factor: F,
    /// The parameters that the rule returned.
    w: &'a mut [F],
    /// Those that it got.
    kept: &'a [F],
    gradients: &'a [F],
}

impl<F: Scalar> Work for Caution<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { decay, factor, w, kept, gradients } = self;
        let n = w.len();
        let (kept, gradients) = (&kept[..n], &gradients[..n]);
        for i in 0..n {
            let rest = kept[i] - decay * kept[i].flushed();
            let delta = w[i] - rest;
            let moved = if agree(delta, gradients[i]) { rest + factor * delta } else { rest };
            // NaN agrees with nothing, and must not be hidden by that.
            w[i] = if delta.is_nan() { delta } else { moved };
        }
    }
}

/// How many updates agree with their gradient.
struct Agreeing<'a, F> {
    decay: F,
    moved: &'a [F],
    kept: &'a [F],
    gradients: &'a [F],
}

impl<F: Scalar> Work for Agreeing<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let Self { decay, moved, kept, gradients } = self;
        let n = moved.len();
        let (kept, gradients) = (&kept[..n], &gradients[..n]);
        // Of the elements' own type: the count of a tile is exact in it.
        let mut count = F::zero();
        for i in 0..n {
            let rest = kept[i] - decay * kept[i].flushed();
            let agrees = agree(moved[i] - rest, gradients[i]);
            count = count + if agrees { F::one() } else { F::zero() };
        }
        count.into_f64()
    }
}

/// Whether an update descends along its gradient.
#[inline(always)]
fn agree<F: Scalar>(delta: F, g: F) -> bool {
    let zero = F::zero();
    ((delta < zero) & (g > zero)) | ((delta > zero) & (g < zero))
}

/// Lets averages take another term.
pub(super) struct Blend<'a, F> {
    pub(super) rate: F,
    pub(super) w: &'a [F],
    pub(super) average: &'a mut [F],
}

impl<F: Scalar> Work for Blend<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rate, w, average } = self;
        let average = &mut average[..w.len()];
        for i in 0..w.len() {
            average[i] = averaged(average[i], w[i], rate);
        }
    }
}
