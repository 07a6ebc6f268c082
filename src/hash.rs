//! Numbers that look like chance, and are the same everywhere: hashes of what is counted.

/// The golden ratio in 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64.
fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number for a step that says nothing of its neighbours'.
pub(crate) fn key(step: u64) -> u32 {
    mixed(step.wrapping_add(1).wrapping_mul(GOLDEN)) as u32
}

/// The dithers of an element's numbers, 16 bits each: by the bits of its parameter, wherever it lies.
#[inline(always)]
pub(crate) fn dithers(key: u32, parameter: u32) -> [u32; 4] {
    let x = (parameter ^ key).wrapping_mul(0x85eb_ca6b);
    let x = x ^ (x >> 15);
    let y = x.wrapping_mul(0x9e37_79b1);
    let y = y ^ (y >> 15);
    [x & 0xffff, x >> 16, y & 0xffff, y >> 16]
}
