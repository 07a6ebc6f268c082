//! The bits do not depend on how the parameters are split into leaves, but where a norm couples a
//! leaf: such a rule is about leaves.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayD, ShapeBuilder, s};
use thalweg::{Params, ParamsMut, Scalar, Settings, params};

use super::support::*;

const N: usize = 130;

/// Cuts a vector at these places.
fn cut<F: Scalar>(x: &ArrayD<F>, at: &[usize]) -> Vec<Array1<F>> {
    let ends = at.iter().copied().chain([x.len()]);
    let starts = [0].into_iter().chain(at.iter().copied());
    starts
        .zip(ends)
        .map(|(a, b)| x.slice(s![a..b]).to_owned().into_dimensionality().unwrap())
        .collect()
}

/// What makes a tree of an array.
type Build<'b, F> = dyn Fn(&ArrayD<F>) -> Box<dyn ParamsMut<F>> + 'b;

/// Runs a model against the same elements in one array, for each rule that does not couple them.
fn check<F: Scalar>(settings: &Settings, model: &Build<'_, F>) {
    for entry in uncoupled::<F>() {
        let run = Run::new(entry, settings, &[N]);
        let mut w = model(&run.start);
        assert_same_slices(&elements(&*w), run.start.as_slice().unwrap(), "the model's own order");
        let mut optimizer = run.optimizer();
        let mut equal_norms = true;
        for (g, (expected, report)) in run.gradients.iter().zip(&run.expected) {
            let info = optimizer.step_with_loss(&mut *w, &*model(g), LOSS).unwrap();
            let (found, expected) = (elements(&*w), expected.as_slice().unwrap());
            equal_norms &= info.grad_norm.map(bits) == report.grad_norm.map(bits);
            if let (Some(a), Some(b)) = (info.grad_norm, report.grad_norm) {
                assert!((a - b).abs() <= 1e-15 * b, "{}: norm {a} and not {b}", entry.name);
            }
            if equal_norms {
                assert_same_slices(&found, expected, entry.name);
            } else {
                assert_close(&found, expected, entry.name);
            }
        }
    }
}

fn check_all<F: Scalar, M: ParamsMut<F> + 'static>(model: impl Fn(&ArrayD<F>) -> M) {
    for settings in [Settings::default(), penalized(), clipped(), everything(), compact()] {
        check(&settings, &|x: &ArrayD<F>| Box::new(model(x)));
    }
}

fn a_vec_of_leaves_is_one_array<F: Scalar>() {
    for at in [&[1][..], &[17], &[64], &[1, 2, 3, 50, 100, 129], &[0, 40, 40, 130]] {
        check_all::<F, _>(|x| cut(x, at));
    }
    check_all::<F, _>(|x| cut(x, &(1..N).collect::<Vec<_>>()));
}

fn so_is_one_of_whole_blocks_of_8_bits<F: Scalar>() {
    for at in [&[32][..], &[64, 96], &[0, 32, 32, 128], &[32, 64, 96, 128]] {
        check::<F>(&compact8(), &|x| Box::new(cut(x, at)));
    }
}

fn a_tuple_is_one_array<F: Scalar>() {
    check_all::<F, _>(|x| {
        let [a, b, c]: [Array1<F>; 3] = cut(x, &[16, 49]).try_into().unwrap();
        (a, (b, c))
    });
    check_all::<F, _>(|x| {
        let mut parts = cut(x, &[9, 10, 30, 31, 47, 63, 64, 80, 96, 100, 128]).into_iter();
        let mut next = || parts.next().unwrap();
        let (a, b, c, d) = (next(), next(), next(), next());
        let (e, f, g, h) = (next(), next(), next(), next());
        (a, b, c, d, e, f, g, h, next(), next(), next(), next())
    });
}

fn an_array_of_boxes_and_options_is_one_array<F: Scalar>() {
    check_all::<F, _>(|x| {
        let [a, b]: [Array1<F>; 2] = cut(x, &[77]).try_into().unwrap();
        [Some(Box::new(a)), None, Some(Box::new(b))]
    });
}

fn a_map_is_one_array<F: Scalar>() {
    check_all::<F, _>(|x| {
        let names = ["a", "a.b", "b", "layers.0", "w"].map(String::from);
        names.into_iter().zip(cut(x, &[20, 33, 64, 99])).collect::<BTreeMap<_, _>>()
    });
}

struct Layer<F> {
    weight: Array2<F>,
    bias: Array1<F>,
}
params!(Layer<F> { weight, bias });

struct Model<F> {
    layers: Vec<Layer<F>>,
    head: (Array1<F>, Option<Array1<F>>),
}
params!(Model<F> { layers, head });

fn model<F: Scalar>(x: &ArrayD<F>, column_major: bool) -> Model<F> {
    let mut parts = cut(x, &[42, 49, 91, 98, 120]).into_iter();
    let mut next = || parts.next().unwrap();
    let mut layer = || {
        let flat = next();
        let mut weight = Array2::zeros((6, 7).set_f(column_major));
        weight.assign(&flat.into_shape_with_order((6, 7)).unwrap());
        Layer { weight, bias: next() }
    };
    let layers = vec![layer(), layer()];
    Model { layers, head: (next(), Some(next())) }
}

fn a_struct_of_layers_is_one_array_in_either_order<F: Scalar>() {
    check_all::<F, _>(|x| model(x, false));
    check_all::<F, _>(|x| model(x, true));
}

fn a_boxed_tree_is_one_array<F: Scalar>() {
    check_all::<F, Box<dyn ParamsMut<F>>>(|x| Box::new(cut(x, &[50])));
}

/// Gradients of another container with the same names.
fn the_gradients_container_does_not_matter<F: Scalar>() {
    for entry in uncoupled::<F>() {
        let run = Run::new(entry, &penalized(), &[N]);
        let mut w = cut(&run.start, &[16, 49]);
        let mut optimizer = run.optimizer();
        for (step, (g, (expected, _))) in run.gradients.iter().zip(&run.expected).enumerate() {
            let parts = cut(g, &[16, 49]);
            let named = || ["0", "1", "2"].map(String::from).into_iter().zip(parts.iter());
            let grads: Box<dyn Params<F> + '_> = match step % 4 {
                0 => Box::new((&parts[0], parts[1].view(), parts[2].clone())),
                1 => Box::new([&parts[0], &parts[1], &parts[2]]),
                2 => Box::new(named().collect::<BTreeMap<_, _>>()),
                _ => Box::new(&parts),
            };
            optimizer.step_with_loss(&mut w, &grads, LOSS).unwrap();
            assert_same_slices(&elements(&w), expected.as_slice().unwrap(), (entry.name, step));
        }
    }
}

for_both_scalars!(
    a_vec_of_leaves_is_one_array,
    so_is_one_of_whole_blocks_of_8_bits,
    a_tuple_is_one_array,
    an_array_of_boxes_and_options_is_one_array,
    a_map_is_one_array,
    a_struct_of_layers_is_one_array_in_either_order,
    a_boxed_tree_is_one_array,
    the_gradients_container_does_not_matter,
);
