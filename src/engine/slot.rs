//! The storage of one slot.

use crate::params::Order;

/// Loads and stores whose addresses agree in these low bits wait for each other on many processors
/// if they are a few cache lines apart, and not if they are the same.
const PAGE: usize = 4096;
/// Slots smaller than this take no room for an offset.
const LARGE: usize = 8 * PAGE;

/// One value of state for each element of a leaf.
///
/// A large slot begins at the same offset within a page as the parameter it belongs to: a sweep
/// runs up to 1.6 times slower where the two are 64 bytes apart.
#[derive(Debug)]
pub(super) struct Slot<T> {
    buffer: Vec<T>,
    /// Where the values begin, which go to the buffer's end.
    start: usize,
}

impl<T: Copy + Default> Slot<T> {
    /// `value` for each of `len` elements whose parameter is at `address`.
    pub(super) fn filled(value: T, len: usize, address: usize) -> Self {
        let size = size_of::<T>();
        if len * size < LARGE {
            return Self { buffer: vec![value; len], start: 0 };
        }
        let mut buffer = vec![value; len + PAGE / size];
        let start = address.wrapping_sub(buffer.as_ptr().addr()) % PAGE / size;
        buffer.truncate(start + len);
        Self { buffer, start }
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Moves to where a parameter at `address` wants it, if it lies elsewhere.
    pub(super) fn place(&mut self, address: usize) {
        let distance = address.wrapping_sub(self.as_slice().as_ptr().addr());
        if self.len() * size_of::<T>() >= LARGE && !distance.is_multiple_of(PAGE) {
            *self = self.copied_for(address);
        }
    }

    fn copied_for(&self, address: usize) -> Self {
        let mut slot = Self::filled(T::default(), self.len(), address);
        slot.as_mut_slice().copy_from_slice(self.as_slice());
        slot
    }

    /// Brings an array of that shape from one order into another.
    pub(super) fn reorder(&mut self, shape: &[usize], [from, to]: &[Order; 2]) {
        if self.len() == 0 {
            return;
        }
        let mut reordered = self.clone();
        if let Some(view) = from.logical(self.as_slice(), shape) {
            let from = to.arrange(view);
            reordered.as_mut_slice().iter_mut().zip(&from).for_each(|(to, &from)| *to = from);
        }
        *self = reordered;
    }

    pub(super) fn as_slice(&self) -> &[T] {
        &self.buffer[self.start..]
    }

    #[inline]
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.buffer[self.start..]
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { buffer: Vec::new(), start: 0 }
    }
}

impl<T: Copy + Default> Clone for Slot<T> {
    fn clone(&self) -> Self {
        self.copied_for(self.as_slice().as_ptr().addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_slot_lies_at_its_parameters_offset_and_so_does_its_clone() {
        let w = vec![0.0_f32; 20_000];
        for shift in [0, 3, 100] {
            let address = w[shift..].as_ptr().addr();
            let slot = Slot::filled(0.5_f32, 19_000, address);
            for slot in [slot.clone(), slot] {
                assert_eq!(slot.as_slice().as_ptr().addr() % PAGE, address % PAGE);
                assert_eq!(slot.as_slice(), vec![0.5; 19_000]);
            }
        }
        let mut moved = Slot::filled(0.5_f32, 19_000, 0);
        moved.place(w.as_ptr().addr());
        assert_eq!(moved.as_slice().as_ptr().addr() % PAGE, w.as_ptr().addr() % PAGE);
        assert_eq!(moved.as_slice(), vec![0.5; 19_000]);
        assert_eq!(Slot::filled(1.0_f64, 3, 0).buffer.len(), 3);
    }
}
