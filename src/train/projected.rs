//! Projections after the step.

use crate::error::Error;
use crate::optimizer::{Call, Optimizer, StepInfo, forward, steps_by_call};
use crate::params::{Bounds, Flatten, LeafMut, Params, ParamsMut, Pattern, Walls};
use crate::regularize::{Projection, Scratch};
use crate::scalar::Scalar;
use crate::state::{Record, State};

const NAME: &str = "Projected";

/// **Projected** steps: after every step of the optimizer inside, the nearest point of a set.
///
/// Sets are [`Bounds`] of single elements ([`within`](Self::within)) and [`Projection`]s of leaves
/// ([`onto`](Self::onto)), in the order of the calls; of several on one leaf only the last is sure to
/// hold. Leaves that the optimizer has frozen, and all after a step that it skips, stay where they are.
/// Its average takes the projected parameters, and the average of points of a convex set is in the set.
/// What the optimizer keeps for itself, such as a momentum, is not projected.
///
/// [`Lbfgs`](crate::Lbfgs) and [`ConjugateGradient`](crate::ConjugateGradient) search between points of
/// their own, and are not to be put inside: they take bounds by
/// [`minimize_within`](crate::solvers::minimize_within).
///
/// Source: Goldstein 1964; Levitin & Polyak 1966.
///
/// ```
/// use ndarray::array;
/// use thalweg::regularize::Projection;
/// use thalweg::train::Projected;
/// use thalweg::{Bounds, Optimizer, Sgd};
///
/// let mut w = (array![0.5, 0.5], array![0.0]);
/// let mut optimizer = Projected::new(Sgd::new(1.0))
///     .within(Bounds::new().leaf("1", ..=2.0))
///     .onto("0", Projection::simplex(1.0));
/// optimizer.step(&mut w, &(array![-1.0, 0.0], array![-3.0]))?;
/// assert_eq!(w, (array![1.0, 0.0], array![2.0]));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Projected<F: Scalar, O> {
    inner: O,
    sets: Vec<Set<F>>,
    plan: Option<Plan<F>>,
    scratch: Scratch<F>,
}

#[derive(Debug, Clone)]
enum Set<F: Scalar> {
    Bounds(Bounds<F>),
    Leaves(Pattern, Projection),
}

/// The sets, for leaves that are known.
#[derive(Debug, Clone)]
struct Plan<F> {
    flatten: Flatten,
    sets: Vec<Resolved<F>>,
}

#[derive(Debug, Clone)]
enum Resolved<F> {
    Walls(Walls<F>),
    /// Whether each leaf is meant.
    Leaves(Vec<bool>, Projection),
}

impl<F: Scalar, O: Optimizer<F>> Projected<F, O> {
    /// `inner`, without a set yet.
    pub fn new(inner: O) -> Self {
        Self { inner, sets: Vec::new(), plan: None, scratch: Scratch::default() }
    }

    /// Keeps the parameters within bounds.
    #[must_use]
    pub fn within(mut self, bounds: Bounds<F>) -> Self {
        self.sets.push(Set::Bounds(bounds));
        self.plan = None;
        self
    }

    /// Projects the leaves of a [`Pattern`].
    #[must_use]
    pub fn onto(mut self, leaves: impl Into<Pattern>, projection: Projection) -> Self {
        self.sets.push(Set::Leaves(leaves.into(), projection));
        self.plan = None;
        self
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// The optimizer inside, to set its learning rate or its groups by.
    pub fn inner_mut(&mut self) -> &mut O {
        &mut self.inner
    }

    fn check(&self) -> Result<(), Error> {
        self.sets.iter().try_for_each(|set| match set {
            Set::Bounds(_) => Ok(()),
            Set::Leaves(_, projection) => projection.check::<F>(),
        })
    }

    /// What the sets are of these leaves, if they are not those of before.
    fn plan(&self, params: &dyn Params<F>) -> Result<Option<Plan<F>>, Error> {
        if self.plan.as_ref().is_some_and(|plan| plan.flatten.check(params).is_ok()) {
            return Ok(None);
        }
        self.check()?;
        let flatten = Flatten::of(params)?;
        let resolve = |set: &Set<F>| match set {
            Set::Bounds(bounds) => bounds.resolve(&flatten).map(Resolved::Walls),
            Set::Leaves(pattern, projection) => {
                let leaves = flatten.leaves();
                let meant: Vec<bool> =
                    leaves.map(|(name, shape, _)| pattern.matches(name, shape)).collect();
                if meant.contains(&true) {
                    return Ok(Resolved::Leaves(meant, *projection));
                }
                Err(flatten.matches_nothing("projections", pattern))
            }
        };
        let sets = self.sets.iter().map(resolve).collect::<Result<_, Error>>()?;
        Ok(Some(Plan { flatten, sets }))
    }

    fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
    ) -> Result<StepInfo, Error> {
        let fresh = self.plan(&*params)?;
        let before = self.inner.steps();
        let info = self.inner.step_before_average(params, grads, call.loss)?;
        if fresh.is_some() {
            self.plan = fresh;
        }
        if self.inner.steps() == before {
            return Ok(info);
        }
        if let Some(plan) = &self.plan {
            let (inner, scratch) = (&self.inner, &mut self.scratch);
            plan.flatten.each_mut(params, |index, leaf| {
                if let Some((name, shape, _)) = plan.flatten.entry(index)
                    && inner.treatment(name, shape).trained
                {
                    plan.project(index, leaf, scratch);
                }
            })?;
        }
        if call.averages {
            self.inner.average_again(params)?;
        }
        Ok(info)
    }

    fn record(&self) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.count("sets", self.sets.len() as u64);
        for (i, set) in self.sets.iter().enumerate() {
            record.text(format!("set{i}"), set.text());
        }
        record
    }
}

impl<F: Scalar> Set<F> {
    /// What a state has of it.
    fn text(&self) -> String {
        match self {
            Self::Bounds(_) => "bounds".to_owned(),
            Self::Leaves(pattern, projection) => format!("{projection} of {pattern}"),
        }
    }
}

impl<F: Scalar> Plan<F> {
    fn project(&self, index: usize, leaf: &mut dyn LeafMut<F>, scratch: &mut Scratch<F>) {
        for set in &self.sets {
            match set {
                Resolved::Walls(walls) => {
                    if let Some((_, _, range)) = self.flatten.entry(index) {
                        walls.clip_view(range, leaf.view_mut());
                    }
                }
                Resolved::Leaves(meant, projection) if meant[index] => {
                    projection.apply_leaf(leaf, scratch);
                }
                Resolved::Leaves(..) => {}
            }
        }
    }
}

crate::optimizer::display!([O: Optimizer<F>] Projected<F, O>);

impl<F: Scalar, O: Optimizer<F>> Optimizer<F> for Projected<F, O> {
    forward! {
        self, self.inner;
        rates treatment steps average_again has_ascended ready skipped swap_average
    }

    steps_by_call!(self);

    fn ascend(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
    ) -> Result<(), Error> {
        let fresh = self.plan(&*params)?;
        self.inner.ascend(params, grads)?;
        if fresh.is_some() {
            self.plan = fresh;
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()?;
        self.inner.validate()
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.plan = None;
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> State {
        self.inner.state().around(self.record())
    }

    fn load_state(&mut self, state: &State) -> Result<(), Error> {
        self.check()?;
        let record = state.record::<F>(NAME)?;
        record.compare_count("sets", self.sets.len() as u64)?;
        for (i, set) in self.sets.iter().enumerate() {
            record.compare_text(&format!("set{i}"), &set.text())?;
        }
        record.assert_like(&self.record())?;
        self.inner.load_state(&state.inner()?)?;
        self.plan = None;
        Ok(())
    }
}
