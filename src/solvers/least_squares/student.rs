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
    let (a, y, rest) = (0.5 * freedom, freedom / whole, square / whole);
    if y <= 0.0 || rest <= 0.0 {
        return if rest <= 0.0 { 1.0 } else { 0.0 };
    }
    // yᵃ(1 - y)^½/B(a, ½), and the side on which the fraction converges fast.
    let logarithm = if y < 0.5 { y.ln() } else { (-rest).ln_1p() };
    let power = a * logarithm + 0.5 * rest.ln();
    let scale = (power + ln_gamma_ratio(a) - 0.5 * std::f64::consts::PI.ln()).exp();
    if y > (a + 1.0) / (a + 2.5) {
        1.0 - scale * fraction(0.5, a, rest) / 0.5
    } else {
        scale * fraction(a, 0.5, y) / a
    }
}

/// The continued fraction of the incomplete beta function. DLMF 8.17.22; Lentz's way of evaluating it.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
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
    fraction
}

/// ln(Γ(a + ½)/Γ(a)): of large a by its series, of small ones by that of a + k.
fn ln_gamma_ratio(a: f64) -> f64 {
    let (mut a, mut product) = (a, 1.0);
    while a < 30.0 {
        product *= a / (a + 0.5);
        a += 1.0;
    }
    let series = -1.0 / (8.0 * a) + a.powi(-3) / 192.0 - a.powi(-5) / 640.0;
    0.5 * a.ln() + series + f64::ln(product)
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
