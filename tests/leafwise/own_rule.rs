//! A rule of a user's own, with state of a leaf as it likes.

use ndarray::array;
use thalweg::leafwise::{LeafRule, LeafStep, Leafwise, Slot, Step};
use thalweg::rule::Interval;
use thalweg::{Change, Error, Optimizer, Scalar};

/// Steps of the sign of the mean of a leaf: s = γs + mean g, w -= α sign(s).
#[derive(Debug, Clone)]
struct Common {
    gamma: f64,
}

impl<F: Scalar> LeafRule<F> for Common {
    const NAME: &'static str = "Common";

    fn validate(&self) -> Result<(), Error> {
        Interval::FRACTION.check::<F>("Common", "gamma", self.gamma)
    }

    fn hyperparameters(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
        visit("gamma", &mut self.gamma);
    }

    fn slots(&self, shape: &[usize]) -> Vec<Slot<F>> {
        vec![Slot::zeros("s", vec![1]), Slot::filled("lens", vec![shape.len()], F::one())]
    }

    fn update(&self, step: &Step, leaf: LeafStep<'_, F>) {
        let n = F::from_f64(leaf.g.len() as f64);
        let mean = leaf.g.iter().fold(F::zero(), |sum, &g| sum + g) / n;
        let s = &mut leaf.slots[0].values[0];
        *s = F::from_f64(self.gamma) * *s + mean;
        let moved = F::from_f64(step.learning_rate) * s.sign();
        leaf.w.iter_mut().for_each(|w| *w = *w - moved);
    }
}

#[test]
fn a_rule_of_ones_own_gets_groups_states_and_the_guard() {
    let build = || Leafwise::with_rule(Common { gamma: 0.5 }, 0.25);
    let (mut w, g) = ((array![[1.0, 2.0]], array![1.0]), (array![[3.0, 1.0]], array![-1.0]));
    let mut common = build();
    common.change_group("1".into(), Change::new().rate_factor(2.0).set("gamma", 0.0)).unwrap();
    common.step(&mut w, &g).unwrap();
    assert_eq!(w, (array![[0.75, 1.75]], array![1.5]));
    assert_eq!(common.slot("0", "s").unwrap().values, [2.0]);
    assert_eq!((common.slot("0", "lens").unwrap().values.len(), common.rule().gamma), (2, 0.5));
    let mut resumed = build();
    resumed.load_state(&common.state()).unwrap();
    assert_eq!(resumed.state(), common.state());
    assert!(common.step(&mut w, &(array![[f64::NAN, 1.0]], array![1.0])).is_err());
    assert!(Leafwise::<f64, _>::with_rule(Common { gamma: 2.0 }, 0.1).validate().is_err());
}
