//! Structs, enums and containers as trees of parameters.

#[cfg(feature = "derive")]
mod derived;
mod listed;
mod rows;

use thalweg::Params;
use thalweg::params::{Flatten, Path};

/// The names of the leaves, with their shapes.
fn leaves<F: thalweg::Scalar>(tree: &dyn Params<F>) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    tree.visit(Path::ROOT, &mut |path, leaf| found.push((path.to_string(), leaf.shape().to_vec())));
    found
}

fn names<F: thalweg::Scalar>(tree: &dyn Params<F>) -> Vec<String> {
    leaves(tree).into_iter().map(|(name, _)| name).collect()
}

/// Reading and writing visit the same leaves in the same order.
fn check_both_ways<F: thalweg::Scalar>(tree: &mut dyn thalweg::ParamsMut<F>) {
    let read = leaves(&*tree);
    let mut written = Vec::new();
    tree.visit_mut(Path::ROOT, &mut |path, leaf| {
        written.push((path.to_string(), leaf.view_mut().shape().to_vec()));
    });
    assert_eq!(read, written);
    let flatten = Flatten::of(&*tree).unwrap();
    let numbers: Vec<F> = (0..flatten.len()).map(|i| F::from_f64(i as f64)).collect();
    flatten.scatter(&numbers, tree).unwrap();
    let mut again = vec![F::zero(); numbers.len()];
    flatten.gather(&*tree, &mut again).unwrap();
    assert_eq!(numbers, again);
}
