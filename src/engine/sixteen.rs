//! Leaves whose numbers have 16 bits: what they are decoded from, and rounded to.

use std::marker::PhantomData;

use ndarray::{ArrayView2, ArrayViewMut2};

use super::view::{Source, Target};
use crate::bfloat16::NEAREST;
use crate::hash;
use crate::params::{Leaf, LeafMut, Order};
use crate::reduce::{self, BLOCK, How, Sum, Term};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};
use crate::sixteen::{Format, Sixteen, bf16, decode, f16};
use crate::threads::join;

/// How a parameter of 16 bits (`half::bf16`, `half::f16`) takes the result of a step, which is an `f32`.
///
/// A step of α near 1e-3 of a parameter is less than half the last digit of a `bf16`, 2⁻⁹ of it: rounded to the
/// nearest number, the parameter would stand still. Parameters of `f32` and `f64` are as they are.
///
/// Sources: Zamirai, Zhang, Aberger & De Sa, "Revisiting BFloat16 training", 2020, on both ways.
#[cfg_attr(
    feature = "half",
    doc = "
```
use half::bf16;
use ndarray::Array1;
use thalweg::{Adam, Optimizer, Rounding};

let (mut w, g) = (Array1::from_elem(10_000, bf16::ONE), Array1::from_elem(10_000, bf16::ONE));
let mut adam = Adam::<f32>::new(1e-4).parameter_rounding(Rounding::Compensated);
for _ in 0..100 {
    adam.step(&mut w, &g)?;
}
assert!(w.iter().all(|w| (w.to_f32() - 0.99).abs() < 0.002));
# Ok::<(), thalweg::Error>(())
```
"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Rounding {
    /// To one of the two neighbours, the upper with the probability (x - below)/(above - below), so that the mean
    /// is x. The chance is a hash of the step and of the bits of x, the same whatever the instruction set, the
    /// threads, the layout and the split into leaves. It keeps nothing beside the parameter.
    #[default]
    Stochastic,
    /// To the nearest number, and what is left is kept beside it, in 16 bits an element of the optimizer's state:
    /// the next step goes on from both. So a `bf16`, and an `f16` in its normal range, steps as an `f32` would, to
    /// the last bit, and what one reads is the nearest number to that.
    Compensated,
    /// To the nearest number, and what is left is lost. Small updates are lost with it.
    Nearest,
}

/// What the rounding of parameters goes by in a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding {
    pub(super) rounding: Rounding,
    pub(super) key: u32,
}

impl Encoding {
    pub(super) fn of(rounding: Rounding, step: u64) -> Self {
        Self { rounding, key: hash::key(step) }
    }

    /// Makes numbers those of the format that they are to be, and keeps what is left.
    pub(super) fn round<E: Format, F: Scalar>(
        self,
        simd: Simd,
        numbers: &mut [F],
        remainders: &mut [u16],
    ) {
        let Some(numbers) = F::as_f32_mut(numbers) else { return };
        match self.rounding {
            Rounding::Compensated if remainders.len() == numbers.len() => {
                simd.run(Compensate::<E> { numbers, remainders, of: PhantomData });
            }
            Rounding::Stochastic => {
                simd.run(Dither::<E> { key: self.key, numbers, of: PhantomData })
            }
            _ => simd.run(Round::<E> { numbers, of: PhantomData }),
        }
    }
}

struct Dither<'a, E> {
    key: u32,
    numbers: &'a mut [f32],
    of: PhantomData<E>,
}

impl<E: Format> Work for Dither<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.numbers {
            let dither = hash::of_parameter(hash::first(self.key, x.to_bits()));
            *x = E::encoded(*x, dither).decoded();
        }
    }
}

struct Round<'a, E> {
    numbers: &'a mut [f32],
    of: PhantomData<E>,
}

impl<E: Format> Work for Round<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.numbers {
            *x = E::nearest(*x).decoded();
        }
    }
}

struct Compensate<'a, E> {
    numbers: &'a mut [f32],
    remainders: &'a mut [u16],
    of: PhantomData<E>,
}

impl<E: Format> Work for Compensate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { numbers, remainders, .. } = self;
        let n = numbers.len();
        let remainders = &mut remainders[..n];
        for i in 0..n {
            // Halves go away from 0: what is left to both sides then fits 16 bits.
            let near = E::encoded(numbers[i], NEAREST).decoded();
            remainders[i] = E::remainder(numbers[i], near) as u16;
            numbers[i] = near;
        }
    }
}

/// What a leaf may be made of: numbers of the tree's own, or of 16 bits.
pub(super) trait Stored<F: Scalar>: Copy + Send + Sync + 'static {
    fn number(self) -> F;

    /// Of a number that is one of these.
    fn of(number: F) -> Self;

    /// The numbers themselves, where they are the tree's own.
    fn lend(slice: &[Self]) -> Option<&[F]>;

    fn lend_mut(slice: &mut [Self]) -> Option<&mut [F]>;

    /// Numbers that are to be of these, of which what is left is kept.
    fn round(encoding: Encoding, simd: Simd, numbers: &mut [F], remainders: &mut [u16]);

    /// Adds what was left.
    fn restore(simd: Simd, numbers: &mut [F], remainders: &[u16]);

    fn decode(simd: Simd, from: &[Self], to: &mut [F]);

    /// Of numbers that are some of these.
    fn encode(simd: Simd, from: &mut [F], to: &mut [Self]);

    /// As [`decode`](Self::decode), row by row.
    fn decode_view(simd: Simd, from: ArrayView2<'_, Self>, to: &mut [F]) {
        let width = from.ncols().max(1);
        for (from, to) in from.rows().into_iter().zip(to.chunks_exact_mut(width)) {
            match from.to_slice() {
                Some(from) => Self::decode(simd, from, to),
                None => to.iter_mut().zip(from).for_each(|(to, from)| *to = from.number()),
            }
        }
    }

    /// As [`encode`](Self::encode), row by row.
    fn encode_view(simd: Simd, from: &mut [F], mut to: ArrayViewMut2<'_, Self>) {
        let width = to.ncols().max(1);
        for (from, mut to) in from.chunks_exact_mut(width).zip(to.rows_mut()) {
            match to.as_slice_mut() {
                Some(to) => Self::encode(simd, from, to),
                None => to.iter_mut().zip(from).for_each(|(to, from)| *to = Self::of(*from)),
            }
        }
    }
}

impl<F: Scalar> Stored<F> for F {
    #[inline]
    fn number(self) -> F {
        self
    }

    #[inline]
    fn of(number: F) -> Self {
        number
    }

    #[inline]
    fn lend(slice: &[Self]) -> Option<&[F]> {
        Some(slice)
    }

    #[inline]
    fn lend_mut(slice: &mut [Self]) -> Option<&mut [F]> {
        Some(slice)
    }

    fn round(_: Encoding, _: Simd, _: &mut [F], _: &mut [u16]) {}

    fn restore(_: Simd, _: &mut [F], _: &[u16]) {}

    fn decode(_: Simd, from: &[Self], to: &mut [F]) {
        to.copy_from_slice(from);
    }

    fn encode(_: Simd, from: &mut [F], to: &mut [Self]) {
        to.copy_from_slice(from);
    }

    fn decode_view(_: Simd, from: ArrayView2<'_, Self>, to: &mut [F]) {
        if let Ok(mut to) = ArrayViewMut2::from_shape(from.raw_dim(), to) {
            to.assign(&from);
        }
    }

    fn encode_view(_: Simd, from: &mut [F], mut to: ArrayViewMut2<'_, Self>) {
        if let Ok(from) = ArrayView2::from_shape(to.raw_dim(), from) {
            to.assign(&from);
        }
    }
}

macro_rules! stored {
    ($($format:ident),*) => {$(
        impl<F: Scalar> Stored<F> for $format {
            #[inline]
            fn number(self) -> F {
                F::from_f64(f64::from(self.decoded()))
            }

            #[inline]
            fn of(number: F) -> Self {
                Self::encoded(number.into_f64() as f32, 0)
            }

            #[inline]
            fn lend(_: &[Self]) -> Option<&[F]> {
                None
            }

            #[inline]
            fn lend_mut(_: &mut [Self]) -> Option<&mut [F]> {
                None
            }

            fn round(encoding: Encoding, simd: Simd, numbers: &mut [F], remainders: &mut [u16]) {
                encoding.round::<Self, F>(simd, numbers, remainders);
            }

            fn restore(simd: Simd, numbers: &mut [F], remainders: &[u16]) {
                if let Some(numbers) = F::as_f32_mut(numbers) {
                    simd.run(Restore::<Self> { numbers, remainders, of: PhantomData });
                }
            }

            fn decode(simd: Simd, codes: &[Self], to: &mut [F]) {
                if let Some(to) = F::as_f32_mut(to) {
                    simd.run(Decode { codes, to });
                }
            }

            fn encode(simd: Simd, from: &mut [F], codes: &mut [Self]) {
                if let Some(from) = F::as_f32_mut(from) {
                    simd.run(Encode { from, codes });
                }
            }
        }
    )*};
}

stored!(bf16, f16);

/// Numbers that what was left of them is added to.
struct Restore<'a, E> {
    numbers: &'a mut [f32],
    remainders: &'a [u16],
    of: PhantomData<E>,
}

impl<E: Format> Work for Restore<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { numbers, remainders, .. } = self;
        let n = numbers.len();
        let remainders = &remainders[..n];
        for i in 0..n {
            numbers[i] = E::restored(numbers[i], remainders[i] as i16);
        }
    }
}

struct Decode<'a, E> {
    codes: &'a [E],
    to: &'a mut [f32],
}

impl<E: Format> Work for Decode<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        decode(self.codes, self.to);
    }
}

struct Encode<'a, E> {
    from: &'a [f32],
    codes: &'a mut [E],
}

impl<E: Format> Work for Encode<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { from, codes } = self;
        let n = from.len();
        let codes = &mut codes[..n];
        for i in 0..n {
            codes[i] = E::encoded(from[i], 0);
        }
    }
}

/// A parameter of a strided leaf.
pub(super) enum Held<'a, F> {
    Own(Target<'a, F>),
    Half(Sixteen<Target<'a, bf16>, Target<'a, f16>>),
}

/// A gradient of one.
pub(super) enum Given<'a, F> {
    Own(Source<'a, F>),
    Half(Sixteen<Source<'a, bf16>, Source<'a, f16>>),
}

/// The same of either kind.
macro_rules! either {
    ($type:ident, $self:expr, $of:ident => $does:expr, $wrap:ident) => {
        match $self {
            $type::Own($of) => $wrap::Own($does),
            $type::Half(Sixteen::BFloat16($of)) => $wrap::Half(Sixteen::BFloat16($does)),
            $type::Half(Sixteen::Float16($of)) => $wrap::Half(Sixteen::Float16($does)),
        }
    };
    ($type:ident, $self:expr, $of:ident => $does:expr) => {
        match $self {
            $type::Own($of) => $does,
            $type::Half(Sixteen::BFloat16($of)) => $does,
            $type::Half(Sixteen::Float16($of)) => $does,
        }
    };
}

macro_rules! halves {
    ($type:ident, $self:expr, $of:ident => $does:expr) => {
        match $self {
            $type::Own($of) => $does.map($type::Own),
            $type::Half(Sixteen::BFloat16($of)) => {
                $does.map(|part| $type::Half(Sixteen::BFloat16(part)))
            }
            $type::Half(Sixteen::Float16($of)) => {
                $does.map(|part| $type::Half(Sixteen::Float16(part)))
            }
        }
    };
}

/// The elements of a packed leaf as an array of that shape, or the slice of them.
macro_rules! packed {
    ($slice:expr, $shape:expr, $kind:ident) => {
        match $shape {
            Some(shape) => $kind::grid(shape, $slice),
            None => $kind::Slice($slice),
        }
    };
}

impl<'a, F: Scalar> Held<'a, F> {
    /// A parameter that lies in its order without gaps, as an array of that shape, or as a slice.
    pub(super) fn packed(w: &'a mut dyn LeafMut<F>, shape: Option<&[usize]>) -> Self {
        if w.as_slice().is_some() {
            return Held::Own(packed!(w.as_slice_mut().unwrap_or_default(), shape, Target));
        }
        match w.sixteen_slice_mut() {
            Some(Sixteen::BFloat16(w)) => Held::Half(Sixteen::BFloat16(packed!(w, shape, Target))),
            Some(Sixteen::Float16(w)) => Held::Half(Sixteen::Float16(packed!(w, shape, Target))),
            None => Held::Own(Target::Slice(&mut [])),
        }
    }

    /// A view of a parameter.
    pub(super) fn of(w: &'a mut dyn LeafMut<F>, order: &Order) -> Self {
        if !w.is_sixteen() {
            return Held::Own(Target::of(w, order));
        }
        match w.sixteen_view_mut() {
            Some(Sixteen::BFloat16(w)) => {
                Held::Half(Sixteen::BFloat16(Target::View(order.arrange_mut(w))))
            }
            Some(Sixteen::Float16(w)) => {
                Held::Half(Sixteen::Float16(Target::View(order.arrange_mut(w))))
            }
            None => Held::Own(Target::Slice(&mut [])),
        }
    }

    /// Changes the numbers of a parameter of 16 bits, which `change` gets in their order.
    pub(super) fn rewrite(
        self,
        encoding: Encoding,
        remainders: &mut [u16],
        change: impl FnOnce(&mut [F]),
    ) {
        fn of<E: Stored<F>, F: Scalar>(
            mut w: Target<'_, E>,
            encoding: Encoding,
            remainders: &mut [u16],
            change: impl FnOnce(&mut [F]),
        ) {
            let simd = Simd::default();
            let mut numbers: Vec<F> = w.read().visit(|w| w.map(|w| w.number()).collect());
            if remainders.len() == numbers.len() {
                E::restore(simd, &mut numbers, remainders);
            }
            change(&mut numbers);
            E::round(encoding, simd, &mut numbers, remainders);
            w.reborrow().visit(|w| w.zip(numbers).for_each(|(w, number)| *w = E::of(number)));
        }
        either!(Held, self, w => of(w, encoding, remainders, change));
    }

    pub(super) fn reborrow(&mut self) -> Held<'_, F> {
        either!(Held, self, w => w.reborrow(), Held)
    }

    /// The same to read.
    pub(super) fn read(&self) -> Given<'_, F> {
        either!(Held, self, w => w.read(), Given)
    }

    pub(super) fn split_at(self, at: usize, index: usize) -> [Self; 2] {
        halves!(Held, self, w => w.split_at(at, index))
    }
}

impl<'a, F: Scalar> Given<'a, F> {
    /// As [`Held::packed`].
    pub(super) fn packed(g: &'a dyn Leaf<F>, shape: Option<&[usize]>) -> Self {
        if let Some(g) = g.as_slice() {
            return Given::Own(packed!(g, shape, Source));
        }
        match g.sixteen_slice() {
            Some(Sixteen::BFloat16(g)) => Given::Half(Sixteen::BFloat16(packed!(g, shape, Source))),
            Some(Sixteen::Float16(g)) => Given::Half(Sixteen::Float16(packed!(g, shape, Source))),
            None => Given::Own(Source::Slice(&[])),
        }
    }

    /// A view of a gradient.
    pub(super) fn of(g: &'a dyn Leaf<F>, order: &Order) -> Self {
        match g.sixteen_view() {
            Some(Sixteen::BFloat16(g)) => {
                Given::Half(Sixteen::BFloat16(Source::View(order.arrange(g))))
            }
            Some(Sixteen::Float16(g)) => {
                Given::Half(Sixteen::Float16(Source::View(order.arrange(g))))
            }
            None => Given::Own(Source::of(g, order)),
        }
    }

    pub(super) fn reborrow(&self) -> Given<'_, F> {
        either!(Given, self, g => g.reborrow(), Given)
    }

    pub(super) fn split_at(self, at: usize, index: usize) -> [Self; 2] {
        halves!(Given, self, g => g.split_at(at, index))
    }

    /// What has one index of an axis.
    pub(super) fn at(&self, axis: usize, index: usize) -> Given<'_, F> {
        either!(Given, self, g => g.at(axis, index), Given)
    }

    /// The largest |x|, as [`Scalar::size`] tells it.
    pub(super) fn largest(&self, how: How) -> F::Size {
        match self {
            Given::Own(g) => g.largest(how),
            Given::Half(Sixteen::BFloat16(g)) => largest::<_, F>(g, how),
            Given::Half(Sixteen::Float16(g)) => largest::<_, F>(g, how),
        }
    }

    pub(super) fn sum<T: Term>(&self, term: T, how: How) -> Sum {
        match self {
            Given::Own(g) => g.sum(term, how),
            Given::Half(Sixteen::BFloat16(g)) => sum::<_, F, T>(g, term, how),
            Given::Half(Sixteen::Float16(g)) => sum::<_, F, T>(g, term, how),
        }
    }

    /// Calls `with` with the numbers, in their order.
    pub(super) fn visit<R>(&self, with: impl FnOnce(&mut dyn Iterator<Item = F>) -> R) -> R {
        match self {
            Given::Own(g) => g.visit(|g| with(&mut g.copied())),
            Given::Half(Sixteen::BFloat16(g)) => g.visit(|g| with(&mut g.map(|x| x.number()))),
            Given::Half(Sixteen::Float16(g)) => g.visit(|g| with(&mut g.map(|x| x.number()))),
        }
    }
}

macro_rules! shared {
    ($type:ident) => {
        impl<F> $type<'_, F> {
            /// The shape of a view.
            pub(super) fn shape(&self) -> Option<&[usize]> {
                either!($type, self, x => x.shape())
            }

            pub(super) fn joins(&self, axis: usize) -> bool {
                either!($type, self, x => x.joins(axis))
            }

            pub(super) fn join_axis(self, axis: usize) -> Self {
                either!($type, self, x => x.join_axis(axis), $type)
            }

            pub(super) fn drop_axis(self, axis: usize) -> Self {
                either!($type, self, x => x.drop_axis(axis), $type)
            }
        }
    };
}

shared!(Held);
shared!(Given);

/// The elements of a view as a slice, where they are one.
fn slice_of<'s, E>(source: &'s Source<'_, E>) -> Option<&'s [E]> {
    match source {
        Source::Slice(slice) => Some(slice),
        Source::View(view) => view.as_slice(),
        Source::Five(view) => view.as_slice(),
        Source::Six(view) => view.as_slice(),
    }
}

/// Calls `each` with the numbers of a view, a block at a time.
fn blocks<E: Stored<F>, F: Scalar>(source: &Source<'_, E>, each: &mut dyn FnMut(&[F])) {
    let (mut room, mut filled) = ([F::zero(); BLOCK], 0);
    source.visit(|elements| {
        for x in elements {
            room[filled] = x.number();
            filled += 1;
            if filled == BLOCK {
                each(&room);
                filled = 0;
            }
        }
    });
    each(&room[..filled]);
}

fn largest<E: Stored<F>, F: Scalar>(source: &Source<'_, E>, how: How) -> F::Size {
    if let Some(slice) = slice_of(source) {
        return largest_slice::<E, F>(slice, how);
    }
    let mut largest = F::Size::default();
    blocks::<E, F>(source, &mut |block| {
        largest = largest.max(reduce::largest_slice(block, how));
    });
    largest
}

fn largest_slice<E: Stored<F>, F: Scalar>(codes: &[E], how: How) -> F::Size {
    if codes.len() > how.parallel_above {
        let (left, right) = codes.split_at(codes.len() / 2);
        let (left, right) =
            join(true, || largest_slice::<E, F>(left, how), || largest_slice::<E, F>(right, how));
        return left.max(right);
    }
    let (mut room, mut largest) = ([F::zero(); BLOCK], F::Size::default());
    for block in codes.chunks(BLOCK).rev() {
        let room = &mut room[..block.len()];
        E::decode(how.simd, block, room);
        largest = largest.max(reduce::largest_slice(room, how));
    }
    largest
}

fn sum<E: Stored<F>, F: Scalar, T: Term>(source: &Source<'_, E>, term: T, how: How) -> Sum {
    if let Some(slice) = slice_of(source) {
        return sum_slice::<E, F, T>(slice, term, how);
    }
    let mut sum = Sum::default();
    blocks::<E, F>(source, &mut |block| sum = sum.add(reduce::sum_slice(block, term, how)));
    sum
}

/// Along the tree of [`reduce::sum_slice`].
fn sum_slice<E: Stored<F>, F: Scalar, T: Term>(codes: &[E], term: T, how: How) -> Sum {
    if codes.len() <= BLOCK {
        let mut room = [F::zero(); BLOCK];
        let room = &mut room[..codes.len()];
        E::decode(how.simd, codes, room);
        return reduce::sum_slice(room, term, how);
    }
    let (left, right) = codes.split_at(codes.len().div_ceil(BLOCK) / 2 * BLOCK);
    let (left, right) = join(
        codes.len() > how.parallel_above,
        || sum_slice::<E, F, T>(left, term, how),
        || sum_slice::<E, F, T>(right, term, how),
    );
    left.add(right)
}
