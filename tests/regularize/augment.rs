//! Distortions: the exact ones pixel by pixel, the random ones by their statistics.

use ndarray::{Array2, Array3, ArrayView2, Axis, array, s};
use rand::{Rng, SeedableRng, rngs::StdRng};
use thalweg::ErrorKind;
use thalweg::regularize::Augment;
use thalweg::regularize::augment::{Affine, Elastic, Warp};

use super::support::{Numbers, bits, in_layouts};

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn turned(image: &Array2<f64>, map: Affine) -> Array2<f64> {
    Warp::affine([image.nrows(), image.ncols()], map).unwrap().apply(image).unwrap()
}

fn everything() -> Augment {
    Augment::new().elastic(1.5, 4.0).rotate(20.0).shift(1.0).scale(0.8..=1.2).noise(0.05)
}

/// A smooth spot that fades out well before the border.
fn spot(rows: usize, columns: usize) -> Array2<f64> {
    let (y0, x0) = (rows as f64 * 0.55, columns as f64 * 0.42);
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        (-((i as f64 - y0).powi(2) / 12.0 + (j as f64 - x0).powi(2) / 6.0)).exp()
    })
}

/// Mass and centre of mass, relative to the centre of the image.
fn centroid(image: ArrayView2<'_, f64>) -> (f64, f64, f64) {
    let (rows, columns) = image.dim();
    let (mut mass, mut y, mut x) = (0.0, 0.0, 0.0);
    for ((i, j), &value) in image.indexed_iter() {
        mass += value;
        y += value * (i as f64 - (rows as f64 - 1.0) / 2.0);
        x += value * (j as f64 - (columns as f64 - 1.0) / 2.0);
    }
    (mass, y / mass, x / mass)
}

#[test]
fn whole_shifts_move_pixels_exactly() {
    let image: Array2<f64> = Numbers::new(1).array(6, 9, 1.0);
    for (down, right) in [(0_i32, 0_i32), (1, 0), (0, -2), (-3, 4), (5, -8), (6, 0), (100, 100)] {
        let shift = [f64::from(down), f64::from(right)];
        let shifted = turned(&image, Affine { shift, ..Affine::default() });
        for ((i, j), &value) in shifted.indexed_iter() {
            let from = (i as i32 - down, j as i32 - right);
            let inside = (0..6).contains(&from.0) && (0..9).contains(&from.1);
            let expected = if inside { image[[from.0 as usize, from.1 as usize]] } else { 0.0 };
            assert_eq!(value.to_bits(), expected.to_bits());
        }
    }
}

#[test]
fn quarter_turns_are_exact() {
    for n in [1, 2, 7, 8] {
        let image: Array2<f64> = Numbers::new(2).array(n, n, 1.0);
        let quarter = image.t().slice(s![..;-1, ..]).to_owned();
        let half = image.slice(s![..;-1, ..;-1]).to_owned();
        let three_quarters = half.t().slice(s![..;-1, ..]).to_owned();
        let cases =
            [(90.0, quarter), (180.0, half), (270.0, three_quarters), (360.0, image.clone())];
        for (degrees, expected) in cases {
            for degrees in [degrees, degrees - 360.0, degrees + 720.0] {
                let map = Affine { degrees, ..Affine::default() };
                assert_eq!(bits(turned(&image, map).view()), bits(expected.view()), "{degrees}");
            }
        }
    }
    let wide: Array2<f64> = Numbers::new(3).array(3, 8, 1.0);
    let half = turned(&wide, Affine { degrees: 180.0, ..Affine::default() });
    assert_eq!(half, wide.slice(s![..;-1, ..;-1]));
}

#[test]
fn half_a_pixel_is_the_mean_of_two_and_of_four() {
    let image = array![[1.0, 2.0, 5.0], [3.0, 9.0, 0.0]];
    let right = turned(&image, Affine { shift: [0.0, 0.5], ..Affine::default() });
    assert_eq!(right, array![[0.5, 1.5, 3.5], [1.5, 6.0, 4.5]]);
    let both = turned(&image, Affine { shift: [0.5, 0.5], ..Affine::default() });
    assert_eq!(both, array![[0.25, 0.75, 1.75], [1.0, 3.75, 4.0]]);
    let warp = Warp::affine([2, 3], Affine { shift: [0.0, 0.5], ..Affine::default() }).unwrap();
    let filled = warp.apply_with_fill(&image, 3.0).unwrap();
    assert_eq!(filled, array![[2.0, 1.5, 3.5], [3.0, 6.0, 4.5]]);
}

/// Bilinear interpolation in another form: a sum over all pixels, each with a weight that falls from 1 at
/// the pixel to 0 at its neighbours.
#[test]
fn a_pixel_is_the_sum_over_all_of_the_image_under_a_tent() {
    let image: Array2<f64> = Numbers::new(10).array(5, 7, 1.0);
    let mut numbers = Numbers::new(11);
    let field = Array3::from_shape_simple_fn((2, 5, 7), || 3.0 * numbers.next());
    let warp = Warp::identity([5, 7]).displaced(&field).unwrap();
    let (sources, moved) = (warp.sources(), warp.apply(&image).unwrap());
    let tent = |distance: f64| (1.0 - distance.abs()).max(0.0);
    for ((i, j), value) in moved.indexed_iter() {
        assert_eq!(sources[[0, i, j]], i as f64 + field[[0, i, j]]);
        let weigh = |((a, b), pixel): ((usize, usize), &f64)| {
            tent(sources[[0, i, j]] - a as f64) * tent(sources[[1, i, j]] - b as f64) * pixel
        };
        let expected: f64 = image.indexed_iter().map(weigh).sum();
        assert!((value - expected).abs() < 1e-14, "{i} {j}: {value} for {expected}");
    }
}

#[test]
fn zero_strength_is_the_identity_bit_for_bit() {
    let mut image: Array2<f64> = Numbers::new(4).array(5, 8, 1.0);
    image[[0, 0]] = -0.0;
    image[[1, 1]] = f64::NAN;
    image[[4, 7]] = f64::INFINITY;
    let off = Augment::new().elastic(2.0, 0.0).rotate(0.0).shift(0.0).scale(1.0..=1.0).noise(0.0);
    for augment in [Augment::new(), off, Augment::new().elastic(0.0, 0.0)] {
        assert_eq!(bits(augment.image(&image, &mut rng(1)).unwrap().view()), bits(image.view()));
        let warp = augment.warp([5, 8], &mut rng(1)).unwrap();
        assert_eq!(warp, Warp::identity([5, 8]));
        assert_eq!(bits(warp.apply(&image).unwrap().view()), bits(image.view()));
    }
    let sources = Warp::identity([2, 2]).sources();
    assert_eq!(sources, array![[[0.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]);
}

/// Away from the border, bilinear interpolation keeps the mass and moves its centre with the image.
#[test]
fn mass_and_centroid_follow_the_map() {
    let image = spot(40, 36);
    let (mass, y, x) = centroid(image.view());
    let (down, right) = (2.3, -1.7);
    let moved = turned(&image, Affine { shift: [down, right], ..Affine::default() });
    let (m, my, mx) = centroid(moved.view());
    assert!((m / mass - 1.0).abs() < 1e-8);
    assert!((my - y - down).abs() < 1e-6 && (mx - x - right).abs() < 1e-6);

    let degrees = 30.0_f64;
    let (m, my, mx) = centroid(turned(&image, Affine { degrees, ..Affine::default() }).view());
    let (sin, cos) = degrees.to_radians().sin_cos();
    assert!((m / mass - 1.0).abs() < 1e-3);
    assert!((my - (y * cos - x * sin)).abs() < 1e-3);
    assert!((mx - (x * cos + y * sin)).abs() < 1e-3);

    let (m, my, mx) = centroid(turned(&image, Affine { scale: 1.25, ..Affine::default() }).view());
    assert!((m / mass / 1.25 / 1.25 - 1.0).abs() < 2e-3);
    assert!((my / y / 1.25 - 1.0).abs() < 1e-2 && (mx / x / 1.25 - 1.0).abs() < 1e-2);
}

#[test]
fn the_gaussian_is_normalized_symmetric_and_of_its_width() {
    for sigma in [0.0, 0.3, 1.0, 2.5, 4.0, 20.0] {
        let kernel = Elastic { sigma, alpha: 1.0 }.kernel().unwrap();
        let reach = (4.0 * sigma).ceil();
        assert_eq!(kernel.len(), 2 * reach as usize + 1);
        assert!((kernel.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        assert!(kernel.iter().eq(kernel.iter().rev()));
        let variance: f64 =
            kernel.iter().enumerate().map(|(i, k)| k * (i as f64 - reach).powi(2)).sum();
        // Below a pixel, whole numbers do not see the width.
        let off = if sigma < 1.0 { 0.0 } else { variance / (sigma * sigma) - 1.0 };
        assert!(off.abs() < 2e-3, "{sigma}: {variance}");
    }
}

/// The field written out: numbers in the documented order, and a sum over all of them for each pixel.
#[test]
fn a_field_is_the_convolution_written_out() {
    let (elastic, rows, columns) = (Elastic { sigma: 0.8, alpha: 3.0 }, 4, 5);
    let field = elastic.field([rows, columns], &mut rng(3)).unwrap();
    let kernel = elastic.kernel().unwrap();
    let mut draws = rng(3);
    for k in 0..2 {
        let around = kernel.len() - 1;
        let numbers = Array2::from_shape_simple_fn((rows + around, columns + around), || {
            (f64::from(draws.next_u32()) + 0.5) / 2.0_f64.powi(31) - 1.0
        });
        for i in 0..rows {
            for j in 0..columns {
                let mut sum = 0.0;
                for (a, ka) in kernel.iter().enumerate() {
                    for (b, kb) in kernel.iter().enumerate() {
                        sum += ka * kb * numbers[[i + a, j + b]];
                    }
                }
                assert!((field[[k, i, j]] - 3.0 * sum).abs() < 1e-14);
            }
        }
    }
}

/// Mean and variance of one component at each pixel over many fields, the corner as the middle: within
/// 5.5 standard errors, which one of 128 such statistics exceeds with probability 5e-6.
#[test]
fn displacements_have_the_predicted_standard_deviation_everywhere() {
    const FIELDS: usize = 4_000;
    let elastic = Elastic { sigma: 2.0, alpha: 10.0 };
    let squares: f64 = elastic.kernel().unwrap().iter().map(|k| k * k).sum();
    let deviation = 10.0 * squares / 3.0_f64.sqrt();
    let continuous = 10.0 / (2.0 * 2.0 * (3.0 * std::f64::consts::PI).sqrt());
    assert!((deviation / continuous - 1.0).abs() < 2e-4, "{deviation}, {continuous}");

    let mut rng = rng(7);
    let (mut sum, mut square) = (Array3::<f64>::zeros((2, 4, 4)), Array3::<f64>::zeros((2, 4, 4)));
    for _ in 0..FIELDS {
        let field = elastic.field([4, 4], &mut rng).unwrap();
        square += &field.mapv(|d| d * d);
        sum += &field;
    }
    let n = FIELDS as f64;
    for (sum, square) in sum.iter().zip(&square) {
        let mean = sum / n / (deviation / n.sqrt());
        // The displacements are nearly normal, whose variance has the standard error √(2/n).
        let spread = (square / n / deviation.powi(2) - 1.0) / (2.0 / n).sqrt();
        assert!(mean.abs() < 5.5 && spread.abs() < 5.5, "{mean}, {spread}");
    }
}

#[test]
fn random_moves_are_uniform_in_their_ranges() {
    const N: usize = 20_000;
    let augment = Augment::new().rotate(40.0).shift(3.0).scale(0.5..=1.5);
    let mut rng = rng(11);
    let mut draws = Vec::new();
    for _ in 0..N {
        // Back from where three pixels of a 3x3 image come from.
        let sources = augment.warp([3, 3], &mut rng).unwrap().sources();
        let at = |i: usize, j: usize| [sources[[0, i, j]], sources[[1, i, j]]];
        let (centre, below) = (at(1, 1), at(2, 1));
        let (dy, dx) = (below[0] - centre[0], below[1] - centre[1]);
        let scale = 1.0 / dy.hypot(dx);
        let degrees = (-dx).atan2(dy).to_degrees();
        let (y, x) = (1.0 - centre[0], 1.0 - centre[1]);
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (down, right) = (scale * (y * cos - x * sin), scale * (x * cos + y * sin));
        draws.push([degrees / 40.0, (scale - 1.0) / 0.5, down / 3.0, right / 3.0]);
    }
    for k in 0..4 {
        let of = |power: i32| draws.iter().map(|d| d[k].powi(power)).sum::<f64>() / N as f64;
        assert!(draws.iter().all(|d| d[k].abs() <= 1.0 + 1e-9), "{k} is out of its range");
        // Uniform in [-1, 1]: mean 0, variance 1/3; the square has mean 1/3 and variance 4/45.
        assert!((of(1) * (3.0 * N as f64).sqrt()).abs() < 5.0, "mean of {k}");
        assert!(
            ((of(2) - 1.0 / 3.0) * (45.0 / 4.0 * N as f64).sqrt()).abs() < 5.0,
            "spread of {k}"
        );
    }
}

#[test]
fn noise_is_added_last_with_its_standard_deviation() {
    let image: Array2<f64> = Numbers::new(5).array(200, 201, 1.0);
    let noisy = Augment::new().noise(0.25).image(&image, &mut rng(13)).unwrap();
    let z = (&noisy - &image) / 0.25;
    let n = z.len() as f64;
    assert!((z.sum() / n.sqrt()).abs() < 5.0);
    assert!((z.mapv(|z| z * z).sum() - n).abs() / (2.0 * n).sqrt() < 5.0);
    // Pixels that come from outside have it too.
    let away = Augment::new().shift(1e6).noise(0.25).fill(2.0);
    let outside = away.image(&image, &mut rng(13)).unwrap();
    let z = (outside - 2.0) / 0.25;
    assert!((z.sum() / n.sqrt()).abs() < 5.0);
    assert!((z.mapv(|z| z * z).sum() - n).abs() / (2.0 * n).sqrt() < 5.0);
}

#[test]
fn one_pass_joins_all_moves() {
    let image: Array2<f64> = spot(16, 16);
    let augment = everything().noise(0.0);
    let at_once = augment.image(&image, &mut rng(17)).unwrap();
    let warp = augment.warp([16, 16], &mut rng(17)).unwrap();
    assert_eq!(warp.apply(&image).unwrap(), at_once);
    // The sources are those of the affine map, with the field on top.
    let affine = Augment::new().rotate(20.0).shift(1.0).scale(0.8..=1.2);
    let mut draws = rng(17);
    let sources = affine.warp([16, 16], &mut draws).unwrap();
    let field = Elastic { sigma: 1.5, alpha: 4.0 }.field([16, 16], &mut draws).unwrap();
    assert_eq!(sources.displaced(&field).unwrap(), warp);
}

#[test]
fn the_same_seed_gives_the_same_image_whatever_the_layout_and_the_precision() {
    let single: Array2<f32> = Numbers::new(6).array(8, 12, 1.0);
    let image = single.mapv(f64::from);
    let expected = everything().image(&image, &mut rng(19)).unwrap();
    in_layouts(&image, |view| {
        let distorted = everything().image(&view, &mut rng(19)).unwrap();
        assert_eq!(bits(distorted.view()), bits(expected.view()));
        assert_eq!(bits(view.view()), bits(image.view()));
    });
    let distorted = everything().image(&single, &mut rng(19)).unwrap();
    assert_eq!(distorted, expected.mapv(|x| x as f32));
    assert_ne!(everything().image(&image, &mut rng(20)).unwrap(), expected);
}

#[test]
fn a_batch_is_its_images_one_after_the_other() {
    let images: Array2<f32> = Numbers::new(8).array(5, 6 * 7, 1.0);
    let rows = everything().rows(&images, [6, 7], &mut rng(23)).unwrap();
    assert_eq!(rows.dim(), (5, 42));
    let cube = images.to_shape((5, 6, 7)).unwrap();
    let batch = everything().images(&cube, &mut rng(23)).unwrap();
    let mut draws = rng(23);
    for i in 0..5 {
        let one = everything().image(&cube.index_axis(Axis(0), i), &mut draws).unwrap();
        assert_eq!(one, batch.index_axis(Axis(0), i));
        assert!(one.iter().eq(rows.row(i)));
    }
    in_layouts(&images, |view| {
        assert_eq!(everything().rows(&view, [6, 7], &mut rng(23)).unwrap(), rows);
    });
    for (shape, size) in [([0, 7], 0), ([6, 0], 0)] {
        let empty = Array2::<f32>::zeros((3, size));
        assert_eq!(everything().rows(&empty, shape, &mut rng(1)).unwrap().dim(), (3, 0));
    }
    let none = Array2::<f32>::zeros((0, 42));
    assert_eq!(everything().rows(&none, [6, 7], &mut rng(1)).unwrap().dim(), (0, 42));
}

#[test]
fn parameters_out_of_range_are_named() {
    let nan = f64::NAN;
    let new = Augment::new;
    let cases = [
        (
            "sigma",
            vec![new().elastic(-1.0, 1.0), new().elastic(1001.0, 1.0), new().elastic(nan, 1.0)],
        ),
        ("alpha", vec![new().elastic(1.0, -1.0), new().elastic(1.0, f64::INFINITY)]),
        ("rotate", vec![new().rotate(-1.0), new().rotate(181.0), new().rotate(nan)]),
        ("shift", vec![new().shift(-1.0), new().shift(nan)]),
        ("noise", vec![new().noise(-1.0), new().noise(nan)]),
        (
            "scale",
            vec![
                new().scale(0.0..=1.0),
                new().scale(1.0..=nan),
                new().scale(-1.0..=1.0),
                #[allow(clippy::reversed_empty_ranges)]
                new().scale(1.2..=0.8),
            ],
        ),
    ];
    let image = Array2::<f32>::zeros((4, 4));
    for (expected, augments) in cases {
        for augment in augments {
            let (mut used, mut unused) = (rng(1), rng(1));
            let error = augment.image(&image, &mut used).unwrap_err();
            match error.kind() {
                ErrorKind::Hyperparameter { name, .. } => assert_eq!(*name, expected),
                kind => panic!("{kind}"),
            }
            assert_eq!(used.next_u64(), unused.next_u64(), "an error draws nothing");
        }
    }
    for map in [
        Affine { degrees: nan, ..Affine::default() },
        Affine { scale: 0.0, ..Affine::default() },
        Affine { shift: [0.0, f64::INFINITY], ..Affine::default() },
    ] {
        let error = Warp::affine([2, 2], map).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { owner: "Affine", .. }));
    }
}

#[test]
fn other_shapes_are_refused() {
    let rows = Array2::<f32>::zeros((3, 64));
    let error = Augment::new().rows(&rows, [8, 9], &mut rng(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Augment: the batch of rows of height·width pixels has shape [3, 64] instead of [3, 72]; \
         nothing is broadcast"
    );
    assert!(Augment::new().rows(&rows, [usize::MAX, 2], &mut rng(1)).is_err());
    let warp = Warp::identity([3, 3]);
    assert!(matches!(warp.apply(&rows).unwrap_err().kind(), ErrorKind::Shape { .. }));
    let error = warp.displaced(&Array3::zeros((2, 3, 4))).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shape { .. }));
}

#[test]
fn sources_far_away_or_nowhere_lie_outside() {
    for far in [1e300, f64::INFINITY, f64::NAN] {
        let field = Array3::from_elem((2, 2, 2), far);
        let warp = Warp::identity([2, 2]).displaced(&field).unwrap();
        let moved = warp.apply_with_fill(&Array2::<f64>::ones((2, 2)), 7.0).unwrap();
        assert!(moved.iter().all(|&x| x == 7.0));
    }
}

/// Classes of which 2 is not one: what lies between 1 and 3.
fn classes() -> Array2<f64> {
    Array2::from_shape_fn((16, 16), |(i, j)| {
        if i < 8 {
            0.0
        } else if j < 8 {
            1.0
        } else {
            3.0
        }
    })
}

#[test]
fn labels_keep_their_classes_under_any_distortion() {
    let labels = classes();
    for seed in 0..20 {
        let augment = everything().rotate(20.0).elastic(4.0, 34.0);
        let warp = augment.warp([16, 16], &mut rng(seed)).unwrap();
        let warped = warp.apply_nearest(&labels, -1.0).unwrap();
        assert!(warped.iter().all(|x| [0.0, 1.0, 3.0, -1.0].contains(x)));
        // By hand, from where each pixel comes from.
        let sources = warp.sources();
        let whole = labels.mapv(|x| x as i16);
        let by_type = (
            warp.apply_nearest(&whole, -1).unwrap(),
            warp.apply_nearest(&labels.mapv(|x| x > 0.0), false).unwrap(),
            warp.apply_nearest(&labels.mapv(|x| if x > 0.0 { 'a' } else { 'b' }), '-').unwrap(),
        );
        for ((i, j), &found) in warped.indexed_iter() {
            let at = |k: usize| (sources[[k, i, j]] + 0.5).floor();
            let (row, column) = (at(0), at(1));
            let inside = (0.0..16.0).contains(&row) && (0.0..16.0).contains(&column);
            let expected = if inside { labels[[row as usize, column as usize]] } else { -1.0 };
            assert_eq!(found, expected, "({i}, {j})");
            assert_eq!(f64::from(by_type.0[[i, j]]), expected);
            assert_eq!(by_type.1[[i, j]], expected > 0.0);
            let character = if !inside {
                '-'
            } else if expected > 0.0 {
                'a'
            } else {
                'b'
            };
            assert_eq!(by_type.2[[i, j]], character);
        }
    }
}

#[test]
fn where_pixels_go_to_pixels_the_nearest_is_the_interpolated() {
    let labels = classes();
    for (degrees, shift) in [(0.0, [0.0, 0.0]), (90.0, [0.0, 0.0]), (180.0, [2.0, -3.0])] {
        let warp = Warp::affine([16, 16], Affine { degrees, scale: 1.0, shift }).unwrap();
        let nearest = warp.apply_nearest(&labels, 0.0).unwrap();
        assert_eq!(nearest, warp.apply(&labels).unwrap());
        in_layouts(&labels, |labels| {
            assert_eq!(warp.apply_nearest(&labels, 0.0).unwrap(), nearest);
        });
    }
}

#[test]
fn halves_outsides_and_what_is_no_number_are_decided() {
    let of = |source: f64| {
        let mut field = Array3::zeros((2, 1, 3));
        field[[1, 0, 0]] = source;
        let warp = Warp::identity([1, 3]).displaced(&field).unwrap();
        warp.apply_nearest(&array![[10_u8, 20, 30]], 255).unwrap()[[0, 0]]
    };
    for (source, expected) in [
        (0.0, 10),
        (0.499_999_999_999_999_94, 10),
        (0.5, 20),
        (1.5, 30),
        (2.0, 30),
        (2.499, 30),
        (2.5, 255),
        (-0.5, 10),
        (-0.500_1, 255),
        (1e300, 255),
        (-1e300, 255),
        (f64::NAN, 255),
        (f64::INFINITY, 255),
    ] {
        assert_eq!(of(source), expected, "{source}");
    }
    for shape in [[usize::MAX, 2], [1 << 31, 1 << 31]] {
        let affine = Affine { degrees: 1.0, scale: 1.0, shift: [0.0, 0.0] };
        let error = Warp::affine(shape, affine).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "shape", .. }), "{error}");
        assert!(Augment::new().warp(shape, &mut rng(1)).is_err());
    }
    let error = Warp::identity([2, 3]).apply_nearest(&array![[1_u8]], 0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shape { owner: "Warp", .. }), "{error}");
    assert_eq!(
        Warp::identity([0, 3]).apply_nearest(&Array2::<u8>::zeros((0, 3)), 0).unwrap().len(),
        0
    );
}
