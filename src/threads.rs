//! Work for two threads at once.

/// Both results, computed by two threads where `parallel`.
#[cfg(feature = "rayon")]
pub(crate) fn join<A: Send, B: Send>(
    parallel: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if parallel { rayon::join(a, b) } else { (a(), b()) }
}

/// Both results, one after the other.
#[cfg(not(feature = "rayon"))]
pub(crate) fn join<A, B>(_parallel: bool, a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}
