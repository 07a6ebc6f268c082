//! Whether a row comes twice.

/// What was seen of rows before; it is kept for the next.
#[derive(Default)]
pub(super) struct Seen {
    /// Of each row the mark of those among which it was last.
    marks: Vec<u16>,
    mark: u16,
    /// A bit for each row, which is 0 between calls.
    bits: Vec<u8>,
}

/// What is so of rows in no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    Twice,
    /// One is not of the table.
    Beyond,
}

impl Seen {
    /// Rows of a table of `len`; those that are `wide` have room for a mark.
    pub(super) fn look(&mut self, rows: &[usize], len: usize, wide: bool) -> Times {
        if wide { self.mark(rows, len) } else { self.set(rows, len) }
    }

    /// By marks, of which nothing has to be taken back: a third of the time.
    fn mark(&mut self, rows: &[usize], len: usize) -> Times {
        if self.marks.len() < len {
            self.marks.resize(len, 0);
        }
        if self.mark == u16::MAX {
            self.marks.fill(0);
            self.mark = 0;
        }
        self.mark += 1;
        let (marks, mark) = (&mut self.marks[..len], self.mark);
        let (mut twice, mut beyond) = (false, false);
        for &row in rows {
            match marks.get_mut(row) {
                Some(last) => {
                    twice |= *last == mark;
                    *last = mark;
                }
                None => beyond = true,
            }
        }
        match (beyond, twice) {
            (true, _) => Times::Beyond,
            (_, true) => Times::Twice,
            _ => Times::Once,
        }
    }

    /// By bits.
    fn set(&mut self, rows: &[usize], len: usize) -> Times {
        if rows.iter().fold(0, |largest, &row| largest.max(row)) >= len {
            return if rows.is_empty() { Times::Once } else { Times::Beyond };
        }
        if self.bits.len() * 8 < len {
            self.bits.resize(len.div_ceil(8), 0);
        }
        let (bits, mut twice) = (&mut self.bits[..len.div_ceil(8)], 0);
        for row in rows {
            let bit = row % 8;
            twice |= bits[row / 8] >> bit;
            bits[row / 8] |= 1 << bit;
        }
        rows.iter().for_each(|row| bits[row / 8] = 0);
        if twice & 1 == 0 { Times::Once } else { Times::Twice }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_are_found_twice_as_a_set_finds_them() {
        let mut seen = Seen::default();
        let mut state = 1_u64;
        for round in 0..3000 {
            // Marks run out on the way.
            if round == 1000 {
                seen.mark = u16::MAX - 2;
            }
            let mut next = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((state >> 33) % below) as usize
            };
            let len = 1 + next(300);
            let rows: Vec<usize> = (0..next(20)).map(|_| next(len as u64 + 2)).collect();
            let set: BTreeSet<_> = rows.iter().collect();
            let expected = match rows.iter().any(|&row| row >= len) {
                true => Times::Beyond,
                false if set.len() < rows.len() => Times::Twice,
                false => Times::Once,
            };
            for wide in [false, true] {
                assert_eq!(seen.look(&rows, len, wide), expected, "{round}: {rows:?} of {len}");
            }
        }
    }
}
