//! Student's t distribution: how far an estimate may be off.

/// The t that |t| stays below with that probability, for ν degrees of freedom.
pub(super) fn two_sided(probability: f64, freedom: f64) -> f64 {
    if !(probability > 0.0 && probability < 1.0 && freedom > 0.0) {
        return f64::NAN;
    }
    let outside = 1.0 - probability;
    let (mut low, mut high) = (0.0, 1.0);
    while beyond(high, freedom) > outside && high < 1e300 {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if beyond(middle, freedom) > outside { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// P(|t| > x) = I_y(ν/2, ½) with y = ν/(ν + x²).
fn beyond(x: f64, freedom: f64) -> f64 {
    let square = x * x;
    let whole = freedom + square;
    incomplete_beta(0.5 * freedom, 0.5, freedom / whole, square / whole)
}

/// The regularized incomplete beta function I_x(a, b) for x + y = 1, by its continued fraction on the side
/// where that converges fast. DLMF 8.17.22; Lentz's way of evaluating it.
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, y, x);
    }
    let logarithm = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln();
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut d = away(1.0 - (a + b) / (a + 1.0) * x).recip();
    let (mut c, mut fraction) = (1.0, d);
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for term in [even, odd] {
            d = away(1.0 + term * d).recip();
            c = away(1.0 + term / c);
            factor = c * d;
            fraction *= factor;
        }
        if (factor - 1.0).abs() < 1e-15 {
            break;
        }
    }
    logarithm.exp() * fraction / a
}

/// ln Γ(x) for x > 0, by Stirling's series from 15 on.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 15.0 {
        product *= x;
        x += 1.0;
    }
    let square = x.powi(-2);
    let series = ((-square / 1680.0 + 1.0 / 1260.0) * square - 1.0 / 360.0) * square + 1.0 / 12.0;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series / x - f64::ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // Abramowitz & Stegun 1964, table 26.10, and for ν = 1, 2 in closed form.
        for (probability, freedom, known) in [
            (0.95, 1.0, 12.706_204_736),
            (0.95, 2.0, 4.302_652_730),
            (0.90, 5.0, 2.015_048_373),
            (0.95, 10.0, 2.228_138_852),
            (0.99, 10.0, 3.169_272_673),
            (0.95, 30.0, 2.042_272_456),
            (0.95, 1e6, 1.959_966_357),
            (0.682_689_492_137, 1e9, 1.0),
        ] {
            let found = two_sided(probability, freedom);
            assert!((found / known - 1.0).abs() < 2e-8, "{probability}, {freedom}: {found}");
        }
        for probability in [0.01, 0.5, 0.999_999] {
            let cauchy = (0.5 * std::f64::consts::PI * probability).tan();
            assert!((two_sided(probability, 1.0) / cauchy - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn no_probability_or_no_freedom_is_no_number() {
        for (probability, freedom) in [(0.0, 3.0), (1.0, 3.0), (f64::NAN, 3.0), (0.9, 0.0)] {
            assert!(two_sided(probability, freedom).is_nan());
        }
    }
}
