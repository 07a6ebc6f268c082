//! A short text that differs where numbers differ.

/// The 64-bit FNV-1a hash of the numbers' bits.
///
/// Source: Fowler, Noll & Vo 1991.
pub fn fingerprint(numbers: impl IntoIterator<Item = f32>) -> String {
    let bytes = numbers.into_iter().flat_map(f32::to_le_bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
