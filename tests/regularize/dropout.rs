//! Dropout's masks: their statistics, their layout, and what goes back through them.
//!
//! A statistic is held to 5 standard deviations of its distribution, which a right generator exceeds
//! with probability 6e-7; the seeds are fixed.

use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, IxDyn, array};
use rand::{Rng, SeedableRng, rngs::StdRng};
use thalweg::ErrorKind;
use thalweg::regularize::{DropConnect, Dropout, Mode};

use super::support::{Numbers, bits, in_layouts};

const SIGMAS: f64 = 5.0;

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Which of n units one pass keeps.
fn kept(dropout: &mut Dropout, n: usize, rng: &mut StdRng) -> Vec<bool> {
    let mut x = Array1::<f32>::ones(n);
    dropout.forward(&mut x, rng).unwrap();
    x.iter().map(|&x| x != 0.0).collect()
}

#[test]
fn the_mask_is_a_number_a_unit_against_a_threshold() {
    let x: Array2<f64> = Numbers::new(1).array(7, 11, 3.0);
    for rate in [0.0, 0.1, 0.5, 0.75, 0.999] {
        let mut dropped = x.clone();
        Dropout::new(rate).forward(&mut dropped, &mut rng(4)).unwrap();
        let mut draws = rng(4);
        for (&x, &d) in x.iter().zip(&dropped) {
            let is_dropped = f64::from(draws.next_u32()) / 2.0_f64.powi(32) < rate;
            assert_eq!(d, if is_dropped { 0.0 } else { x * (1.0 / (1.0 - rate)) });
        }
    }
}

#[test]
fn the_rate_is_the_fraction_dropped() {
    const N: usize = 1_000_000;
    for (seed, rate) in (0..).zip([0.001, 0.1, 0.3, 0.5, 0.8, 0.99]) {
        let dropped =
            kept(&mut Dropout::new(rate), N, &mut rng(seed)).iter().filter(|k| !*k).count();
        let off = (dropped as f64 - rate * N as f64) / (N as f64 * rate * (1.0 - rate)).sqrt();
        assert!(off.abs() < SIGMAS, "{rate}: {off} standard deviations off");
    }
}

#[test]
fn the_expectation_of_each_unit_is_kept() {
    const PASSES: usize = 20_000;
    let x: Array2<f64> = Numbers::new(2).array(3, 4, 2.0);
    for (seed, rate) in (10..).zip([0.2, 0.5, 0.9]) {
        let (mut dropout, mut rng) = (Dropout::new(rate), rng(seed));
        let mut sum = Array2::zeros(x.raw_dim());
        for _ in 0..PASSES {
            let mut dropped = x.clone();
            dropout.forward(&mut dropped, &mut rng).unwrap();
            sum += &dropped;
        }
        for (&sum, &x) in sum.iter().zip(&x) {
            let deviation = x.abs() * (rate / (1.0 - rate) / PASSES as f64).sqrt();
            let off = (sum / PASSES as f64 - x) / deviation;
            assert!(off.abs() < SIGMAS, "{rate}: {off} standard deviations off");
        }
    }
}

/// Counts of all patterns of 8 units in a row, against those of independent units: χ² with 255 degrees
/// of freedom, made normal by the cube root (Wilson & Hilferty, 1931).
#[test]
fn units_are_dropped_independently_of_their_neighbours() {
    const GROUPS: usize = 200_000;
    for (seed, rate) in (20..).zip([0.3, 0.5]) {
        let kept = kept(&mut Dropout::new(rate), 8 * GROUPS, &mut rng(seed));
        let mut counts = [0.0; 256];
        for group in kept.chunks(8) {
            counts[group.iter().fold(0, |code, &kept| 2 * code + usize::from(kept))] += 1.0;
        }
        let chi_square: f64 = (0_usize..256)
            .map(|code| {
                let ones = code.count_ones() as i32;
                let expected = GROUPS as f64 * (1.0 - rate).powi(ones) * rate.powi(8 - ones);
                (counts[code] - expected) * (counts[code] - expected) / expected
            })
            .sum();
        let spread = 2.0 / (9.0 * 255.0);
        let off = ((chi_square / 255.0).cbrt() - (1.0 - spread)) / f64::sqrt(spread);
        assert!(off.abs() < SIGMAS, "{rate}: χ² = {chi_square}, {off} standard deviations off");
    }
}

#[test]
fn passes_and_distant_units_are_uncorrelated() {
    const N: usize = 300_000;
    let rate = 0.4;
    let (mut dropout, mut rng) = (Dropout::new(rate), rng(30));
    let first = kept(&mut dropout, N, &mut rng);
    let second = kept(&mut dropout, N, &mut rng);
    let centred = |kept: bool| if kept { rate } else { rate - 1.0 };
    let correlation = |pairs: &mut dyn Iterator<Item = (&bool, &bool)>| {
        let (sum, n) = pairs.fold((0.0, 0.0), |(sum, n), (&a, &b)| {
            (sum + centred(a) * centred(b) / (rate * (1.0 - rate)), n + 1.0)
        });
        sum / f64::sqrt(n)
    };
    let off = correlation(&mut first.iter().zip(&second));
    assert!(off.abs() < SIGMAS, "passes: {off} standard deviations");
    for lag in [1, 2, 16, 64, 100, 4096] {
        let off = correlation(&mut first.iter().zip(&first[lag..]));
        assert!(off.abs() < SIGMAS, "lag {lag}: {off} standard deviations");
    }
}

#[test]
fn channels_are_dropped_whole_at_the_rate_and_for_each_example_anew() {
    const EXAMPLES: usize = 5_000;
    let rate = 0.3;
    let mut images = Array4::<f32>::ones((EXAMPLES, 8, 3, 2));
    let mut dropout = Dropout::channels(rate, Axis(1));
    dropout.forward(&mut images, &mut rng(40)).unwrap();
    let mut is_kept = Array2::from_elem((EXAMPLES, 8), false);
    for i in 0..EXAMPLES {
        for c in 0..8 {
            let channel = images.index_axis(Axis(0), i).index_axis_move(Axis(0), c);
            let first = channel[[0, 0]];
            assert!(channel.iter().all(|&x| x == first), "a channel is dropped in part");
            assert!(first == 0.0 || first == 1.0 / (1.0 - 0.3_f64) as f32);
            is_kept[[i, c]] = first != 0.0;
        }
    }
    let n = is_kept.len() as f64;
    let dropped = is_kept.iter().filter(|k| !**k).count() as f64;
    assert!(((dropped - rate * n) / (n * rate * (1.0 - rate)).sqrt()).abs() < SIGMAS);
    // All 256 patterns of an example but the rarest occur: no channel follows another.
    let patterns: std::collections::BTreeSet<Vec<bool>> =
        is_kept.rows().into_iter().map(|row| row.to_vec()).collect();
    assert!(patterns.len() > 200, "{} patterns", patterns.len());

    let mut gradient = Array4::<f32>::ones(images.raw_dim());
    dropout.backward(&mut gradient).unwrap();
    assert_eq!(gradient, images);
}

#[test]
fn the_channels_of_a_single_image_lie_along_axis_0() {
    let mut image = Array3::<f64>::ones((20, 2, 3));
    Dropout::channels(0.5, Axis(0)).forward(&mut image, &mut rng(2)).unwrap();
    let kept: Vec<bool> = image.outer_iter().map(|channel| channel[[0, 0]] != 0.0).collect();
    assert!(kept.contains(&true) && kept.contains(&false));
    for channel in image.outer_iter() {
        assert!(channel.iter().all(|&x| x == channel[[0, 0]]));
    }
    // Channels last: n × height × width × channels.
    let mut images = Array4::<f64>::ones((2, 3, 4, 9));
    Dropout::channels(0.5, Axis(3)).forward(&mut images, &mut rng(2)).unwrap();
    for channels in images.outer_iter() {
        assert!(
            channels.rows().into_iter().all(|row| row == channels.slice(ndarray::s![0, 0, ..]))
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_mask_whatever_the_layout_and_the_precision() {
    let x: Array2<f64> = Numbers::new(3).array(13, 9, 1.0).mapv(|x: f64| x + 2.0);
    for make in [|| Dropout::new(0.4), || Dropout::channels(0.4, Axis(1))] {
        let mut expected = x.clone();
        make().forward(&mut expected, &mut rng(5)).unwrap();
        assert!(expected.iter().any(|&x| x == 0.0));
        in_layouts(&x, |mut view| {
            let mut dropout = make();
            dropout.forward(&mut view, &mut rng(5)).unwrap();
            assert_eq!(bits(view.view()), bits(expected.view()));
            let mut gradient = Array2::<f64>::ones((13, 9));
            dropout.backward(&mut gradient).unwrap();
            assert_eq!(gradient, expected.mapv(|x| if x == 0.0 { 0.0 } else { 1.0 / 0.6 }));
        });
        let mut single = x.mapv(|x| x as f32);
        make().forward(&mut single, &mut rng(5)).unwrap();
        assert!(single.iter().zip(&expected).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
    }
}

#[test]
fn arrays_of_any_rank_are_taken() {
    for shape in [vec![], vec![50], vec![4, 5], vec![2, 3, 4], vec![2, 1, 3, 2, 2], vec![3, 0, 2]] {
        let mut x = ArrayD::<f32>::ones(IxDyn(&shape));
        let mut dropout = Dropout::new(0.5);
        dropout.forward(&mut x, &mut rng(6)).unwrap();
        assert!(x.iter().all(|&x| x == 0.0 || x == 2.0));
        assert!(shape.len() < 2 || x.is_empty() || x.iter().any(|&x| x == 0.0));
        let mut gradient = ArrayD::<f32>::ones(IxDyn(&shape));
        dropout.backward(&mut gradient).unwrap();
        assert_eq!(gradient, x);
    }
}

#[test]
fn a_dropped_unit_is_zero_whatever_it_was() {
    let mut x = array![f64::NAN, f64::INFINITY, -1.0, f64::NAN, f64::NEG_INFINITY, 5.0];
    Dropout::new(1.0 - 1e-12).forward(&mut x, &mut rng(1)).unwrap();
    assert_eq!(bits(x.view().insert_axis(Axis(0))), [0; 6]);
}

#[test]
fn in_evaluation_nothing_is_dropped_and_nothing_drawn() {
    let x: Array2<f64> = Numbers::new(4).array(5, 5, 1.0);
    let (mut same, mut before, mut after) = (x.clone(), rng(7), rng(7));
    let mut dropout = Dropout::new(0.5);
    dropout.set_mode(Mode::Evaluation);
    dropout.forward(&mut same, &mut after).unwrap();
    dropout.backward(&mut same).unwrap();
    assert_eq!(same, x);
    assert_eq!(before.next_u64(), after.next_u64());

    dropout.set_mode(Mode::Training);
    dropout.forward(&mut same, &mut after).unwrap();
    assert_ne!(same, x);
    assert_eq!((dropout.rate(), dropout.mode()), (0.5, Mode::Training));
}

#[test]
fn a_rate_of_zero_is_the_identity_bit_for_bit() {
    let x = array![[0.1, -0.0, f64::INFINITY, 1e-310]];
    let mut same = x.clone();
    Dropout::new(0.0).forward(&mut same, &mut rng(8)).unwrap();
    assert_eq!(bits(same.view()), bits(x.view()));
}

#[test]
fn drop_connect_leaves_the_weights_and_masks_their_gradient() {
    let weight: Array2<f64> = Numbers::new(5).array(40, 30, 1.0);
    let mut drop_connect = DropConnect::new(0.25);
    in_layouts(&Array2::zeros((40, 30)), |mut masked| {
        drop_connect.forward(&weight, &mut masked, &mut rng(9)).unwrap();
        let mut expected = weight.clone();
        Dropout::new(0.25).forward(&mut expected, &mut rng(9)).unwrap();
        assert_eq!(masked, expected);
    });
    // The chain rule: d(masked)/d(weight) is the mask, times the factor.
    let mut gradient = weight.mapv(|_| 3.0);
    drop_connect.backward(&mut gradient).unwrap();
    let dropped = gradient.iter().filter(|&&g| g == 0.0).count();
    assert!(gradient.iter().all(|&g| g == 0.0 || g == 3.0 * (1.0 / 0.75)));
    assert!((200..400).contains(&dropped), "{dropped} of 1200");

    drop_connect.set_mode(Mode::Evaluation);
    let mut masked = Array2::zeros((40, 30));
    drop_connect.forward(&weight, &mut masked, &mut rng(9)).unwrap();
    assert_eq!(masked, weight);
}

#[test]
fn misuse_is_an_error_that_says_what_to_do() {
    let mut gradient = array![1.0, 2.0];
    let error = Dropout::new(0.5).backward(&mut gradient).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Dropout: there is no forward pass to go back through; call `forward` first"
    );
    let error = DropConnect::new(0.5).backward(&mut gradient).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NoForward { owner: "DropConnect" });

    let mut dropout = Dropout::new(0.5);
    dropout.forward(&mut Array1::<f64>::ones(3), &mut rng(1)).unwrap();
    let error = dropout.backward(&mut gradient).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Dropout: the gradient has shape [2] instead of [3]; nothing is broadcast"
    );

    for bad in [-0.1, 1.0, 1.5, f64::NAN] {
        let mut drop_connect = DropConnect::new(bad);
        for error in [
            Dropout::new(bad).forward(&mut gradient, &mut rng(1)).unwrap_err(),
            drop_connect.forward(&array![1.0], &mut array![0.0], &mut rng(1)).unwrap_err(),
        ] {
            assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "rate", .. }));
        }
    }
    let error = Dropout::channels(0.5, Axis(1)).forward(&mut gradient, &mut rng(1)).unwrap_err();
    assert_eq!(error.to_string(), "Dropout: the array has 1 axes, counted from 0, and no axis 1");
    let mut masked = array![[7.0]];
    let error = DropConnect::new(0.5).forward(&array![[1.0, 2.0]], &mut masked, &mut rng(1));
    assert!(matches!(error.unwrap_err().kind(), ErrorKind::Shape { .. }));
    assert_eq!((gradient, masked[[0, 0]]), (array![1.0, 2.0], 7.0));
}
