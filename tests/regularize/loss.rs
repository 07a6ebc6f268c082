//! The losses against central differences, against their formulas written out, and at extremes.

use std::f64::consts::LN_2;

use ndarray::{Array2, ArrayRef2, Axis, array};
use thalweg::loss::{
    ElementLoss, accuracy, binary_cross_entropy, binary_zero_one, focal, gaussian, hinge, huber,
    kl_divergence, log_cosh, mean_squared_error, multiclass_hinge, poisson, quantile,
    smoothed_cross_entropy, soft_cross_entropy, softmax_cross_entropy, weighted,
    weighted_cross_entropy, weighted_kl_divergence, weighted_multiclass_hinge,
    weighted_smoothed_cross_entropy, weighted_soft_cross_entropy, zero_one,
};
use thalweg::{Error, Scalar};

use super::support::{Numbers, bits, in_layouts};

const ROWS: usize = 6;
const CLASSES: usize = 5;

/// What a loss gives for scores.
type Loss<F> = fn(&ArrayRef2<F>) -> Result<(f64, Array2<F>), Error>;

fn classes(rows: usize) -> Vec<usize> {
    (0..rows).map(|i| (3 * i + 1) % CLASSES).collect()
}

/// Probabilities that are not equal.
fn soft<F: Scalar>(scores: &ArrayRef2<F>) -> Array2<F> {
    let weight = |i: usize, j: usize| ((i + 2 * j) % CLASSES + 1) as f64;
    Array2::from_shape_fn(scores.raw_dim(), |(i, j)| {
        let sum: f64 = (0..scores.ncols()).map(|j| weight(i, j)).sum();
        F::from_f64(weight(i, j) / sum)
    })
}

fn signs<F: Scalar>(scores: &ArrayRef2<F>) -> Array2<F> {
    let sign = |(i, j): (usize, usize)| if (i + j) % 3 == 0 { -F::one() } else { F::one() };
    Array2::from_shape_fn(scores.raw_dim(), sign)
}

fn zeros_and_ones<F: Scalar>(scores: &ArrayRef2<F>) -> Array2<F> {
    signs(scores).mapv(|t| t.max(F::zero()))
}

/// Weights that are not equal, none of them 0.
fn weights(rows: usize) -> Vec<f64> {
    (0..rows).map(|i| 0.25 + (i % 3) as f64).collect()
}

fn counts<F: Scalar>(scores: &ArrayRef2<F>) -> Array2<F> {
    Array2::from_shape_fn(scores.raw_dim(), |(i, j)| F::from_f64(((2 * i + j) % 4) as f64))
}

/// A weight for each element, none of them 0.
fn weighted_by<F: Scalar>(
    loss: ElementLoss,
    scores: &ArrayRef2<F>,
    targets: &Array2<F>,
) -> Result<(f64, Array2<F>), Error> {
    weighted(loss, scores, targets, &element_weights(scores))
}

fn element_weights<F: Scalar>(scores: &ArrayRef2<F>) -> Array2<F> {
    let weight = |(i, j)| F::from_f64(0.5 + ((i + 3 * j) % 4) as f64);
    Array2::from_shape_fn(scores.raw_dim(), weight)
}

fn all<F: Scalar>() -> [(&'static str, Loss<F>); 27] {
    [
        ("softmax_cross_entropy", |s| softmax_cross_entropy(s, &classes(s.nrows()))),
        ("smoothed_cross_entropy", |s| smoothed_cross_entropy(s, &classes(s.nrows()), 0.2)),
        ("soft_cross_entropy", |s| soft_cross_entropy(s, &soft(s))),
        ("binary_cross_entropy", |s| binary_cross_entropy(s, &soft(s))),
        ("mean_squared_error", |s| mean_squared_error(s, &soft(s))),
        ("huber", |s| huber(s, &soft(s), 0.7)),
        ("hinge", |s| hinge(s, &signs(s))),
        ("multiclass_hinge", |s| multiclass_hinge(s, &classes(s.nrows()))),
        ("weighted_cross_entropy", |s| {
            weighted_cross_entropy(s, &classes(s.nrows()), &weights(s.nrows()))
        }),
        ("kl_divergence", |s| kl_divergence(s, &soft(s))),
        ("log_cosh", |s| log_cosh(s, &soft(s))),
        ("quantile", |s| quantile(s, &soft(s), 0.2)),
        ("poisson", |s| poisson(s, &counts(s))),
        ("focal", |s| focal(s, &zeros_and_ones(s), 1.5, None)),
        ("focal by class", |s| focal(s, &zeros_and_ones(s), 1.5, Some(0.25))),
        ("weighted smoothed_cross_entropy", |s| {
            let weights = weights(s.nrows());
            weighted_smoothed_cross_entropy(s, &classes(s.nrows()), 0.2, &weights)
        }),
        ("weighted multiclass_hinge", |s| {
            weighted_multiclass_hinge(s, &classes(s.nrows()), &weights(s.nrows()))
        }),
        ("weighted soft_cross_entropy", |s| {
            weighted_soft_cross_entropy(s, &soft(s), &weights(s.nrows()))
        }),
        ("weighted kl_divergence", |s| weighted_kl_divergence(s, &soft(s), &weights(s.nrows()))),
        ("weighted binary_cross_entropy", |s| {
            weighted_by(ElementLoss::BinaryCrossEntropy, s, &soft(s))
        }),
        ("weighted mean_squared_error", |s| weighted_by(ElementLoss::SquaredError, s, &soft(s))),
        ("weighted huber", |s| weighted_by(ElementLoss::Huber { delta: 0.7 }, s, &soft(s))),
        ("weighted hinge", |s| weighted_by(ElementLoss::Hinge, s, &signs(s))),
        ("weighted log_cosh", |s| weighted_by(ElementLoss::LogCosh, s, &soft(s))),
        ("weighted quantile", |s| {
            weighted_by(ElementLoss::Quantile { quantile: 0.2 }, s, &soft(s))
        }),
        ("weighted poisson", |s| weighted_by(ElementLoss::Poisson, s, &counts(s))),
        ("weighted focal by class", |s| {
            let loss = ElementLoss::Focal { gamma: 1.5, alpha: Some(0.25) };
            weighted_by(loss, s, &zeros_and_ones(s))
        }),
    ]
}

/// The formulas as they stand in books, for scores of a moderate size.
fn written_out(name: &str, s: &Array2<f64>) -> f64 {
    let (n, k) = (s.nrows() as f64, s.ncols() as f64);
    let log_sum = |i: usize| s.row(i).iter().map(|s| s.exp()).sum::<f64>().ln();
    let y = classes(s.nrows());
    let t = soft(s);
    let (name, of_rows, of_elements) = match name.strip_prefix("weighted ") {
        Some(name) => (name, weights(s.nrows()), element_weights(s)),
        None => (name, vec![1.0; s.nrows()], Array2::ones(s.raw_dim())),
    };
    let by_row = |f: &dyn Fn(usize) -> f64| {
        (0..s.nrows()).map(|i| of_rows[i] * f(i)).sum::<f64>() / of_rows.iter().sum::<f64>()
    };
    let by_element = |f: &dyn Fn(f64, f64) -> f64, t: &Array2<f64>| {
        let each = s.iter().zip(t).zip(&of_elements);
        each.map(|((&s, &t), &w)| w * f(s, t)).sum::<f64>() / of_elements.sum()
    };
    match name {
        "softmax_cross_entropy" => by_row(&|i| -(s[[i, y[i]]].exp() / log_sum(i).exp()).ln()),
        "smoothed_cross_entropy" => by_row(&|i| {
            let target = |j| if j == y[i] { 0.8 + 0.2 / k } else { 0.2 / k };
            -(0..CLASSES).map(|j| target(j) * (s[[i, j]] - log_sum(i))).sum::<f64>()
        }),
        "soft_cross_entropy" => by_row(&|i| {
            -(0..CLASSES)
                .map(|j| t[[i, j]] * (s[[i, j]].exp() / log_sum(i).exp()).ln())
                .sum::<f64>()
        }),
        "binary_cross_entropy" => by_element(
            &|s, t| {
                let p = 1.0 / (1.0 + (-s).exp());
                -t * p.ln() - (1.0 - t) * (1.0 - p).ln()
            },
            &t,
        ),
        "mean_squared_error" => by_element(&|s, t| (s - t).powi(2), &t),
        "huber" => by_element(
            &|s, t| {
                let r: f64 = (s - t).abs();
                if r <= 0.7 { r * r / 2.0 } else { 0.7 * r - 0.7 * 0.7 / 2.0 }
            },
            &t,
        ),
        "hinge" => by_element(&|s, t| (1.0 - t * s).max(0.0), &signs(s)),
        "multiclass_hinge" => by_row(&|i| {
            let rivals =
                (0..CLASSES).filter(|&j| j != y[i]).map(|j| 1.0 + s[[i, j]] - s[[i, y[i]]]);
            rivals.fold(0.0, f64::max)
        }),
        "weighted_cross_entropy" => {
            let w = weights(s.nrows());
            by_row(&|i| w[i] * (log_sum(i) - s[[i, y[i]]])) * n / w.iter().sum::<f64>()
        }
        "kl_divergence" => by_row(&|i| {
            let p = |j: usize| s[[i, j]].exp() / log_sum(i).exp();
            (0..CLASSES).map(|j| t[[i, j]] * (t[[i, j]] / p(j)).ln()).sum::<f64>()
        }),
        "log_cosh" => by_element(&|s, t| (s - t).cosh().ln(), &t),
        "quantile" => by_element(&|s, t| f64::max(0.2 * (t - s), -0.8 * (t - s)), &t),
        "poisson" => by_element(&|s, t| s.exp() - t * s, &counts(s)),
        "focal" => by_element(
            &|s, t| {
                let p = 1.0 / (1.0 + if t == 1.0 { -s } else { s }.exp());
                (1.0 - p).powf(1.5) * -p.ln()
            },
            &zeros_and_ones(s),
        ),
        "focal by class" => by_element(
            &|s, t| {
                let p = 1.0 / (1.0 + if t == 1.0 { -s } else { s }.exp());
                let alpha = if t == 1.0 { 0.25 } else { 0.75 };
                alpha * (1.0 - p).powf(1.5) * -p.ln()
            },
            &zeros_and_ones(s),
        ),
        _ => unreachable!(),
    }
}

#[test]
fn what_weighs_nothing_is_not_looked_at_and_weights_that_cannot_be_are_named() {
    let (scores, targets) = (array![[0.5, f64::NAN], [2.0, -1.0]], array![[1.0, 7.0], [0.0, 1.0]]);
    let weights = array![[1.0, 0.0], [2.0, 0.5]];
    let loss = ElementLoss::BinaryCrossEntropy;
    let (value, gradient) = weighted(loss, &scores, &targets, &weights).unwrap();
    let own =
        |i: [usize; 2]| binary_cross_entropy(&array![scores[i]], &array![targets[i]]).unwrap();
    let at = [[0, 0], [1, 0], [1, 1]];
    let sum: f64 = at.iter().map(|&i| weights[i] * own(i).0).sum();
    assert!((value - sum / 3.5).abs() < 1e-15);
    assert_eq!(gradient[[0, 1]], 0.0);
    for i in at {
        assert!((gradient[i] - own(i).1[0] * weights[i] / 3.5).abs() < 1e-15);
    }
    let text =
        |weights: Array2<f64>| weighted(loss, &scores, &targets, &weights).unwrap_err().to_string();
    assert!(text(array![[1.0, 1.0], [1.0, 1.0]]).contains("7 at index [0, 1]"));
    assert!(text(array![[1.0, 0.0], [-1.0, 1.0]]).contains("-1 at index [1, 0]"));
    assert!(text(array![[1.0, 0.0], [f64::NAN, 1.0]]).contains("index [1, 0]"));
    assert!(text(array![[0.0, 0.0], [0.0, 0.0]]).contains("empty"));
    assert!(weighted(loss, &scores, &targets, &array![[1.0, 1.0]]).is_err());
    let huber = ElementLoss::Huber { delta: 0.0 };
    assert!(weighted(huber, &scores, &targets, &weights).is_err());
    assert!(focal(&array![0.0], &array![1.0], 2.0, Some(1.5)).is_err());
    assert!(weighted_multiclass_hinge(&scores, &[0, 1], &[1.0, -1.0]).is_err());
    assert!(weighted_smoothed_cross_entropy(&scores, &[0, 1], 1.5, &[1.0, 1.0]).is_err());
    assert!(weighted_kl_divergence(&scores, &targets, &[0.0, 0.0]).is_err());
    assert!(weighted_soft_cross_entropy(&scores, &targets, &[1.0]).is_err());
}

#[test]
fn what_is_in_a_row_of_weight_0_does_not_count_beside_probabilities() {
    let (mut scores, mut targets) =
        (array![[0.3, -1.2], [0.1, 0.7], [0.0, 0.0]], Array2::zeros((3, 2)));
    targets.assign(&array![[0.25, 0.75], [0.5, 0.5], [0.0, 1.0]]);
    let rest = (scores.select(Axis(0), &[0, 2]), targets.select(Axis(0), &[0, 2]));
    scores.row_mut(1).fill(f64::NAN);
    targets.row_mut(1).fill(7.0);
    for (weighted, plain) in [
        (
            weighted_soft_cross_entropy(&scores, &targets, &[2.0, 0.0, 2.0]),
            soft_cross_entropy(&rest.0, &rest.1),
        ),
        (
            weighted_kl_divergence(&scores, &targets, &[2.0, 0.0, 2.0]),
            kl_divergence(&rest.0, &rest.1),
        ),
    ] {
        let ((value, gradient), (expected, by_row)) = (weighted.unwrap(), plain.unwrap());
        assert!((value - expected).abs() < 1e-15);
        assert_eq!(gradient.row(1), array![0.0, 0.0]);
        for (row, of) in [(0, 0), (2, 1)] {
            assert!((&gradient.row(row) - &by_row.row(of)).iter().all(|d| d.abs() < 1e-15));
        }
    }
}

/// PyTorch 2.15 (`poisson_nll_loss`, `kl_div` with `batchmean`, `cross_entropy` with `weight` and `ignore_index`)
/// and Optax 0.2.8 (`log_cosh`, `sigmoid_focal_loss`): value and gradient.
#[test]
fn values_and_gradients_are_those_of_other_libraries() {
    let s = array![[0.3, -1.2, 2.0], [1.5, 0.1, -0.4]];
    let t = array![[0.2, 0.5, 0.3], [0.0, 0.25, 0.75]];
    let counts = array![[0.0, 2.0, 5.0], [1.0, 0.0, 3.0]];
    let sides = array![[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]];
    let check = |found: Result<(f64, Array2<f64>), Error>, value: f64, gradient: [f64; 6]| {
        let (v, g) = found.unwrap();
        assert!((v / value - 1.0).abs() < 1e-14, "{v} for {value}");
        for (g, exact) in g.iter().zip(gradient) {
            assert!((g - exact).abs() < 1e-15, "{g} for {exact}");
        }
    };
    check(
        poisson(&s, &counts),
        1.2328815254780348,
        [
            0.22497646792933385,
            -0.28313429801463297,
            0.3981760164884418,
            0.5802815117230108,
            0.18419515301260794,
            -0.38827999232739346,
        ],
    );
    check(
        kl_divergence(&s, &t),
        1.3292063480787542,
        [
            -0.02534056890830441,
            -0.2333412291839193,
            0.2586817980922237,
            0.35812371113375396,
            -0.03668778011891537,
            -0.3214359310148386,
        ],
    );
    // weight = [0.5, 1, 3], of the classes 2 and 0; then of 2, 1 and one that is ignored.
    check(
        weighted_cross_entropy(&s, &[2, 0], &[3.0, 0.5]),
        0.22053672565783472,
        [
            0.12798759615719243,
            0.028557892827566905,
            -0.15654548898475934,
            -0.04053608253321315,
            0.025232062823167038,
            0.015304019710046114,
        ],
    );
    let more = array![[0.3, -1.2, 2.0], [1.5, 0.1, -0.4], [9.0, 9.0, 1.0]];
    check(
        weighted_cross_entropy(&more, &[2, 1, usize::MAX], &[3.0, 1.0, 0.0]),
        0.5846858361866178,
        [
            0.11198914663754339,
            0.024988156224121046,
            -0.13697730286166443,
            0.17906185556687698,
            -0.2058438900594577,
            0.0267820344925807,
        ],
    );
    check(
        log_cosh(&s, &t),
        0.5839001312519804,
        [
            0.016611332437492618,
            -0.15590151176718314,
            0.15590151176718314,
            0.1508580422741444,
            -0.024814172270553006,
            -0.13629234632838128,
        ],
    );
    check(
        focal(&s, &sides, 1.5, None),
        0.2979337718712169,
        [
            -0.04179094568599556,
            0.009929929948753753,
            -0.0019679276422191966,
            0.1580941897162435,
            -0.05360853502141884,
            0.03652480819463404,
        ],
    );
}

/// PyTorch 2.15, `gaussian_nll_loss` of the variances eˡ, derived by s and by l.
#[test]
fn the_gaussian_likelihood_is_pytorch_s_in_any_layout_and_of_any_length() {
    let s = array![[0.3, -1.2, 2.0], [1.5, 0.1, -0.4]];
    let t = array![[0.2, 0.5, 0.3], [0.0, 0.25, 0.75]];
    let l = array![[-1.0, 0.5, 2.0], [0.0, -0.3, 1.1]];
    let (value, [by_s, by_l]) = gaussian(&s, &l, &t).unwrap();
    assert!((value / 0.5993141020640902 - 1.0).abs() < 1e-14, "{value}");
    let exact: [f64; 12] = [
        0.045304697140984077,
        -0.1718503535852461,
        0.03834499691704026,
        0.25,
        -0.03374647018940007,
        -0.0638002910421319,
        0.08106809847628413,
        -0.06273946721412588,
        0.050740085953849115,
        -0.10416666666666667,
        0.08080234806912832,
        0.04664816598410749,
    ];
    for (g, exact) in by_s.iter().chain(&by_l).zip(exact) {
        assert!((g - exact).abs() < 1e-15, "{g} for {exact}");
    }
    // More elements than are summed at a time, against the formula.
    let many: Array2<f64> = Numbers::new(6).array(700, 7, 2.0);
    let (l, t) = (many.mapv(f64::sin), many.mapv(f64::cos));
    let plain: f64 =
        many.iter().zip(&l).zip(&t).map(|((s, l), t)| l + (s - t).powi(2) / l.exp()).sum();
    let (value, [by_s, by_l]) = gaussian(&many, &l, &t).unwrap();
    assert!((value / (plain / 2.0 / 4900.0) - 1.0).abs() < 1e-13);
    in_layouts(&many, |view| {
        let (there, [g, h]) = gaussian(&view, &l, &t).unwrap();
        assert_eq!(there.to_bits(), value.to_bits());
        assert_eq!((bits(g.view()), bits(h.view())), (bits(by_s.view()), bits(by_l.view())));
    });
    assert!(gaussian(&many, &Array2::zeros((1, 7)), &t).is_err());
    assert!(gaussian(&many, &l, &Array2::zeros((700, 1))).is_err());
    assert!(
        gaussian::<f64, _>(&Array2::zeros((0, 2)), &Array2::zeros((0, 2)), &Array2::zeros((0, 2)))
            .is_err()
    );
}

#[test]
fn extreme_residuals_and_scores_of_the_other_losses_are_finite() {
    let far = array![800.0, -800.0, 1e300, 1e-200];
    let zero = array![0.0, 0.0, 0.0, 0.0];
    let (value, gradient) = log_cosh(&far, &zero).unwrap();
    assert!((value / 2.5e299 - 1.0).abs() < 1e-15);
    assert_eq!(gradient, array![0.25, -0.25, 0.25, 2.5e-201]);
    let small = log_cosh(&array![1e-5], &array![0.0]).unwrap().0;
    assert!((small / (0.5e-10 * (1.0 - 1e-10 / 6.0)) - 1.0).abs() < 1e-15, "{small:e}");
    // What is certain and right costs nothing, what is certain and wrong as much as cross-entropy.
    let (value, gradient) = focal(&array![800.0, -800.0], &array![1.0, 1.0], 2.0, None).unwrap();
    assert_eq!((value, gradient), (400.0, array![0.0, -0.5]));
    let (value, gradient) = poisson(&array![f64::NEG_INFINITY], &array![0.0]).unwrap();
    assert_eq!((value, gradient), (0.0, array![0.0]));
    let scores = array![[0.3, -1.2, 2.0]];
    let of_all = focal(&scores, &array![[1.0, 0.0, 1.0]], 0.0, None).unwrap().0;
    let plain = binary_cross_entropy(&scores, &array![[1.0, 0.0, 1.0]]).unwrap().0;
    assert!((of_all / plain - 1.0).abs() < 1e-15);
    let (at_minimum, slope) = quantile(&array![2.0], &array![2.0], 0.3).unwrap();
    assert_eq!((at_minimum, slope), (0.0, array![0.0]));
}

#[test]
fn what_the_other_losses_do_not_take_is_named() {
    let two = array![1.0, 2.0];
    let text = |error: Error| error.to_string();
    assert!(text(poisson(&two, &array![1.0, -1.0]).unwrap_err()).contains("-1 at index [1]"));
    assert!(
        text(focal(&two, &array![0.5, 1.0], 2.0, None).unwrap_err()).contains("0.5 at index [0]")
    );
    assert!(text(focal(&two, &two, -1.0, None).unwrap_err()).contains("gamma"));
    for bad in [0.0, 1.0, f64::NAN] {
        assert!(text(quantile(&two, &two, bad).unwrap_err()).contains("quantile"));
    }
    let scores = array![[1.0, 2.0]];
    for (classes, weights) in
        [(&[2][..], &[1.0][..]), (&[0], &[-1.0]), (&[0], &[f64::NAN]), (&[0], &[0.0]), (&[0], &[])]
    {
        assert!(weighted_cross_entropy(&scores, classes, weights).is_err(), "{weights:?}");
    }
    assert!(kl_divergence(&scores, &array![[0.5, 0.25]]).is_err());
}

#[test]
fn values_agree_with_the_formulas_written_out() {
    for seed in 0..20 {
        let scores = Numbers::new(seed).array(ROWS, CLASSES, 4.0);
        for (name, loss) in all() {
            let (value, expected) = (loss(&scores).unwrap().0, written_out(name, &scores));
            assert!((value / expected - 1.0).abs() < 1e-14, "{name}: {value} for {expected}");
        }
    }
}

/// Differences of the formula written out, at a fifth-order stencil whose error is below 1e-10.
#[test]
fn gradients_agree_with_central_differences() {
    const H: f64 = 1e-3;
    let (mut checked, mut all_of_them) = (0, 0);
    for seed in 0..5 {
        let scores = Numbers::new(seed).array(ROWS, CLASSES, 2.0);
        for (name, loss) in all() {
            let gradient: Array2<f64> = loss(&scores).unwrap().1;
            let largest = gradient.fold(0.0_f64, |l, g| l.max(g.abs()));
            for (index, &exact) in gradient.indexed_iter() {
                let at = |steps: f64| {
                    let mut moved = scores.clone();
                    moved[index] += steps * H;
                    written_out(name, &moved)
                };
                // Of the order of H⁶, but for the kinks, which the next test looks at.
                let difference = (45.0 * (at(1.0) - at(-1.0)) - 9.0 * (at(2.0) - at(-2.0))
                    + (at(3.0) - at(-3.0)))
                    / (60.0 * H);
                let one_sided = (at(3.0) - at(0.0)) - (at(0.0) - at(-3.0));
                let has_kink = name.ends_with("hinge") && one_sided.abs() > 1e-12
                    || name == "quantile" && (scores[index] - soft(&scores)[index]).abs() < 4.0 * H
                    || name == "huber" && {
                        let r = (scores[index] - soft(&scores)[index]).abs();
                        (r - 0.7).abs() < 4.0 * H
                    };
                let off = (difference - exact).abs() / largest;
                all_of_them += 1;
                checked += usize::from(!has_kink);
                assert!(has_kink || off < 1e-8, "{name}{index:?}: {exact} against {difference}");
            }
        }
    }
    assert!(checked > all_of_them * 19 / 20, "{checked} of {all_of_them}");
}

#[test]
fn at_a_kink_a_slope_of_one_of_the_sides_is_taken() {
    assert_eq!(hinge(&array![1.0], &array![1.0]).unwrap(), (0.0, array![0.0]));
    assert_eq!(huber(&array![0.5], &array![0.0], 0.5).unwrap(), (0.125, array![0.5]));
    let (value, gradient) = multiclass_hinge(&array![[1.0, 0.0, 0.0]], &[0]).unwrap();
    assert_eq!((value, gradient), (0.0, array![[0.0, 0.0, 0.0]]));
    let (value, gradient) = multiclass_hinge(&array![[0.0, 2.0, 2.0]], &[0]).unwrap();
    assert_eq!((value, gradient), (3.0, array![[-1.0, 1.0, 0.0]]));
}

#[test]
fn extreme_scores_neither_overflow_nor_lose_their_digits() {
    let (value, gradient) =
        softmax_cross_entropy(&array![[1e300, 0.0], [-1e300, 0.0]], &[0, 0]).unwrap();
    assert_eq!((value, gradient), (5e299, array![[0.0, 0.0], [-0.5, 0.5]]));

    // A class that is nearly certain: the loss is e⁻⁴⁰, not the 0 that ln(1 + e⁻⁴⁰) would be.
    let (value, gradient) = softmax_cross_entropy(&array![[40.0, 0.0]], &[0]).unwrap();
    let rest = (-40.0_f64).exp();
    assert!((value / rest - 1.0).abs() < 1e-15);
    assert!((gradient[[0, 0]] / -rest - 1.0).abs() < 1e-15);
    assert!((gradient[[0, 1]] / rest - 1.0).abs() < 1e-15);

    for t in [0.0, 0.25, 1.0] {
        let scores = array![1e4, -1e4, 40.0, -40.0];
        for (i, &s) in scores.iter().enumerate() {
            let one = |s: f64| binary_cross_entropy(&array![s], &array![t]).unwrap();
            let (value, gradient) = one(s);
            let rest = (-s.abs()).exp();
            let (p, q) = if s > 0.0 { (1.0, rest) } else { (rest, 1.0) };
            let expected =
                t * if s > 0.0 { rest } else { -s } + (1.0 - t) * if s > 0.0 { s } else { rest };
            let slope = if t == 1.0 { -q } else { p - t };
            let slope = if i >= 2 { slope / (1.0 + rest) } else { slope };
            assert!((value - expected).abs() <= 1e-15 * expected, "{s} {t}: {value} {expected}");
            assert!((gradient[0] - slope).abs() <= 1e-15 * slope.abs().max(t.min(1.0 - t)));
        }
    }
    let (value, _) = mean_squared_error(&array![1e5_f32, 1.0], &array![-1e25, 1.0]).unwrap();
    assert!((value / 5e49 - 1.0).abs() < 1e-7, "squared in f64");
    let (value, gradient) = huber(&array![1e300], &array![-1e300], 1.0).unwrap();
    assert_eq!((value, gradient[0]), (2e300, 1.0));
}

#[test]
fn a_masked_class_has_the_score_minus_infinity() {
    let scores = array![[0.0, f64::NEG_INFINITY, 0.0]];
    let (value, gradient) = softmax_cross_entropy(&scores, &[0]).unwrap();
    assert_eq!((value, gradient), (LN_2, array![[-0.5, 0.0, 0.5]]));
    let (value, gradient) = soft_cross_entropy(&scores, &array![[0.5, 0.0, 0.5]]).unwrap();
    assert_eq!((value, gradient), (LN_2, array![[0.0, 0.0, 0.0]]));
    assert_eq!(softmax_cross_entropy(&scores, &[1]).unwrap().0, f64::INFINITY);
    let certain = array![f64::INFINITY, f64::NEG_INFINITY];
    let (value, gradient) = binary_cross_entropy(&certain, &array![1.0, 0.0]).unwrap();
    assert_eq!((value, gradient), (0.0, array![0.0, 0.0]));
}

#[test]
fn a_nan_score_makes_the_value_nan() {
    for (name, loss) in all() {
        for at in [[0, 0], [1, 4], [2, 2], [5, 3]] {
            let mut scores = Numbers::new(1).array(ROWS, CLASSES, 30.0);
            scores[at] = f64::NAN;
            let (value, gradient) = loss(&scores).unwrap();
            assert!(value.is_nan(), "{name}");
            assert!(gradient[at].is_nan(), "{name}");
            let other = gradient.index_axis(Axis(0), 3);
            assert!(other.iter().all(|g| g.is_finite()), "{name}: NaN in another row");
        }
    }
    assert_eq!(zero_one(&array![[f64::NAN]], &[0]).unwrap(), 1.0);
    assert_eq!(zero_one(&array![[1.0, f64::NAN], [f64::NAN, 1.0]], &[0, 0]).unwrap(), 1.0);
    assert_eq!(binary_zero_one(&array![f64::NAN], &array![-1.0]).unwrap(), 1.0);
}

#[test]
fn single_precision_is_double_precision_rounded() {
    for seed in 0..10 {
        let scores: Array2<f32> = Numbers::new(seed).array(ROWS, CLASSES, 6.0);
        for ((name, single), (_, double)) in all::<f32>().into_iter().zip(all::<f64>()) {
            // Targets of f32 are not those of f64, by a rounding.
            let (value, gradient) = single(&scores).unwrap();
            let (expected, exact) = double(&scores.mapv(f64::from)).unwrap();
            assert!((value / expected - 1.0).abs() < 1e-6, "{name}: {value} for {expected}");
            for (g, exact) in gradient.iter().zip(&exact) {
                let allowed = 2e-8 + 1e-7 * exact.abs();
                assert!((f64::from(*g) - exact).abs() < allowed, "{name}: {g} for {exact}");
            }
        }
        let (value, _) = softmax_cross_entropy(&scores, &classes(ROWS)).unwrap();
        let (exact, _) = softmax_cross_entropy(&scores.mapv(f64::from), &classes(ROWS)).unwrap();
        assert_eq!(value, exact);
    }
}

#[test]
fn any_layout_gives_the_same_bits() {
    let scores: Array2<f64> = Numbers::new(3).array(ROWS, CLASSES, 3.0);
    for (name, loss) in all() {
        let (value, gradient) = loss(&scores).unwrap();
        in_layouts(&scores, |view| {
            let (there, by_view) = loss(&view).unwrap();
            assert_eq!(there.to_bits(), value.to_bits(), "{name}");
            assert_eq!(bits(by_view.view()), bits(gradient.view()), "{name}");
        });
    }
    // More elements than are summed at a time.
    let many: Array2<f64> = Numbers::new(4).array(700, 7, 3.0);
    let squares = |s: &ArrayRef2<f64>| mean_squared_error(s, &signs(s)).unwrap();
    in_layouts(&many, |view| assert_eq!(squares(&view), squares(&many)));

    let (value, gradient) = softmax_cross_entropy(&scores, &classes(ROWS)).unwrap();
    in_layouts(&Array2::zeros((ROWS, CLASSES)), |mut to| {
        let into = thalweg::loss::softmax_cross_entropy_into(&scores, &classes(ROWS), &mut to);
        assert_eq!(into.unwrap(), value);
        assert_eq!(to, gradient);
    });
    in_layouts(&Array2::zeros((ROWS, CLASSES)), |mut to| {
        let (value, gradient) = huber(&scores, &soft(&scores), 0.7).unwrap();
        let into = thalweg::loss::huber_into(&scores, &soft(&scores), 0.7, &mut to);
        assert_eq!(into.unwrap(), value);
        assert_eq!(to, gradient);
    });
}

#[test]
fn without_smoothing_it_is_the_plain_cross_entropy_and_certain_targets_are_classes() {
    let scores: Array2<f64> = Numbers::new(9).array(ROWS, CLASSES, 3.0);
    let plain = softmax_cross_entropy(&scores, &classes(ROWS)).unwrap();
    assert_eq!(smoothed_cross_entropy(&scores, &classes(ROWS), 0.0).unwrap(), plain);
    let certain = Array2::from_shape_fn((ROWS, CLASSES), |(i, j)| f64::from(j == classes(ROWS)[i]));
    let (value, gradient) = soft_cross_entropy(&scores, &certain).unwrap();
    assert!((value / plain.0 - 1.0).abs() < 1e-15);
    assert!((gradient - plain.1).iter().all(|d| d.abs() < 1e-16));
}

/// Over scores of every size, ties and zeros among them.
#[test]
fn surrogates_bound_the_zero_one_loss() {
    let mut numbers = Numbers::new(5);
    let mut seen = [0.0_f64; 2];
    for round in 0..2_000 {
        let size = 10.0_f64.powf(2.0 * numbers.next());
        let mut scores: Array2<f64> = numbers.array(1 + round % 4, CLASSES, size);
        if round % 3 == 0 {
            scores.mapv_inplace(|s| (s / size * 2.0).round());
        }
        let classes = classes(scores.nrows());
        let wrong = zero_one(&scores, &classes).unwrap();
        assert!((accuracy(&scores, &classes).unwrap() - (1.0 - wrong)).abs() < 1e-15);
        // Bounded to the rounding of a logarithm.
        let least = wrong * (1.0 - 1e-15);
        assert!(softmax_cross_entropy(&scores, &classes).unwrap().0 / LN_2 >= least);
        assert!(multiclass_hinge(&scores, &classes).unwrap().0 >= wrong);

        let signs = signs(&scores);
        let wrong_signs = binary_zero_one(&scores, &signs).unwrap();
        let targets = zeros_and_ones(&scores);
        assert_eq!(binary_zero_one(&scores, &targets).unwrap(), wrong_signs);
        let least = wrong_signs * (1.0 - 1e-15);
        assert!(hinge(&scores, &signs).unwrap().0 >= least);
        assert!(binary_cross_entropy(&scores, &targets).unwrap().0 / LN_2 >= least);
        seen = [seen[0].max(wrong), seen[1].max(1.0 - wrong)];
    }
    assert_eq!(seen, [1.0, 1.0], "all wrong and all right were among them");
}

#[test]
fn arrays_of_any_rank_have_the_mean_over_all_elements() {
    let (s, t) = (array![[[1.0], [3.0]], [[0.0], [0.0]]], ndarray::Array3::zeros((2, 2, 1)));
    assert_eq!(mean_squared_error(&s, &t).unwrap().0, 2.5);
    assert_eq!(mean_squared_error(&s.into_dyn(), &t.into_dyn()).unwrap().0, 2.5);
    let scalar = ndarray::arr0(3.0);
    assert_eq!(mean_squared_error(&scalar, &ndarray::arr0(1.0)).unwrap().1, ndarray::arr0(4.0));
}
