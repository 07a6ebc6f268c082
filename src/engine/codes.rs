//! What state in fewer bits is kept as: codes, and where those of some elements lie.

use crate::bfloat16::NEAREST;
use crate::int8;
use crate::rule::{MOST, Slices};
use crate::scalar::Scalar;

/// How a slot is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Coding {
    #[default]
    Full,
    BFloat16,
    Signed8,
    NonNegative8,
}

impl Coding {
    pub(super) fn is_full(self) -> bool {
        self == Self::Full
    }

    /// Whether numbers share a scale.
    pub(super) fn is_blocked(self) -> bool {
        matches!(self, Self::Signed8 | Self::NonNegative8)
    }

    /// The words of the codes of so many elements, the last of which may be within a block.
    #[inline]
    pub(crate) fn words(self, len: usize) -> usize {
        if self.is_blocked() { int8::words(len) } else { len }
    }

    /// The codes of numbers, each rounded to the nearest.
    pub(super) fn encode<F: Scalar>(self, numbers: &[F], codes: &mut [u16]) {
        match self {
            Self::Full => {}
            Self::BFloat16 => {
                let pairs = codes.iter_mut().zip(numbers);
                pairs.for_each(|(code, x)| *code = x.to_bfloat16(NEAREST));
            }
            Self::Signed8 => int8::encode_nearest::<F, true>(numbers, codes),
            Self::NonNegative8 => int8::encode_nearest::<F, false>(numbers, codes),
        }
    }

    /// The numbers of codes.
    #[inline(always)]
    pub(super) fn decode<F: Scalar>(self, codes: &[u16], numbers: &mut [F]) {
        match self {
            Self::Full => {}
            Self::BFloat16 => {
                for (to, &code) in numbers.iter_mut().zip(codes) {
                    *to = F::of_bfloat16(code);
                }
            }
            Self::Signed8 => int8::decode::<F, true>(codes, numbers),
            Self::NonNegative8 => int8::decode::<F, false>(codes, numbers),
        }
    }
}

/// The codes of a stretch of elements, a slice each; those of slots that are full are empty.
///
/// A stretch begins with a block, where there are blocks, and ends with one or with its leaf.
#[derive(Default)]
pub(crate) struct Codes<'a> {
    pub(crate) slices: Slices<'a, u16>,
    pub(crate) coding: [Coding; MOST],
}

impl Codes<'_> {
    #[inline]
    pub(crate) fn reborrow(&mut self) -> Codes<'_> {
        let [a, b, c, d] = &mut self.slices;
        Codes { slices: [&mut **a, b, c, d], coding: self.coding }
    }

    /// The codes before and after an element.
    #[inline]
    pub(crate) fn split_at(self, at: usize) -> (Self, Self) {
        let coding = self.coding;
        let [a, b, c, d] = self.slices;
        let place = |i: usize| coding[i].words(at);
        let (a, b) = (split_at(a, place(0)), split_at(b, place(1)));
        let (c, d) = (split_at(c, place(2)), split_at(d, place(3)));
        let of = |slices| Self { slices, coding };
        (of([a.0, b.0, c.0, d.0]), of([a.1, b.1, c.1, d.1]))
    }

    /// Those of some elements.
    #[inline]
    pub(crate) fn range(&mut self, start: usize, end: usize) -> Codes<'_> {
        let coding = self.coding;
        if !self.is_blocked() {
            return Codes { slices: range_of(&mut self.slices, start, end), coding };
        }
        let mut i = 0;
        let slices = self.slices.each_mut().map(|slice| {
            let coding = coding[i];
            i += 1;
            if slice.is_empty() {
                return &mut **slice;
            }
            &mut slice[coding.words(start)..coding.words(end)]
        });
        Codes { slices, coding }
    }

    /// Whether there are blocks.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.coding.iter().any(|coding| coding.is_blocked())
    }
}

/// The parts of a slot before and after a place, which may be past its end.
#[inline]
pub(crate) fn split_at<F>(slot: &mut [F], at: usize) -> (&mut [F], &mut [F]) {
    let at = at.min(slot.len());
    slot.split_at_mut(at)
}

/// The slots of some elements.
#[inline]
pub(crate) fn range_of<'a, F>(
    slots: &'a mut Slices<'_, F>,
    start: usize,
    end: usize,
) -> Slices<'a, F> {
    let range = |slot: &'a mut [F]| if slot.is_empty() { slot } else { &mut slot[start..end] };
    let [a, b, c, d] = slots;
    [range(a), range(b), range(c), range(d)]
}
