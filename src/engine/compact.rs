//! State in fewer bits: decoded before the loop of the rule and encoded after it, a tile at a time.

use super::program::{About, Stretch};
use crate::bfloat16;
use crate::rule::{MOST, Slices, SlotKind};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// Elements of a tile: its numbers stay in the nearest cache, between the loops over it.
const TILE: usize = 512;
/// Elements of a tile where there are not more.
const SHORT: usize = 32;

/// In how many bits an optimizer keeps its state.
///
/// A large model's step takes the time that its bytes take through the memory: Adam's in `f32` moves 28 a
/// parameter, 8 of them to read and 8 to write its state. In 16 bits the state takes half the room, and the step
/// moves 20. The arithmetic stays that of the parameters.
///
/// A number x becomes the next one below or above that 16 bits have, the upper one with the probability
/// (x - below)/(above - below), so that the mean of the codes is x: to the nearest, an average of β = 0.999
/// would move by less than half a last digit, and stand still for ever. The chance is a hash of the step and of the bits of the
/// parameter, the same whatever the instruction set, the threads, the layout, the split into leaves and the
/// ranks. A number that is not 0 never becomes 0; NaN and ∞ are kept.
///
/// What a [`SlotKind`] says to be exact, and slots of rules that tell no kind, stay full.
///
/// Sources: Zamirai, Zhang, Aberger & De Sa, "Revisiting BFloat16 training", 2020, on stochastic rounding;
/// Dettmers, Lewis, Shleifer & Zettlemoyer, "8-bit optimizers via block-wise quantization", 2022, on optimizers'
/// state.
///
/// ```
/// use ndarray::Array1;
/// use thalweg::{Adam, Optimizer, Precision};
///
/// let (mut w, g) = (Array1::<f32>::zeros(1000), Array1::from_elem(1000, 0.1));
/// let mut adam = Adam::new(1e-3).state_precision(Precision::BFloat16);
/// adam.step(&mut w, &g)?;
/// let m = adam.slot("", "m").unwrap();
/// assert!(m.iter().all(|m: &f32| (m - 0.01).abs() < 0.01 / 128.0));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// That of the parameters.
    #[default]
    Full,
    /// 16 bits: the range of an `f32`, and 8 binary digits.
    BFloat16,
}

impl Precision {
    /// Which of a rule's slots are kept in fewer bits.
    pub(super) fn compacts(self, about: &About) -> [bool; MOST] {
        let compacts = |i| match (self, about.kinds.get(i).filter(|_| i < about.count)) {
            (Precision::Full, _) | (_, None | Some(SlotKind::Exact)) => false,
            (Precision::BFloat16, Some(_)) => true,
        };
        std::array::from_fn(compacts)
    }
}

/// How the slots of a cohort are rounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounding {
    pub(super) key: u32,
}

impl Rounding {
    /// That of a step; `None` where all slots are full.
    pub(super) fn of(compact: [bool; MOST], step: u64) -> Option<Self> {
        compact.contains(&true).then(|| Self { key: bfloat16::key(step) })
    }
}

/// The codes of a stretch of elements, a slice each; those of slots that are full are empty.
pub(crate) type Codes<'a> = Slices<'a, u16>;

/// Room for the numbers of a tile.
pub(super) type Decoded<F, const N: usize> = [[F; N]; MOST];

pub(super) fn room<F: Scalar, const N: usize>() -> Decoded<F, N> {
    [[F::zero(); N]; MOST]
}

/// Slots as the rule gets them: codes are decoded.
pub(super) fn decoded<'a, F: Scalar, const N: usize>(
    simd: Simd,
    slots: Slices<'a, F>,
    codes: &Codes<'_>,
    room: &'a mut Decoded<F, N>,
) -> Slices<'a, F> {
    let ([a, b, c, d], [x, y, z, u]) = (slots, room);
    let each = |slot: &'a mut [F], codes: &[u16], room: &'a mut [F; N]| -> &'a mut [F] {
        if codes.is_empty() {
            return slot;
        }
        let room = &mut room[..codes.len()];
        simd.run(Decode { codes, to: &mut *room });
        room
    };
    [each(a, codes[0], x), each(b, codes[1], y), each(c, codes[2], z), each(d, codes[3], u)]
}

/// Calls `update` with tiles of a stretch whose slots are decoded, and keeps what it makes of them in codes.
pub(super) fn update<F: Scalar>(
    Rounding { key }: Rounding,
    simd: Simd,
    stretch: Stretch<'_, F>,
    update: impl FnMut(Stretch<'_, F>),
) {
    // Room is cleared each time: a row of a strided leaf should not pay for more than it needs.
    match stretch.w.len() {
        ..=SHORT => by_tiles::<F, SHORT>(key, simd, stretch, update),
        _ => by_tiles::<F, TILE>(key, simd, stretch, update),
    }
}

fn by_tiles<F: Scalar, const N: usize>(
    key: u32,
    simd: Simd,
    mut stretch: Stretch<'_, F>,
    mut update: impl FnMut(Stretch<'_, F>),
) {
    let mut room = room::<F, N>();
    while !stretch.w.is_empty() {
        let n = N.min(stretch.w.len());
        let (Stretch { w, g, slots, codes, average }, rest) = stretch.split_at(n);
        let slots = decoded(simd, slots, &codes, &mut room);
        update(Stretch { w: &mut *w, g, slots, codes: Codes::default(), average });
        for (place, (codes, from)) in codes.into_iter().zip(&room).enumerate() {
            if !codes.is_empty() {
                simd.run(Encode { key, place, w: &*w, from, codes });
            }
        }
        stretch = rest;
    }
}

struct Decode<'a, F> {
    codes: &'a [u16],
    to: &'a mut [F],
}

impl<F: Scalar> Work for Decode<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, to } = self;
        for (to, &code) in to.iter_mut().zip(codes) {
            *to = F::of_bfloat16(code);
        }
    }
}

struct Encode<'a, F> {
    key: u32,
    /// Of the slot.
    place: usize,
    w: &'a [F],
    from: &'a [F],
    codes: &'a mut [u16],
}

impl<F: Scalar> Work for Encode<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { key, place, w, from, codes } = self;
        let n = codes.len();
        let (w, from) = (&w[..n], &from[..n]);
        for i in 0..n {
            codes[i] = from[i].to_bfloat16(bfloat16::dithers(key, w[i].folded())[place % MOST]);
        }
    }
}
