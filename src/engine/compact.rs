//! State in fewer bits: decoded before the loop of the rule and encoded after it, a tile at a time.

use super::codes::{Codes, Coding};
use super::program::{About, Stretch};
use crate::hash;
use crate::int8;
use crate::rule::{MOST, Slices, SlotKind};
use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// Elements of a tile: its numbers stay in the nearest cache between the loops over it, and the next ones are
/// fetched from memory meanwhile, which are few.
const TILE: usize = 384;
/// Elements of a tile where there are not more.
const SHORT: usize = 32;

/// In how many bits an optimizer keeps its state.
///
/// With 16 bits the state takes half the room, with 8 bits a bit more than a quarter. A step on a model that is larger
/// than the processor's cache may also take less time with 16 bits: Adam's in `f32` moves 20 bytes a parameter in place
/// of 28. With 8 bits a step takes longer; [the guide](crate::guide::memory) has the times. The arithmetic stays that
/// of the parameters.
///
/// A number x becomes the next one below or above that there is a code for, the upper one with the probability
/// (x - below)/(above - below), so that the mean of the codes is x: to the nearest, an average of β = 0.999
/// would move by less than half a last digit, and stand still for ever. The chance is a hash of the step and of
/// the bits of the parameter, the same whatever the instruction set, the threads, the layout, the split into
/// leaves and the ranks. A second moment that is not 0 never becomes 0.
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
    /// 16 bits: the range of an `f32`, and 8 binary digits. Only 0 becomes 0; NaN and ∞ are kept.
    BFloat16,
    /// 8 bits, and an `f32` for each 32 numbers that follow each other: their scale s, the largest |x|.
    ///
    /// A mean of both signs is s·(y - c)/(1 - c) with c = 17/4096, what is not negative is s·y, and y has four
    /// binary digits after its first. So neighbours are 3 to 6 % apart down to s/256, and below that s/4096; what
    /// is not negative is 0 or not below s/57,000, a root of which, √v, is s/240. What is not finite is NaN.
    ///
    /// Blocks follow the index of a leaf, the last axis first, so that the bits do not depend on the layout. But
    /// a step on parameters in another order takes longer, a split of leaves must not cut a block, and a
    /// [gradient of rows](crate::params::Rows) takes rows of whole blocks.
    Int8,
}

impl Precision {
    /// How the slots of a rule are kept.
    pub(super) fn coding(self, about: &About) -> [Coding; MOST] {
        std::array::from_fn(|i| match (self, about.kinds.get(i).filter(|_| i < about.count)) {
            (Precision::Full, _) | (_, None | Some(SlotKind::Exact)) => Coding::Full,
            (Precision::BFloat16, Some(_)) => Coding::BFloat16,
            (Precision::Int8, Some(SlotKind::SignedMean)) => Coding::Signed8,
            (Precision::Int8, Some(SlotKind::NonNegativeMean | SlotKind::Sum)) => {
                Coding::NonNegative8
            }
        })
    }
}

/// What the rounding of a step goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounding {
    pub(super) key: u32,
}

impl Rounding {
    /// That of a step; `None` where all slots are full.
    pub(super) fn of(coding: [Coding; MOST], step: u64) -> Option<Self> {
        let is_full = coding.iter().all(|coding| coding.is_full());
        (!is_full).then(|| Self { key: hash::key(step) })
    }
}

/// Room for the numbers of a tile.
pub(super) type Decoded<F, const N: usize> = [[F; N]; MOST];

pub(super) fn room<F: Scalar, const N: usize>() -> Decoded<F, N> {
    [[F::zero(); N]; MOST]
}

/// The slots of `len` elements as the rule gets them: codes are decoded.
pub(super) fn decoded<'a, F: Scalar, const N: usize>(
    len: usize,
    simd: Simd,
    slots: Slices<'a, F>,
    codes: &Codes<'_>,
    room: &'a mut Decoded<F, N>,
) -> Slices<'a, F> {
    let ([a, b, c, d], [x, y, z, u]) = (slots, room);
    let each = |slot: &'a mut [F], i: usize, room: &'a mut [F; N]| -> &'a mut [F] {
        let (coding, codes) = (codes.coding[i], &*codes.slices[i]);
        if codes.is_empty() {
            return slot;
        }
        let room = &mut room[..len];
        simd.run(Decode { coding, codes, to: &mut *room });
        room
    };
    [each(a, 0, x), each(b, 1, y), each(c, 2, z), each(d, 3, u)]
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
    let (mut room, mut hashes) = (room::<F, N>(), [0; N]);
    while !stretch.w.is_empty() {
        let n = N.min(stretch.w.len());
        let (Stretch { w, g, slots, codes, average }, rest) = stretch.split_at(n);
        let slots = decoded(n, simd, slots, &codes, &mut room);
        update(Stretch { w: &mut *w, g, slots, codes: Codes::default(), average });
        let Codes { slices, coding } = codes;
        encode(key, simd, w, &room, &mut hashes[..n], slices, coding);
        stretch = rest;
    }
}

/// Encodes what a rule has made of the slots of elements, whose parameters are already new.
fn encode<F: Scalar, const N: usize>(
    key: u32,
    simd: Simd,
    w: &[F],
    room: &Decoded<F, N>,
    hashes: &mut [u32],
    codes: Slices<'_, u16>,
    coding: [Coding; MOST],
) {
    let n = w.len();
    if coding == [Coding::BFloat16, Coding::BFloat16, Coding::Full, Coding::Full] {
        let ([x, y, ..], [a, b, ..]) = (codes, room);
        return simd.run(EncodeTwo { key, w, from: [&a[..n], &b[..n]], codes: [x, y] });
    }
    simd.run(Hash { key, w, hashes: &mut *hashes });
    for (place, (codes, from)) in codes.into_iter().zip(room).enumerate() {
        if place == 2 && coding[2..].iter().any(|coding| !coding.is_full()) {
            simd.run(HashAgain { hashes: &mut *hashes });
        }
        if !codes.is_empty() {
            let shift = if place % 2 == 0 { 0 } else { 16 };
            let (coding, hashes, from) = (coding[place], &*hashes, &from[..n]);
            simd.run(Encode { coding, hashes, shift, from, codes });
        }
    }
}

struct Decode<'a, F> {
    coding: Coding,
    codes: &'a [u16],
    to: &'a mut [F],
}

impl<F: Scalar> Work for Decode<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.coding.decode(self.codes, self.to);
    }
}

/// The dithers of the first two slots.
struct Hash<'a, F> {
    key: u32,
    w: &'a [F],
    hashes: &'a mut [u32],
}

impl<F: Scalar> Work for Hash<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (hash, w) in self.hashes.iter_mut().zip(self.w) {
            *hash = hash::first(self.key, w.folded());
        }
    }
}

/// Those of the next two.
struct HashAgain<'a> {
    hashes: &'a mut [u32],
}

impl Work for HashAgain<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for hash in self.hashes {
            *hash = hash::next(*hash);
        }
    }
}

struct Encode<'a, F> {
    coding: Coding,
    hashes: &'a [u32],
    /// Where in a hash the dither of the slot is.
    shift: u32,
    from: &'a [F],
    codes: &'a mut [u16],
}

impl<F: Scalar> Work for Encode<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { coding, hashes, shift, from, codes } = self;
        let hashes = &hashes[..from.len()];
        match coding {
            Coding::Full => {}
            Coding::BFloat16 => {
                let codes = &mut codes[..from.len()];
                for i in 0..from.len() {
                    codes[i] = from[i].to_bfloat16(hashes[i] >> shift);
                }
            }
            Coding::Signed8 => int8::encode::<F, true>(from, hashes, shift, codes),
            Coding::NonNegative8 => int8::encode::<F, false>(from, hashes, shift, codes),
        }
    }
}

/// The codes of two slots of 16 bits, which most rules have.
struct EncodeTwo<'a, F> {
    key: u32,
    w: &'a [F],
    from: [&'a [F]; 2],
    codes: [&'a mut [u16]; 2],
}

impl<F: Scalar> Work for EncodeTwo<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { key, w, from: [a, b], codes: [x, y] } = self;
        let n = w.len();
        let (a, b, x, y) = (&a[..n], &b[..n], &mut x[..n], &mut y[..n]);
        for i in 0..n {
            let hash = hash::first(key, w[i].folded());
            x[i] = a[i].to_bfloat16(hash);
            y[i] = b[i].to_bfloat16(hash >> 16);
        }
    }
}
