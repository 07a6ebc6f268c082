//! Trees of every order, rank and kind; also such as break the contract of `Params`.

use std::cell::Cell;

use ndarray::{Array2, ArrayD, ArrayViewD, ArrayViewMutD, array};
use std::collections::BTreeMap;
use thalweg::params::{Flatten, Leaf, LeafMut, Path, Snapshot};
use thalweg::train::{Accumulate, Lookahead, Sam};
use thalweg::{Adam, ErrorKind, Optimizer, Params, ParamsMut, Sgd};

use crate::counting::allocations_of;

type Named = BTreeMap<String, ArrayD<f64>>;

fn named(names: &[&str]) -> Named {
    let leaf = |name: &&str| ((*name).to_owned(), ArrayD::ones(vec![2, 3]));
    names.iter().map(leaf).collect()
}

/// Visits zeta first.
struct Net {
    zeta: ArrayD<f64>,
    alpha: ArrayD<f64>,
    mid: ArrayD<f64>,
}
thalweg::params!(Net: f64 { zeta, mid, alpha });

fn net() -> Net {
    let ones = || ArrayD::ones(vec![2, 3]);
    Net { zeta: ones(), alpha: ones(), mid: ones() }
}

fn all() -> Vec<Box<dyn Optimizer<f64>>> {
    vec![
        Box::new(Adam::new(0.1)),
        Box::new(Adam::new(0.1).clip_norm(1.0).group("*a", |group| group.rate_factor(0.5))),
        Box::new(Lookahead::new(Adam::new(0.1)).period(2)),
        Box::new(Accumulate::new(Adam::new(0.1), 2)),
    ]
}

#[test]
fn gradients_in_another_order_than_the_parameters_allocate_nothing() {
    let grads = named(&["alpha", "mid", "zeta"]);
    for mut optimizer in all() {
        let mut w = net();
        (0..3).for_each(|_| _ = optimizer.step(&mut w, &grads).unwrap());
        let calls = allocations_of(|| {
            (0..6).for_each(|_| _ = optimizer.step(&mut w, &grads).unwrap());
        });
        assert_eq!(calls, 0, "{}", optimizer.name());
        // Saved from the one, loaded for the other: both trees are in another order then.
        let state = optimizer.state();
        let loads =
            |mut other: Box<dyn Optimizer<f64>>| other.load_state(&state).is_ok().then_some(other);
        let mut other = all().into_iter().find_map(loads).unwrap();
        let mut w = grads.clone();
        (0..3).for_each(|_| _ = other.step(&mut w, &grads).unwrap());
        let calls = allocations_of(|| {
            (0..6).for_each(|_| _ = other.step(&mut w, &grads).unwrap());
        });
        assert_eq!(calls, 0, "{} loaded", optimizer.name());
    }
}

#[test]
fn arrays_of_any_rank_allocate_nothing() {
    for rank in 0..8 {
        let shape = vec![2; rank];
        let (mut w, g) = (ArrayD::<f64>::ones(shape.clone()), ArrayD::ones(shape));
        for mut optimizer in all().into_iter().filter(|o| format!("{o:?}").find("*a").is_none()) {
            (0..3).for_each(|_| _ = optimizer.step(&mut w, &g).unwrap());
            let calls = allocations_of(|| {
                (0..6).for_each(|_| _ = optimizer.step(&mut w, &g).unwrap());
            });
            assert_eq!(calls, 0, "{} of rank {rank}", optimizer.name());
        }
        let mut sam = Sam::new(Adam::new(0.1), 0.1).adaptive(true);
        let mut go = || {
            sam.ascend(&mut w, &g).unwrap();
            sam.step(&mut w, &g).unwrap();
        };
        go();
        assert_eq!(allocations_of(|| (0..4).for_each(|_| go())), 0, "rank {rank}");
    }
}

/// A leaf that says what it is told to.
struct Liar {
    array: Array2<f64>,
    shape: Vec<usize>,
    strides: Vec<isize>,
    slice: bool,
    slice_mut: bool,
}

impl Liar {
    fn honest() -> Self {
        let array = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        Self { shape: vec![2, 3], strides: vec![3, 1], slice: true, slice_mut: true, array }
    }

    fn all() -> Vec<Self> {
        let honest = Self::honest;
        vec![
            Self { strides: vec![3], ..honest() },
            Self { strides: vec![], ..honest() },
            Self { strides: vec![3, 1, 1], ..honest() },
            Self { strides: vec![1, 2], ..honest() },
            Self { shape: vec![2, 4], ..honest() },
            Self { shape: vec![3, 2], ..honest() },
            Self { shape: vec![6], strides: vec![1], ..honest() },
            Self { slice: false, slice_mut: false, ..honest() },
            Self { shape: vec![usize::MAX, 2], ..honest() },
        ]
    }
}

impl Leaf<f64> for Liar {
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn strides(&self) -> &[isize] {
        &self.strides
    }
    fn as_slice(&self) -> Option<&[f64]> {
        self.array.as_slice().filter(|_| self.slice)
    }
    fn view(&self) -> ArrayViewD<'_, f64> {
        self.array.view().into_dyn()
    }
}

impl LeafMut<f64> for Liar {
    fn as_slice_mut(&mut self) -> Option<&mut [f64]> {
        self.array.as_slice_mut().filter(|_| self.slice_mut)
    }
    fn view_mut(&mut self) -> ArrayViewMutD<'_, f64> {
        self.array.view_mut().into_dyn()
    }
}

impl Params<f64> for Liar {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<f64>)) {
        visit(path, self);
    }
}

impl ParamsMut<f64> for Liar {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<f64>),
    ) {
        visit(path, self);
    }
}

#[test]
fn a_leaf_that_contradicts_itself_is_an_error_with_its_name() {
    let (honest, g) = (Liar::honest(), array![[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]);
    assert_eq!(honest.contradiction(), None);
    Sgd::new(0.1).step(&mut Liar::honest(), &g).unwrap();
    for liar in Liar::all() {
        let problem = liar.contradiction().unwrap();
        for error in [Snapshot::of(&liar).unwrap_err(), Flatten::of(&liar).unwrap_err()] {
            let named = matches!(error.kind(), ErrorKind::ContradictoryLeaf { .. });
            assert!(named && error.to_string().contains(problem), "{error}");
        }
    }
    for mut optimizer in all() {
        if optimizer.step(&mut Liar::honest(), &g).is_err() {
            continue; // a group of another model
        }
        for mut liar in Liar::all() {
            let before = optimizer.state();
            // As a gradient, and as the parameters.
            optimizer.step(&mut Liar::honest(), &liar).unwrap_err();
            optimizer.step(&mut liar, &g).unwrap_err();
            optimizer.swap_average(&mut liar).unwrap_err();
            assert_eq!(optimizer.state(), before);
        }
    }
    // One that can only be read.
    let mut mute = Liar { slice_mut: false, ..Liar::honest() };
    assert!(mute.contradiction().is_none() && mute.contradiction_mut().is_some());
    let error = Snapshot::of(&g).unwrap().restore(&mut mute).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ContradictoryLeaf { .. }), "{error}");
}

/// A tree that has fewer leaves from visit to visit.
struct Shrinking(Vec<Array2<f64>>, Cell<usize>);

impl Params<f64> for Shrinking {
    fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<f64>)) {
        let left = self.1.get();
        self.1.set(left.saturating_sub(1));
        for (i, leaf) in self.0.iter().enumerate().take(left) {
            visit(path.index(i), leaf);
        }
    }
}

impl ParamsMut<f64> for Shrinking {
    fn visit_mut<'a>(
        &'a mut self,
        path: Path<'_>,
        visit: &mut dyn FnMut(Path<'_>, &'a mut dyn LeafMut<f64>),
    ) {
        let left = self.1.get();
        self.1.set(left.saturating_sub(1));
        for (i, leaf) in self.0.iter_mut().enumerate().take(left) {
            visit(path.index(i), leaf);
        }
    }
}

#[test]
fn a_tree_that_changes_between_visits_is_an_error() {
    for left in 1..9 {
        let tree = || Shrinking(vec![Array2::zeros((2, 2)); 8], Cell::new(left));
        let snapshot = Snapshot::of(&tree()).unwrap();
        assert_eq!(snapshot.leaves().len(), left.min(8));
        assert!(snapshot.restore(&mut tree()).is_err());
        let whole = vec![Array2::zeros((2, 2)); left.min(8)];
        assert!(Lookahead::new(Sgd::new(0.1)).step(&mut tree(), &whole).is_err());
        assert!(Accumulate::new(Sgd::new(0.1), 3).step(&mut tree(), &whole).is_err());
        assert!(Sam::new(Sgd::new(0.1), 0.1).ascend(&mut tree(), &whole).is_err());
    }
}

#[test]
fn a_deep_tree_is_a_tree() {
    struct Chain(ArrayD<f64>, Option<Box<Chain>>);
    impl Params<f64> for Chain {
        fn visit<'a>(&'a self, path: Path<'_>, visit: &mut dyn FnMut(Path<'_>, &'a dyn Leaf<f64>)) {
            visit(path.name("w"), &self.0);
            if let Some(rest) = &self.1 {
                rest.visit(path.name("n"), visit);
            }
        }
    }
    let mut chain = Chain(ArrayD::ones(vec![1]), None);
    for _ in 0..500 {
        chain = Chain(ArrayD::ones(vec![1]), Some(Box::new(chain)));
    }
    assert_eq!(Snapshot::of(&chain).unwrap().leaves().len(), 501);
}

/// A tree as deep as it is long.
struct Deep {
    leaf: Option<ArrayD<f64>>,
    next: Option<Box<Deep>>,
}
thalweg::params!(Deep: f64 { leaf, next });

impl Deep {
    /// A leaf at every so many levels.
    fn new(levels: usize, every: usize) -> Self {
        let leaf = |level: usize| (level.is_multiple_of(every)).then(|| ArrayD::ones(vec![2]));
        (1..levels).rev().fold(Self { leaf: leaf(0), next: None }, |next, level| Self {
            leaf: leaf(level),
            next: Some(Box::new(next)),
        })
    }
}

impl Drop for Deep {
    fn drop(&mut self) {
        // Node by node, or it would be as deep itself.
        let mut next = self.next.take();
        while let Some(mut node) = next {
            next = node.next.take();
        }
    }
}

#[test]
fn a_tree_may_be_ten_thousand_levels_deep() {
    let deep = || {
        for (levels, every) in [(10_000, 10_000), (2_000, 1)] {
            let (mut w, g) = (Deep::new(levels, every), Deep::new(levels, every));
            let mut optimizer = Lookahead::new(Adam::new(0.1)).period(2);
            (0..3).for_each(|_| _ = optimizer.step(&mut w, &g).unwrap());
            let state = optimizer.state();
            optimizer.load_state(&state).unwrap();
            optimizer.step(&mut w, &g).unwrap();
            let error = optimizer.step(&mut w, &Deep::new(levels / 2, every)).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Leaves { .. }));
            assert!(error.to_string().len() < 100_000);
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(deep).unwrap().join().unwrap();
}
