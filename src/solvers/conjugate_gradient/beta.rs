//! How much of the old direction a new one keeps.

/// The choice of β in ρ = -g + βρ₋, with y = g - g₋.
///
/// All are equal on a quadratic with exact steps.
///
/// ```
/// use thalweg::solvers::{Beta, ConjugateGradient};
/// let solver = ConjugateGradient::<f64>::new().beta(Beta::HestenesStiefel);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Beta {
    /// max(0, yᵀg / g₋ᵀg₋): restarts along -g by itself after a poor step. Gilbert & Nocedal 1992.
    #[default]
    PolakRibierePlus,
    /// yᵀg / g₋ᵀg₋. Polak & Ribière 1969; Polyak 1969.
    PolakRibiere,
    /// gᵀg / g₋ᵀg₋: may take many short steps after one poor direction. Fletcher & Reeves 1964.
    FletcherReeves,
    /// yᵀg / yᵀρ₋: ρ is conjugate to ρ₋ whatever the step. Hestenes & Stiefel 1952.
    HestenesStiefel,
    /// gᵀg / yᵀρ₋. Dai & Yuan 1999.
    DaiYuan,
    /// (y - 2ρ₋·yᵀy/yᵀρ₋)ᵀg / yᵀρ₋, at least 0.4·g₋ᵀρ₋/ρ₋ᵀρ₋: descends whatever the step.
    /// Hager & Zhang 2005, 2013.
    HagerZhang,
    /// (y - ρ₋·yᵀy/yᵀρ₋)ᵀg / yᵀρ₋, at least 0.5·gᵀρ₋/ρ₋ᵀρ₋: descends whatever the step.
    /// Dai & Kou 2013.
    DaiKou,
}

/// The dot products of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Products {
    /// g₋ᵀg₋.
    pub(super) old_square: f64,
    /// gᵀg.
    pub(super) square: f64,
    /// gᵀg₋.
    pub(super) cross: f64,
    /// g₋ᵀρ₋.
    pub(super) old_slope: f64,
    /// gᵀρ₋.
    pub(super) slope: f64,
}

impl Beta {
    /// β; `direction_square` is ρ₋ᵀρ₋, asked for only where it counts.
    pub(super) fn of(self, p: Products, direction_square: impl FnOnce() -> f64) -> f64 {
        let change = p.square - p.cross;
        let change_square = p.square - 2.0 * p.cross + p.old_square;
        let along = p.slope - p.old_slope;
        let beta = match self {
            Self::PolakRibierePlus => (change / p.old_square).max(0.0),
            Self::PolakRibiere => change / p.old_square,
            Self::FletcherReeves => p.square / p.old_square,
            Self::HestenesStiefel => change / along,
            Self::DaiYuan => p.square / along,
            Self::HagerZhang => {
                let beta = (change - 2.0 * change_square * p.slope / along) / along;
                beta.max(0.4 * p.old_slope / direction_square())
            }
            Self::DaiKou => {
                let beta = (change - change_square * p.slope / along) / along;
                beta.max(0.5 * p.slope / direction_square())
            }
        };
        // 0/0 where the gradient vanished.
        if beta.is_finite() { beta } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_exact_step_on_a_quadratic_all_are_one() {
        // gᵀg₋ = 0 and gᵀρ₋ = 0, and g₋ᵀρ₋ = -g₋ᵀg₋.
        let p = Products { old_square: 5.0, square: 2.0, cross: 0.0, old_slope: -5.0, slope: 0.0 };
        for beta in [
            Beta::PolakRibierePlus,
            Beta::PolakRibiere,
            Beta::FletcherReeves,
            Beta::HestenesStiefel,
            Beta::DaiYuan,
            Beta::HagerZhang,
            Beta::DaiKou,
        ] {
            assert!((beta.of(p, || 5.0) - 0.4).abs() < 1e-15, "{beta:?}");
        }
    }

    #[test]
    fn the_formulas_are_those_of_their_papers() {
        // Literally, in vectors.
        let (g, old, d) = ([0.3, -1.2, 0.7], [1.0, 0.4, -0.9], [-1.1, 0.2, 0.5]);
        let dot = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let y = [g[0] - old[0], g[1] - old[1], g[2] - old[2]];
        let minus = |k: f64| {
            let k = k * dot(&y, &y) / dot(&d, &y);
            [y[0] - k * d[0], y[1] - k * d[1], y[2] - k * d[2]]
        };
        let p = Products {
            old_square: dot(&old, &old),
            square: dot(&g, &g),
            cross: dot(&g, &old),
            old_slope: dot(&old, &d),
            slope: dot(&g, &d),
        };
        let expected = [
            (Beta::PolakRibiere, dot(&g, &y) / dot(&old, &old)),
            (Beta::PolakRibierePlus, (dot(&g, &y) / dot(&old, &old)).max(0.0)),
            (Beta::FletcherReeves, dot(&g, &g) / dot(&old, &old)),
            (Beta::HestenesStiefel, dot(&g, &y) / dot(&d, &y)),
            (Beta::DaiYuan, dot(&g, &g) / dot(&d, &y)),
            (
                Beta::HagerZhang,
                (dot(&minus(2.0), &g) / dot(&d, &y)).max(0.4 * dot(&old, &d) / dot(&d, &d)),
            ),
            (
                Beta::DaiKou,
                (dot(&minus(1.0), &g) / dot(&d, &y)).max(0.5 * dot(&g, &d) / dot(&d, &d)),
            ),
        ];
        for (beta, expected) in expected {
            let found = beta.of(p, || dot(&d, &d));
            assert!((found - expected).abs() < 1e-14, "{beta:?}: {found} against {expected}");
        }
    }
}
