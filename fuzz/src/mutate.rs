//! Mutations of bytes, the same for the same seed.

/// Xorshift (Marsaglia 2003).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 11) % bound as u64) as usize
    }
}

/// Inputs that are mutations of a corpus.
pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    random: Random,
    input: Vec<u8>,
}

impl Mutator {
    /// Longer inputs show nothing that shorter ones do not.
    const LONGEST: usize = 1 << 16;

    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { corpus, random: Random::new(seed), input: Vec::new() }
    }

    /// The next input.
    pub fn input(&mut self) -> &[u8] {
        let chosen = self.random.below(self.corpus.len());
        self.input.clear();
        self.input.extend_from_slice(&self.corpus[chosen]);
        // Mostly one change: more are seldom let in.
        let changes = if self.random.below(2) == 0 { 1 } else { 1 + self.random.below(6) };
        for _ in 0..changes {
            self.change();
        }
        self.input.truncate(Self::LONGEST);
        &self.input
    }

    fn change(&mut self) {
        const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b'"'];
        let Self { corpus, random, input } = self;
        if input.is_empty() {
            return input.push(random.below(256) as u8);
        }
        let at = random.below(input.len());
        let end = (at + 1 + random.below(16)).min(input.len());
        match random.below(9) {
            0 | 1 => input[at] ^= 1 << random.below(8),
            2 => input[at] = random.below(256) as u8,
            3 => input[at] = TELLING[random.below(TELLING.len())],
            4 => _ = input.drain(at..end),
            5 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            6 => input.insert(at, TELLING[random.below(TELLING.len())]),
            7 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len().max(1)).min(other.len());
                let piece = &other[from..(from + 1 + random.below(64)).min(other.len())];
                input.splice(at..end, piece.iter().copied());
            }
            _ => input.truncate(at),
        }
    }
}
