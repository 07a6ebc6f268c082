//! Numbers that look like chance, and are the same everywhere: hashes of what is counted.

#![expect(clippy::excessive_precision, reason = "coefficients are as their source has them")]

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

/// The dithers of an element's first two numbers, 16 bits each: by the bits of its parameter, wherever it lies.
#[inline(always)]
pub(crate) fn first(key: u32, parameter: u32) -> u32 {
    let x = (parameter ^ key).wrapping_mul(0x85eb_ca6b);
    x ^ (x >> 15)
}

/// Those of the next two, by those.
#[inline(always)]
pub(crate) fn next(first: u32) -> u32 {
    let y = first.wrapping_mul(0x9e37_79b1);
    y ^ (y >> 15)
}

/// All of them: for each slot of an element its own.
#[inline(always)]
pub(crate) fn dithers(key: u32, parameter: u32) -> [u32; 4] {
    let x = first(key, parameter);
    let y = next(x);
    [x, x >> 16, y, y >> 16]
}

/// That of the parameter itself, by the first: other bits than those of the slots.
#[inline(always)]
pub(crate) fn of_parameter(first: u32) -> u32 {
    let z = first.rotate_left(16).wrapping_mul(0xc2b2_ae35);
    z >> 16
}

/// The stream of numbers of a seed and a step.
pub(crate) fn stream(seed: u64, step: u64) -> u64 {
    let of_seed = mixed(seed.wrapping_add(GOLDEN));
    mixed(of_seed.wrapping_add(step.wrapping_mul(GOLDEN)))
}

/// A number of the standard normal distribution: that at a place of a stream.
///
/// By the inverse of its distribution function, to 1e-15, with nothing but sums, products, quotients and square
/// roots, which round alike on every machine. Source: Wichura, "Algorithm AS 241: the percentage points of the
/// normal distribution", 1988.
pub(crate) fn normal(stream: u64, place: u64) -> f64 {
    let bits = mixed(stream.wrapping_add(place.wrapping_add(1).wrapping_mul(GOLDEN)));
    // 2⁵² numbers in (0, 1), as many below ½ as above it, and none that is rounded to 1.
    percentage_point(((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64)
}

/// The number that a part p in (0, 1) of the normal distribution is below.
fn percentage_point(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * polynomial(&A, r) / polynomial(&B, r);
    }
    let r = (-logarithm(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let size = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    size.copysign(q)
}

/// Coefficients from the lowest power on.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// ln x of a normal x > 0, by its series: the system's may differ in the last digit.
fn logarithm(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as f64 - 1023.0;
    let mut fraction = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if fraction > std::f64::consts::SQRT_2 {
        (fraction, exponent) = (0.5 * fraction, exponent + 1.0);
    }
    // 2 artanh s, |s| < 0.172
    let s = (fraction - 1.0) / (fraction + 1.0);
    let series = (0..12).rev().fold(0.0, |sum, k| sum * (s * s) + 1.0 / f64::from(2 * k + 1));
    exponent * std::f64::consts::LN_2 + 2.0 * s * series
}

const A: [f64; 8] = [
    3.387_132_872_796_366_608,
    133.141_667_891_784_377_45,
    1_971.590_950_306_551_442_7,
    13_731.693_765_509_461_125,
    45_921.953_931_549_871_457,
    67_265.770_927_008_700_853,
    33_430.575_583_588_128_105,
    2_509.080_928_730_122_672_7,
];
const B: [f64; 8] = [
    1.0,
    42.313_330_701_600_911_252,
    687.187_007_492_057_908_30,
    5_394.196_021_424_751_107_7,
    21_213.794_301_586_595_867,
    39_307.895_800_092_710_61,
    28_729.085_735_721_942_674,
    5_226.495_278_852_854_561,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_577_34,
    4.630_337_846_156_545_295_90,
    5.769_497_221_460_691_405_50,
    3.647_848_324_763_204_605_04,
    1.270_458_252_452_368_382_58,
    0.241_780_725_177_450_611_770,
    0.022_723_844_989_269_184_583_3,
    7.745_450_142_783_414_076_40e-4,
];
const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_758_821_87,
    1.676_384_830_183_803_849_40,
    0.689_767_334_985_100_004_550,
    0.148_103_976_427_480_074_590,
    0.015_198_666_563_616_457_196_6,
    5.475_938_084_995_344_946_00e-4,
    1.050_750_071_644_416_843_24e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103_777_20,
    5.463_784_911_164_114_369_90,
    1.784_826_539_917_291_335_80,
    0.296_560_571_828_504_891_230,
    0.026_532_189_526_576_123_093_0,
    1.242_660_947_388_078_438_60e-3,
    2.711_555_568_743_487_578_15e-5,
    2.010_334_399_292_288_132_65e-7,
];
const F: [f64; 8] = [
    1.0,
    0.599_832_206_555_887_937_690,
    0.136_929_880_922_735_805_310,
    0.014_875_361_290_850_614_852_5,
    7.868_691_311_456_132_591_00e-4,
    1.846_318_317_510_054_681_80e-5,
    1.421_511_758_316_445_888_70e-7,
    2.044_263_103_389_939_785_64e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// By SciPy's `ndtri`.
    const POINTS: &[(f64, f64)] = &[
        (1e-16, -8.222082216130435),
        (1e-13, -7.348796102800677),
        (1e-10, -6.361340902404056),
        (1e-06, -4.753424308822899),
        (0.001, -3.090232306167813),
        (0.01, -2.3263478740408408),
        (0.074, -1.4466320671589785),
        (0.0751, -1.4388253927525403),
        (0.2, -0.8416212335729142),
        (0.3, -0.5244005127080409),
        (0.49, -0.02506890825871106),
        (0.5, 0.0),
        (0.6, 0.2533471031357997),
        (0.925, 1.4395314709384563),
        (0.9251, 1.4402382675279635),
        (0.99, 2.3263478740408408),
        (0.999999, 4.753424308817087),
    ];

    #[test]
    fn percentage_points_are_those_of_the_normal_distribution() {
        for &(p, expected) in POINTS {
            let found = percentage_point(p);
            assert!((found - expected).abs() <= 4e-15 * expected.abs().max(0.1), "{p}: {found}");
        }
        // Nothing is beyond the ends, and both are alike.
        let least = 0.5 / (1_u64 << 52) as f64;
        assert_eq!(percentage_point(least), -percentage_point(1.0 - least));
        assert!(percentage_point(least) < -8.2);
    }

    #[test]
    fn logarithms_are_those_of_the_system_to_the_last_digits() {
        for i in 1..2000 {
            for x in [f64::from(i) / 2000.0, 2.0_f64.powi(-(i % 60)) * 1.37] {
                let expected = x.ln();
                assert!((logarithm(x) - expected).abs() <= 4e-16 * expected.abs().max(1.0), "{x}");
            }
        }
    }

    #[test]
    fn numbers_are_normal_and_do_not_depend_on_each_other() {
        const N: u64 = 200_000;
        let n = N as f64;
        let mean = |of: &dyn Fn(u64) -> f64| (0..N).map(of).sum::<f64>() / n;
        let at = |step, place| normal(stream(3, step), place);
        // Moments, and their standard deviations in a sample of n.
        type Of<'f> = &'f dyn Fn(u64) -> f64;
        let moments: [(Of<'_>, f64, f64); 7] = [
            (&|i| at(1, i), 0.0, 1.0),
            (&|i| at(1, i).powi(2), 1.0, 2.0),
            (&|i| at(1, i).powi(3), 0.0, 15.0),
            (&|i| at(1, i).powi(4), 3.0, 96.0),
            (&|i| at(1, i) * at(1, i + 1), 0.0, 1.0),
            (&|i| at(1, i) * at(2, i), 0.0, 1.0),
            (&|i| at(1, i) * normal(stream(4, 1), i), 0.0, 1.0),
        ];
        for (k, (of, expected, variance)) in moments.into_iter().enumerate() {
            let found = mean(of);
            assert!((found - expected).abs() <= 5.0 * (variance / n).sqrt(), "{k}: {found}");
        }
        // At one place, over steps.
        let found = mean(&|step| at(step, 7).powi(2));
        assert!((found - 1.0).abs() <= 5.0 * (2.0 / n).sqrt(), "{found}");
    }

    #[test]
    fn the_chance_of_a_parameter_is_even_and_not_that_of_its_slots() {
        let (n, uniform) = (400_000_u32, |bits: u32| f64::from(bits & 0xffff) / 65_536.0 - 0.5);
        let sample = |i: u32| {
            let x = first(key(u64::from(i % 1000)), (0.5 + (i / 1000) as f32 * 1e-4).to_bits());
            let y = next(x);
            [of_parameter(x), x, x >> 16, y, y >> 16].map(uniform)
        };
        let mut means = [0.0; 6];
        for i in 0..n {
            let [own, slots @ ..] = sample(i);
            means[0] += own;
            means[1] += own * own;
            means.iter_mut().skip(2).zip(slots).for_each(|(mean, slot)| *mean += own * slot);
        }
        let means = means.map(|mean| mean / f64::from(n));
        let sigma = 1.0 / f64::from(n).sqrt();
        assert!(means[0].abs() <= 5.0 * sigma / 12.0_f64.sqrt(), "{means:?}");
        assert!((means[1] - 1.0 / 12.0).abs() <= 5.0 * sigma / 180.0_f64.sqrt(), "{means:?}");
        assert!(means[2..].iter().all(|mean| mean.abs() <= 5.0 * sigma / 12.0), "{means:?}");
    }
}
