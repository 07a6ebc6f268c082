//! Parameters and gradients of strided leaves, of numbers of their tree's own or of 16 bits.

use super::{Encoding, Stored};
use crate::engine::view::{Source, Target};
use crate::params::{Leaf, LeafMut, Order};
use crate::reduce::{self, BLOCK, How, Sum, Term};
use crate::scalar::Scalar;
use crate::simd::Simd;
use crate::sixteen::{Sixteen, bf16, f16};
use crate::threads::join;

/// A parameter of a strided leaf.
pub(in crate::engine) enum Held<'a, F> {
    Own(Target<'a, F>),
    Half(Sixteen<Target<'a, bf16>, Target<'a, f16>>),
}

/// A gradient of one.
pub(in crate::engine) enum Given<'a, F> {
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

/// A view of either format, its axes in an order.
macro_rules! arranged {
    ($view:expr, $order:expr, $arrange:ident, $kind:ident, $rank:ident) => {
        match $view {
            Sixteen::BFloat16(view) => Sixteen::BFloat16($kind::$rank($order.$arrange(view))),
            Sixteen::Float16(view) => Sixteen::Float16($kind::$rank($order.$arrange(view))),
        }
    };
}

impl<'a, F: Scalar> Held<'a, F> {
    /// A parameter that lies in its order without gaps, as an array of that shape, or as a slice.
    pub(in crate::engine) fn packed(w: &'a mut dyn LeafMut<F>, shape: Option<&[usize]>) -> Self {
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
    pub(in crate::engine) fn of(w: &'a mut dyn LeafMut<F>, order: &Order) -> Self {
        if !w.is_sixteen() {
            return Held::Own(Target::of(w, order));
        }
        let half = match w.fixed_rank() {
            Some(5) => w.sixteen_five_mut().map(|w| arranged!(w, order, arrange_mut, Target, Five)),
            Some(6) => w.sixteen_six_mut().map(|w| arranged!(w, order, arrange_mut, Target, Six)),
            _ => w.sixteen_view_mut().map(|w| arranged!(w, order, arrange_mut, Target, View)),
        };
        half.map_or(Held::Own(Target::Slice(&mut [])), Held::Half)
    }

    /// Changes the numbers of a parameter of 16 bits, which `change` gets in their order.
    pub(in crate::engine) fn rewrite(
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

    pub(in crate::engine) fn reborrow(&mut self) -> Held<'_, F> {
        either!(Held, self, w => w.reborrow(), Held)
    }

    /// Whether it is a slice.
    pub(in crate::engine) fn is_slice(&self) -> bool {
        either!(Held, self, w => matches!(w, Target::Slice(_)))
    }

    /// The same to read.
    pub(in crate::engine) fn read(&self) -> Given<'_, F> {
        either!(Held, self, w => w.read(), Given)
    }

    pub(in crate::engine) fn split_at(self, at: usize, index: usize) -> [Self; 2] {
        halves!(Held, self, w => w.split_at(at, index))
    }
}

impl<'a, F: Scalar> Given<'a, F> {
    /// As [`Held::packed`].
    pub(in crate::engine) fn packed(g: &'a dyn Leaf<F>, shape: Option<&[usize]>) -> Self {
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
    pub(in crate::engine) fn of(g: &'a dyn Leaf<F>, order: &Order) -> Self {
        let half = match g.fixed_rank() {
            Some(5) => g.sixteen_five().map(|g| arranged!(g, order, arrange, Source, Five)),
            Some(6) => g.sixteen_six().map(|g| arranged!(g, order, arrange, Source, Six)),
            _ => g.sixteen_view().map(|g| arranged!(g, order, arrange, Source, View)),
        };
        half.map_or_else(|| Given::Own(Source::of(g, order)), Given::Half)
    }

    pub(in crate::engine) fn reborrow(&self) -> Given<'_, F> {
        either!(Given, self, g => g.reborrow(), Given)
    }

    pub(in crate::engine) fn split_at(self, at: usize, index: usize) -> [Self; 2] {
        halves!(Given, self, g => g.split_at(at, index))
    }

    /// What has one index of an axis.
    pub(in crate::engine) fn at(&self, axis: usize, index: usize) -> Given<'_, F> {
        either!(Given, self, g => g.at(axis, index), Given)
    }

    /// The largest |x|, as [`Scalar::size`] tells it.
    pub(in crate::engine) fn largest(&self, how: How) -> F::Size {
        match self {
            Given::Own(g) => g.largest(how),
            Given::Half(Sixteen::BFloat16(g)) => largest::<_, F>(g, how),
            Given::Half(Sixteen::Float16(g)) => largest::<_, F>(g, how),
        }
    }

    pub(in crate::engine) fn sum<T: Term>(&self, term: T, how: How) -> Sum {
        match self {
            Given::Own(g) => g.sum(term, how),
            Given::Half(Sixteen::BFloat16(g)) => sum::<_, F, T>(g, term, how),
            Given::Half(Sixteen::Float16(g)) => sum::<_, F, T>(g, term, how),
        }
    }

    /// Calls `with` with the numbers, in their order.
    pub(in crate::engine) fn visit<R>(
        &self,
        with: impl FnOnce(&mut dyn Iterator<Item = F>) -> R,
    ) -> R {
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
            pub(in crate::engine) fn shape(&self) -> Option<&[usize]> {
                either!($type, self, x => x.shape())
            }

            pub(in crate::engine) fn joins(&self, axis: usize) -> bool {
                either!($type, self, x => x.joins(axis))
            }

            pub(in crate::engine) fn join_axis(self, axis: usize) -> Self {
                either!($type, self, x => x.join_axis(axis), $type)
            }

            pub(in crate::engine) fn drop_axis(self, axis: usize) -> Self {
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
    // From the end: the cache then holds what is updated first.
    let parts = codes.chunks(1 << 15).rev().map(|part| E::largest(how.simd, part));
    parts.max().unwrap_or_default()
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
