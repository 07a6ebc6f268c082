//! Leaves that a gradient leaves out are those of which no row is touched.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayD, array};
use thalweg::params::Rows;
use thalweg::{Adam, ErrorKind, Optimizer, Params, Scalar, Sgd, Untouched};

use super::support::*;

for_both_scalars!(a_leaf_that_is_left_out_is_one_without_rows, the_order_of_what_is_there_is_free);

type Tree<F> = BTreeMap<String, ArrayD<F>>;

fn tree<F: Scalar>(names: &[&str], seed: u64) -> Tree<F> {
    let leaf = |name: &&str| {
        let seed = seed * 10 + u64::from(name.as_bytes()[0]);
        ((*name).to_owned(), array(&[4, 3], seed))
    };
    names.iter().map(leaf).collect()
}

fn a_leaf_that_is_left_out_is_one_without_rows<F: Scalar>() {
    for entry in taking_rows::<F>() {
        for mut settings in [variants()[0].clone(), everything(), compact()] {
            settings.sparse = true;
            let mut left_out = entry.build(RATE, settings.clone());
            let mut without = entry.build(RATE, settings);
            let start = tree::<F>(&["a", "b", "c"], 0);
            let (mut a, mut b) = (start.clone(), start);
            let names: [&[&str]; 6] = [&["b"], &["a", "c"], &[], &["a", "b", "c"], &["c"], &["b"]];
            for (step, names) in names.into_iter().enumerate() {
                let some = tree::<F>(names, step as u64 + 1);
                let mut all: BTreeMap<String, Box<dyn Params<F>>> = BTreeMap::new();
                for name in ["a", "b", "c"] {
                    let none = Rows { rows: [0_u32; 0], values: Array2::<F>::zeros((0, 3)) };
                    let leaf: Box<dyn Params<F>> = match some.get(name) {
                        Some(leaf) => Box::new(leaf.clone()),
                        None => Box::new(none),
                    };
                    all.insert(name.to_owned(), leaf);
                }
                let before = a.clone();
                let info = left_out.step(&mut a, &some).unwrap();
                assert_eq!(info, without.step(&mut b, &all).unwrap(), "{}", entry.name);
                assert_same_slices(&elements(&a), &elements(&b), (entry.name, step));
                for (name, leaf) in &a {
                    if !names.contains(&name.as_str()) {
                        assert_same(leaf.view(), before[name].view(), (entry.name, step, name));
                    }
                }
            }
            assert_eq!(left_out.state(), without.state(), "{}", entry.name);
        }
    }
}

fn the_order_of_what_is_there_is_free<F: Scalar>() {
    let leaves = |i: u64| array::<F>(&[5], i);
    struct Named<F>(Vec<(&'static str, ArrayD<F>)>);
    impl<F: Scalar> Params<F> for Named<F> {
        fn visit<'a>(
            &'a self,
            path: thalweg::params::Path<'_>,
            visit: &mut dyn FnMut(thalweg::params::Path<'_>, &'a dyn thalweg::params::Leaf<F>),
        ) {
            self.0.iter().for_each(|(name, leaf)| leaf.visit(path.name(name), visit));
        }
    }
    let start: Tree<F> =
        [("x", 1), ("y", 2), ("z", 3)].map(|(n, i)| (n.to_owned(), leaves(i))).into();
    let run = |orders: [Vec<(&'static str, ArrayD<F>)>; 3]| {
        let (mut w, mut adam) = (start.clone(), Adam::new(0.1).sparse(true));
        orders.into_iter().for_each(|order| _ = adam.step(&mut w, &Named(order)).unwrap());
        elements(&w)
    };
    let (x, y, z) = (("x", leaves(4)), ("y", leaves(5)), ("z", leaves(6)));
    let one = run([vec![x.clone(), z.clone()], vec![y.clone(), z.clone()], vec![x.clone()]]);
    let other = run([vec![z.clone(), x.clone()], vec![z.clone(), y.clone()], vec![x]]);
    assert_same_slices(&one, &other, "order");
    let twice = Named(vec![y.clone(), z, y]);
    let error = Adam::new(0.1).sparse(true).step(&mut start.clone(), &twice).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::DuplicateLeaf { .. }), "{error}");
}

#[test]
fn only_leaves_that_are_said_to_be_sparse_may_be_left_out() {
    let mut w = (array![1.0], array![[1.0, 1.0]], array![2.0]);
    let mut sgd = Sgd::new(1.0).group("1", |table| table.sparse(true).untouched(Untouched::Exact));
    let rows = Rows { rows: [0_usize], values: array![[0.5, 0.0]] };
    let none: Option<Array2<f64>> = None;
    sgd.step(&mut w, &(array![1.0], &none, array![1.0])).unwrap();
    sgd.step(&mut w, &(array![1.0], Some(&rows), array![1.0])).unwrap();
    assert_eq!(w, (array![-1.0], array![[0.5, 1.0]], array![0.0]));
    let before = w.clone();
    let missing: Option<Array1<f64>> = None;
    let error = sgd.step(&mut w, &(&missing, &rows, array![1.0])).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Leaves { missing, unexpected, .. }
            if missing == &["0"] && unexpected.is_empty()),
        "{error}"
    );
    let error = sgd.step(&mut w, &(array![1.0], &none, array![1.0], array![1.0])).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Leaves { unexpected, .. } if unexpected == &["3"]),
        "{error}"
    );
    let error = sgd.step(&mut w, &(array![1.0, 2.0], &none, array![1.0])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::GradientShape { .. }), "{error}");
    assert_eq!(w, before);
}
