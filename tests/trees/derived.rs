//! `#[derive(Params)]`: names, numbers and errors.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use ndarray::{Array1, Array2, ArrayView1, ArrayViewMut1, array};
use thalweg::{Adam, ErrorKind, Optimizer, Params, ParamsMut, Scalar, Sgd};

use super::{check_both_ways, names};

#[derive(Params, Clone)]
struct Layer {
    weight: Array2<f32>,
    bias: Array1<f32>,
}

fn layer() -> Layer {
    Layer { weight: Array2::ones((2, 3)), bias: Array1::ones(3) }
}

type Vector = Array1<f64>;

/// Another crate's trait would do as well: it is not a tree.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Optional(usize);

mod hidden {
    #[derive(super::Params)]
    pub(super) struct Private {
        pub(super) own: ndarray::Array1<f32>,
    }
    /// A private type inside a public one.
    #[derive(super::Params)]
    pub struct Public {
        pub(super) inside: Private,
        pub(super) list: Vec<Private>,
    }
}

#[derive(Params)]
struct Aliased {
    only: Vector,
}

#[derive(Params)]
struct Unit;

#[derive(Params)]
struct Newtype(Array1<f32>);

#[derive(Params)]
struct Pair(Array1<f32>, #[params(skip)] (), Newtype);

#[derive(Params)]
struct Renamed {
    #[params(rename = "fc1.kernel")]
    weight: Array2<f32>,
    #[params(skip)]
    steps: Optional,
    nothing: Unit,
    marker: PhantomData<Array1<f64>>,
    boxed: Box<Layer>,
    by_name: BTreeMap<String, Array1<f32>>,
    pair: (Array1<f32>, [Array1<f32>; 2]),
}

#[derive(Params)]
struct Borrowed<'a, 'b> {
    values: ArrayView1<'a, f32>,
    more: &'b Array1<f32>,
}

#[derive(Params)]
struct Lent<'a> {
    values: ArrayViewMut1<'a, f32>,
    layer: &'a mut Layer,
}

#[derive(Params)]
struct Generic<F, L, const N: usize>
where
    F: Scalar,
{
    own: Array1<F>,
    inner: [L; N],
    #[params(skip)]
    function: fn(F) -> F,
}

#[derive(Params)]
struct Node {
    weight: Array1<f32>,
    children: Vec<Node>,
}

#[derive(Params)]
struct GenericNode<F> {
    children: BTreeMap<String, Box<Self>>,
    weight: Array1<F>,
}

#[derive(Params)]
enum Block<F> {
    Empty,
    Linear {
        weight: Array2<F>,
        bias: Option<Array1<F>>,
    },
    Scale(Array1<F>),
    Both(Array1<F>, Array1<F>),
    #[params(rename = "deep")]
    Deep(Vec<Block<F>>),
    Skipping(#[params(skip)] (), Array1<F>),
}

#[derive(Params)]
enum Never {}

#[derive(Params)]
struct Unsized<T: ?Sized> {
    first: Array1<f64>,
    last: T,
}

#[test]
fn names_are_those_of_the_fields() {
    assert_eq!(names(&layer()), ["weight", "bias"]);
    assert_eq!(names(&Newtype(array![1.0])), [""]);
    assert_eq!(names(&Pair(array![1.0], (), Newtype(array![1.0]))), ["0", "2"]);
    let mut renamed = Renamed {
        weight: Array2::zeros((1, 2)),
        steps: Optional(3),
        nothing: Unit,
        marker: PhantomData,
        boxed: Box::new(layer()),
        by_name: [("x".to_owned(), array![0.0])].into(),
        pair: (array![0.0], [array![0.0], array![0.0]]),
    };
    let expected =
        ["fc1.kernel", "boxed.weight", "boxed.bias", "by_name.x", "pair.0", "pair.1.0", "pair.1.1"];
    assert_eq!(names(&renamed), expected);
    check_both_ways(&mut renamed);
    assert_eq!(renamed.steps, Optional(3));
    assert_eq!(renamed.weight, array![[0.0, 1.0]]);
}

#[test]
fn lifetimes_parameters_and_aliases_are_seen_through() {
    let (values, more) = (array![1.0, 2.0], array![3.0]);
    assert_eq!(names(&Borrowed { values: values.view(), more: &more }), ["values", "more"]);

    let (mut numbers, mut inner) = (vec![1.0; 4], layer());
    let mut lent = Lent { values: ArrayViewMut1::from(&mut numbers), layer: &mut inner };
    check_both_ways(&mut lent);
    assert_eq!(names(&lent), ["values", "layer.weight", "layer.bias"]);
    assert_eq!(numbers, [0.0, 1.0, 2.0, 3.0]);

    let aliased = || Aliased { only: array![1.0] };
    let mut generic = Generic { own: array![1.0], inner: [aliased(), aliased()], function: |x| x };
    assert_eq!(names::<f64>(&generic), ["own", "inner.0.only", "inner.1.only"]);
    check_both_ways(&mut generic);
    assert_eq!((generic.function)(2.0), 2.0);

    let last: &mut Unsized<dyn ParamsMut<f64>> =
        &mut Unsized { first: array![1.0], last: array![2.0] };
    assert_eq!(names(&last), ["first", "last"]);

    let private = || hidden::Private { own: array![1.0] };
    let public = hidden::Public { inside: private(), list: vec![private()] };
    assert_eq!(names(&public), ["inside.own", "list.0.own"]);
}

#[test]
fn a_type_may_hold_itself() {
    let leaf = || Node { weight: array![1.0], children: vec![] };
    let mut node = Node { weight: array![1.0], children: vec![leaf(), leaf()] };
    node.children[0].children.push(leaf());
    assert_eq!(
        names(&node),
        ["weight", "children.0.weight", "children.0.children.0.weight", "children.1.weight"]
    );
    check_both_ways(&mut node);
    let inner = GenericNode { children: BTreeMap::new(), weight: array![1.0_f64] };
    let mut node = GenericNode {
        children: [("left".to_owned(), Box::new(inner))].into(),
        weight: array![2.0],
    };
    assert_eq!(names(&node), ["children.left.weight", "weight"]);
    check_both_ways(&mut node);
}

#[test]
fn a_variant_is_part_of_the_name() {
    let one = || array![1.0_f32];
    let linear = |bias| Block::Linear { weight: array![[1.0]], bias };
    let cases: [(Block<f32>, &[&str]); 7] = [
        (Block::Empty, &[]),
        (linear(None), &["Linear.weight"]),
        (linear(Some(one())), &["Linear.weight", "Linear.bias"]),
        (Block::Scale(one()), &["Scale"]),
        (Block::Both(one(), one()), &["Both.0", "Both.1"]),
        (Block::Deep(vec![Block::Empty, Block::Scale(one())]), &["deep.1.Scale"]),
        (Block::Skipping((), one()), &["Skipping.1"]),
    ];
    for (mut block, expected) in cases {
        assert_eq!(names(&block), expected);
        if !expected.is_empty() {
            check_both_ways(&mut block);
        }
    }
    let none: Vec<Never> = Vec::new();
    assert!(names::<f32>(&none).is_empty());
}

#[test]
fn the_names_are_those_of_serde() {
    // serde_json's own writing of the same shape, with a number where an array is.
    use super::derived::Block as Ours;
    #[derive(serde::Serialize)]
    enum Written {
        Linear { weight: u8, bias: u8 },
        Scale(u8),
        Both(u8, u8),
    }
    fn flat(path: &str, value: &serde_json::Value, into: &mut Vec<String>) {
        let join =
            |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(k, v)| flat(&join(k), v, into)),
            serde_json::Value::Array(list) => {
                list.iter().enumerate().for_each(|(k, v)| flat(&join(&k.to_string()), v, into));
            }
            _ => into.push(path.to_owned()),
        }
    }
    let one = || array![1.0_f32];
    let ours: [Ours<f32>; 3] = [
        Ours::Linear { weight: array![[1.0]], bias: Some(one()) },
        Ours::Scale(one()),
        Ours::Both(one(), one()),
    ];
    let theirs = [Written::Linear { weight: 1, bias: 1 }, Written::Scale(1), Written::Both(1, 1)];
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let mut written = Vec::new();
        flat("", &serde_json::to_value(theirs).unwrap(), &mut written);
        let mut found = names(ours);
        found.sort();
        written.sort();
        assert_eq!(found, written);
    }
}

#[test]
fn another_variant_is_another_tree_and_nothing_changes() {
    let mut block = Block::Scale(array![1.0_f64]);
    let gradient = Block::Scale(array![1.0]);
    let mut adam = Adam::new(0.1);
    adam.step(&mut block, &gradient).unwrap();
    let mut other = Block::Both(array![1.0], array![1.0]);
    let error = adam.step(&mut other, &Block::Both(array![1.0], array![1.0])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leaves { .. }), "{error}");
    let error = adam.step(&mut block, &Block::Skipping((), array![1.0])).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Scale") && text.contains("Skipping.1"), "{text}");
    assert_eq!(adam.steps(), 1);
}

#[test]
fn the_number_follows_from_the_types() {
    let mut model = layer();
    let gradient = model.clone();
    Sgd::new(0.5).step(&mut model, &gradient).unwrap();
    assert_eq!(model.weight[[1, 2]], 0.5_f32);
    let mut aliased = Aliased { only: array![1.0] };
    Sgd::new(0.5).step(&mut aliased, &array![1.0]).unwrap_err();
    let gradient = Aliased { only: array![1.0] };
    Sgd::new(0.5).step(&mut aliased, &gradient).unwrap();
    assert_eq!(aliased.only[0], 0.5_f64);
}
