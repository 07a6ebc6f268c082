//! `params!` and the derive give the same names.

use ndarray::{Array1, Array2};
#[cfg(feature = "derive")]
use thalweg::Params;

use super::{check_both_ways, names};

#[cfg_attr(feature = "derive", derive(Params))]
struct Derived<F> {
    weight: Array2<F>,
    r#type: Array1<F>,
    rest: Vec<Option<Array1<F>>>,
}

struct Listed<F> {
    weight: Array2<F>,
    r#type: Array1<F>,
    rest: Vec<Option<Array1<F>>>,
}
thalweg::params!(Listed<F> { weight, r#type, rest });

#[test]
fn a_list_and_a_derive_give_the_same_names() {
    let rest = || vec![Some(Array1::<f64>::zeros(1)), None, Some(Array1::zeros(2))];
    let mut listed =
        Listed { weight: Array2::zeros((2, 3)), r#type: Array1::zeros(3), rest: rest() };
    assert_eq!(names(&listed), ["weight", "type", "rest.0", "rest.2"]);
    check_both_ways(&mut listed);
    let derived = Derived { weight: listed.weight, r#type: listed.r#type, rest: listed.rest };
    assert_eq!(derived.weight.dim(), (2, 3));
    assert_eq!((derived.r#type.len(), derived.rest.len()), (3, 3));
    #[cfg(feature = "derive")]
    assert_eq!(names(&derived), ["weight", "type", "rest.0", "rest.2"]);
}
