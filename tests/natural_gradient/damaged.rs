//! States that are damaged: each is refused, and changes nothing.

use ndarray::{Array2, array};
use thalweg::natural_gradient::{
    Dense, Diagonal, Exact, Kfac, Metric, NaturalGradient, PushThrough, QuasiDiagonal, UnitWise,
    WhiteUnitWise,
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
