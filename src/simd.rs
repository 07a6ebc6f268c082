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

    /// Whether it has wider vectors than the baseline, compiled for it alone.
    #[inline(always)]
    pub(crate) fn is_wide(self) -> bool {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        return matches!(self.0, Arch::V3(_) | Arch::V4(_));
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        return false;
    }

    /// As [`run`](Simd::run) where it [is wide](Simd::is_wide), and nothing elsewhere: what the baseline
    /// does otherwise is not compiled for it again.
    #[inline(always)]
    pub(crate) fn run_wide<W: Work<Output = ()>>(self, work: W) {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        match self.0 {
            Arch::V4(v4) => pulp::Simd::vectorize(v4, Dispatched(work)),
            Arch::V3(v3) => pulp::Simd::vectorize(v3, Dispatched(work)),
            _ => {}
        }
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        drop(work);
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
