//! States that are damaged: each is refused, and changes nothing.

use ndarray::{Array2, array};
use thalweg::natural_gradient::{
    Dense, Diagonal, Empirical, Exact, Kfac, Metric, NaturalGradient, PushThrough, QuasiDiagonal,
    UnitWise, WhiteUnitWise,
};
use thalweg::state::Record;
use thalweg::{ErrorKind, Optimizer, State};

use super::support::*;

/// The state with another record of the metric.
fn with_metric(state: &State, metric: Record) -> State {
    let outer = state.record::<f64>("NaturalGradient").unwrap().clone();
    state.inner().unwrap().inner().unwrap().around(metric).around(outer)
}

fn refuses<M: Metric<f64>>(metric: impl Fn() -> M, statistics: impl Fn(&Net) -> M::Statistics) {
    let net = Net::new(1);
    let mut first = NaturalGradient::new(0.1, metric());
    first.observe(&net, statistics(&net)).unwrap();
    let state = first.state();
    let name = first.metric().name();
    let inside = state.inner().unwrap();
    let record = inside.record::<f64>(name).unwrap();

    let matrix = |rows, columns| Array2::<f64>::zeros((rows, columns)).into_dyn();
    type Change<'a> = (&'a str, Box<dyn Fn(&mut Record) + 'a>);
    let mut changes: Vec<Change<'_>> = vec![
        ("an entry too many", Box::new(|record| record.number("strange", 1.0))),
        ("another kind", Box::new(|record| record.text("fisher", "empirical"))),
        (
            "an array too many",
            Box::new(|record| record.array("average.99", "average", matrix(2, 2).view())),
        ),
        ("a leaf too many", Box::new(|record| record.leaf("strange", &[2]))),
        ("leaves beyond the model", Box::new(|record| record.text("layers", "9 -1 99 99 0;"))),
        ("no leaves at all", Box::new(|record| record.text("layers", "what"))),
        (
            "an overflow",
            Box::new(|record| record.text("layers", format!("{0} 0 {0} {0} 0;", i64::MAX))),
        ),
    ];
    if name == "PushThrough" {
        changes.push(("no samples", Box::new(|record| record.count("samples", 0))));
        changes.push(("other samples", Box::new(|record| record.count("samples", 7))));
        changes.push(("no batch", Box::new(|record| record.count("observed", 0))));
    } else {
        changes.push(("no batch", Box::new(|record| record.count("batches", 0))));
        changes.push(("another decay", Box::new(|record| record.number("decay", 0.123))));
        changes.push((
            "an array of another size",
            Box::new(|record| record.array("average.0", "average", array![1.0].into_dyn().view())),
        ));
    }
    let mut other = NaturalGradient::new(0.1, metric());
    let before = other.state();
    for (what, change) in changes {
        let mut damaged = record.clone();
        change(&mut damaged);
        let error = other.load_state(&with_metric(&state, damaged)).expect_err(what);
        assert!(
            matches!(
                error.kind(),
                ErrorKind::StateInvalid { .. }
                    | ErrorKind::StateUnexpected { .. }
                    | ErrorKind::StateDiffers { .. }
            ),
            "{name}, {what}: {error}"
        );
        assert_eq!(other.state(), before, "{name}, {what}");
    }
    // A metric's record that is missing, or of another metric.
    let outer = state.record::<f64>("NaturalGradient").unwrap().clone();
    let innermost = inside.inner().unwrap();
    assert!(other.load_state(&innermost.clone().around(outer.clone())).is_err());
    let strange = innermost.around(Record::new::<f64>("Strange")).around(outer);
    let error = other.load_state(&strange).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StateOptimizer { .. }), "{error}");
    assert_eq!(other.state(), before);
    other.load_state(&state).unwrap();
    assert_eq!(other.state(), state);
}

#[test]
fn damaged_statistics_are_refused_and_change_nothing() {
    let (x, _) = data(8, 2);
    let exact = |net: &Net| net.batch(&x, &Exact::categorical(&net.scores(&x)).unwrap()).unwrap();
    refuses(|| Dense::new(1e-2), |net| exact(net).into());
    refuses(|| Diagonal::new(1e-2), exact);
    refuses(|| UnitWise::new(1e-2), exact);
    refuses(|| QuasiDiagonal::new(1e-2), exact);
    refuses(|| WhiteUnitWise::new(1e-2), exact);
    refuses(|| Kfac::new(1e-2), exact);
    refuses(|| PushThrough::new(1e-2), exact);
}

/// What the optimizer itself counts, beside the metric's statistics.
#[test]
fn damaged_counts_of_the_optimizer_are_refused_and_change_nothing() {
    let net = Net::new(1);
    let (x, classes) = data(8, 2);
    let observe = |natural: &mut NaturalGradient<f64, Diagonal<f64, Exact>>, net: &Net| {
        let outputs = Exact::categorical(&net.scores(&x)).unwrap();
        natural.observe(net, net.batch(&x, &outputs).unwrap()).unwrap();
    };
    let build = || NaturalGradient::new(0.1, Diagonal::new(0.1)).levenberg_marquardt(0.5);
    let (mut first, mut w) = (build(), net.clone());
    observe(&mut first, &w);
    first.step(&mut w, &net.gradient(&x, &classes)).unwrap();
    let state = first.state();
    let inside = state.inner().unwrap();
    for (count, bad) in
        [("observed", 7), ("observed", u64::MAX), ("promised", 2), ("age", u64::MAX), ("what", 0)]
    {
        let mut record = state.record::<f64>("NaturalGradient").unwrap().clone();
        record.count(count, bad);
        let mut other = build();
        let before = other.state();
        other.load_state(&inside.clone().around(record)).unwrap_err();
        assert_eq!(other.state(), before, "{count}");
    }
}

/// A layer without outputs has statistics of no columns.
#[test]
fn a_layer_without_outputs_goes_on_from_its_own_state() {
    use thalweg::natural_gradient::{Batch, DenseLayer};
    let w = (Array2::<f64>::ones((3, 0)), array![[1.0], [2.0], [3.0]]);
    let layer = |name: &str, outputs| {
        DenseLayer::new(name, Array2::ones((4, 3)), Array2::ones((4, outputs)))
    };
    let batch = || Batch::<f64, Empirical>::of_layers(vec![layer("0", 0), layer("1", 1)]).unwrap();
    fn check<M: Metric<f64>>(
        metric: impl Fn() -> M,
        w: &(Array2<f64>, Array2<f64>),
        batch: impl Fn() -> M::Statistics,
    ) {
        let mut natural = NaturalGradient::new(0.1, metric());
        natural.observe(w, batch()).unwrap();
        let mut resumed = NaturalGradient::new(0.1, metric());
        resumed.load_state(&natural.state()).unwrap();
        assert_eq!(resumed.state(), natural.state());
        let (mut a, mut b) = (w.clone(), w.clone());
        natural.step(&mut a, w).unwrap();
        resumed.step(&mut b, w).unwrap();
        assert_eq!(a, b);
    }
    check(|| WhiteUnitWise::new(0.1), &w, batch);
    check(|| UnitWise::new(0.1), &w, batch);
    check(|| QuasiDiagonal::new(0.1), &w, batch);
    check(|| Kfac::new(0.1), &w, batch);
    check(|| Diagonal::new(0.1), &w, batch);
    check(|| Dense::new(0.1), &w, || batch().into());
    check(|| PushThrough::new(0.1), &w, batch);
}

#[test]
fn a_product_with_a_vector_of_another_length_is_an_error() {
    use thalweg::curvature::LinearOperator;
    use thalweg::natural_gradient::Batch;
    use thalweg::params::Flatten;
    let batch = || Batch::<f64, Empirical>::of_gradients(array![[1.0, 2.0, 3.0]]).unwrap();
    let mut fisher = batch().bind(&Flatten::of(&array![0.0, 0.0, 0.0]).unwrap()).unwrap();
    for (x, y) in [(2, 3), (4, 3), (3, 2), (3, 4), (0, 0)] {
        let mut product = vec![7.0; y];
        let error = fisher.apply(&vec![1.0; x], &mut product).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Size { .. }), "{error}");
        assert_eq!(product, vec![7.0; y]);
    }
    let mut product = [0.0; 3];
    fisher.apply(&[1.0, 1.0, 1.0], &mut product).unwrap();
    assert_eq!(product, [6.0, 12.0, 18.0]);
}
