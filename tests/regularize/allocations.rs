//! What is written into the caller's arrays allocates nothing.

use ndarray::{Array1, Array2, Array4, Axis, array};
use thalweg::loss;
use thalweg::regularize::MaxNorm;
use thalweg::train::EarlyStopping;

use super::support::Numbers;
use crate::counting::allocations_of;

#[test]
fn losses_written_into_an_array_allocate_nothing() {
    let scores: Array2<f32> = Numbers::new(1).array(50, 7, 3.0);
    let classes: Vec<usize> = (0..50).map(|i| i % 7).collect();
    let soft = Array2::from_elem((50, 7), 1.0 / 7.0);
    let signs = scores.mapv(f32::signum);
    let mut gradient = Array2::zeros((50, 7));
    let count = allocations_of(|| {
        loss::softmax_cross_entropy_into(&scores, &classes, &mut gradient).unwrap();
        loss::smoothed_cross_entropy_into(&scores, &classes, 0.1, &mut gradient).unwrap();
        loss::soft_cross_entropy_into(&scores, &soft, &mut gradient).unwrap();
        loss::multiclass_hinge_into(&scores, &classes, &mut gradient).unwrap();
        loss::binary_cross_entropy_into(&scores, &soft, &mut gradient).unwrap();
        loss::mean_squared_error_into(&scores, &soft, &mut gradient).unwrap();
        loss::huber_into(&scores, &soft, 1.0, &mut gradient).unwrap();
        loss::hinge_into(&scores, &signs, &mut gradient).unwrap();
        loss::zero_one(&scores, &classes).unwrap();
        loss::binary_zero_one(&scores, &signs).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn the_max_norm_bound_allocates_nothing() {
    let mut matrix: Array2<f64> = Numbers::new(2).array(300, 200, 1.0);
    let mut kernels = Array4::<f64>::ones((100, 3, 3, 3));
    let mut bias = Array1::<f64>::ones(9);
    let count = allocations_of(|| {
        for axis in [Axis(0), Axis(1)] {
            MaxNorm::new(0.5, axis).apply(&mut matrix).unwrap();
            MaxNorm::new(0.5, axis).apply(&mut matrix.view_mut().reversed_axes()).unwrap();
            MaxNorm::new(0.5, axis).apply(&mut kernels).unwrap();
        }
        MaxNorm::new(0.5, Axis(0)).apply(&mut (&mut matrix, &mut bias)).unwrap();
        MaxNorm::whole(0.1).apply(&mut (&mut matrix, &mut kernels, &mut bias)).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn early_stopping_allocates_for_its_first_copy_alone() {
    let mut model = (array![1.0, 2.0], Array2::<f64>::ones((3, 4)));
    let mut early_stopping = EarlyStopping::minimize(2);
    early_stopping.observe(1.0, &model).unwrap();
    let count = allocations_of(|| {
        early_stopping.observe(0.5, &model).unwrap();
        early_stopping.observe(0.7, &model).unwrap();
        early_stopping.observe(0.2, &model).unwrap();
        early_stopping.restore(&mut model).unwrap();
    });
    assert_eq!(count, 0);
}

#[cfg(feature = "rand")]
#[test]
fn dropout_allocates_for_its_largest_batch_alone() {
    use rand::{SeedableRng, rngs::StdRng};
    use thalweg::regularize::{DropConnect, Dropout, Mode};

    let mut rng = StdRng::seed_from_u64(1);
    let mut layers = [Dropout::new(0.3), Dropout::channels(0.3, Axis(1))];
    let mut drop_connect = DropConnect::new(0.5);
    let mut images = Array4::<f32>::ones((5, 3, 4, 4));
    let weight = Array2::<f32>::ones((30, 20));
    let mut masked = weight.clone();
    let mut pass = |count: usize| {
        let mut batch = images.slice_mut(ndarray::s![..count, .., .., ..]);
        for layer in &mut layers {
            for mode in [Mode::Training, Mode::Evaluation] {
                layer.set_mode(mode);
                layer.forward(&mut batch, &mut rng).unwrap();
                layer.backward(&mut batch).unwrap();
            }
        }
        drop_connect.forward(&weight, &mut masked, &mut rng).unwrap();
        drop_connect.backward(&mut masked).unwrap();
    };
    pass(5);
    assert_eq!(allocations_of(|| (1..=5).for_each(&mut pass)), 0);
}
