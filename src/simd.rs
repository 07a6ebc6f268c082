//! The instruction set that a sweep is compiled for, chosen at run time.

use std::fmt;

use pulp::Arch;

/// An instruction set that this processor has.
///
/// Results are the same bits on each of them; only the time differs. The default is the widest.
///
/// ```
/// use thalweg::Simd;
/// assert!(Simd::available().iter().any(|simd| simd.name() == Simd::default().name()));
/// ```
#[derive(Clone, Copy)]
pub struct Simd(Arch);

impl Simd {
    /// What the build itself targets (SSE2 on a default x86-64 build).
    pub const BASELINE: Self = Self(Arch::Scalar);

    /// Every instruction set that can be chosen here, the baseline first and the widest last.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::BASELINE];
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        all.extend(pulp::x86::V3::try_new().map(|v3| Self(Arch::V3(v3))));
        let widest = Self::default();
        if all.iter().all(|simd| simd.name() != widest.name()) {
            all.push(widest);
        }
        all
    }

    /// Its name, such as `"V4"` for AVX-512.
    pub fn name(self) -> String {
        let text = format!("{:?}", self.0);
        text.split_once('(').map_or(text.clone(), |(name, _)| name.to_owned())
    }

    /// Runs `work` compiled for this instruction set.
    ///
    /// `work` must reach its loops by `#[inline(always)]` functions alone: whatever is called and
    /// not inlined is compiled for the baseline.
    #[inline(always)]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        self.0.dispatch(Dispatched(work))
    }
}

impl Default for Simd {
    fn default() -> Self {
        Self(Arch::new())
    }
}

impl fmt::Debug for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A loop to be compiled once for each instruction set.
///
/// A closure would do but for its body, which the compiler may leave uninlined.
pub(crate) trait Work {
    type Output;
    fn run(self) -> Self::Output;
}

struct Dispatched<W>(W);

impl<W: Work> pulp::WithSimd for Dispatched<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> W::Output {
        self.0.run()
    }
}
