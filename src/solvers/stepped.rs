//! What solvers share that step in a loop of one's own: gradients alone, one a call.

use super::line_search::{LineSearch, Sample, Secant};
use crate::error::{Error, ErrorKind, Tree};
use crate::interval::Interval;
use crate::optimizer::StepInfo;
use crate::params::{Flatten, Params, ParamsMut, Snapshot};
use crate::scalar::Scalar;
use crate::state::{Record, invalid};
use crate::vector;

/// A gradient that many times larger than at the base is one beyond the valley.
const STEEPER: f64 = 1e6;

/// What is kept from one call to the next.
#[derive(Debug, Clone)]
pub(super) struct Trail<F> {
    pub(super) search: Secant,
    pub(super) fixed_rate: Option<f64>,
    pub(super) flatten: Option<Flatten>,
    /// The last accepted iterate, and the gradient there.
    pub(super) base: Vec<F>,
    pub(super) base_gradient: Vec<F>,
    pub(super) direction: Vec<F>,
    /// Where the parameters were left.
    pub(super) point: Vec<F>,
    /// The parameters and the gradient of this call.
    incoming: Vec<F>,
    pub(super) gradient: Vec<F>,
    /// The gradient at the base times the direction.
    pub(super) slope: f64,
    /// α of the trial that the parameters are left at.
    pub(super) length: f64,
    pub(super) steps: u64,
    pub(super) restarts: u64,
    pub(super) accepted: bool,
}

impl<F: Scalar> Trail<F> {
    pub(super) fn new(search: Secant) -> Self {
        Self {
            search,
            fixed_rate: None,
            flatten: None,
            base: Vec::new(),
            base_gradient: Vec::new(),
            direction: Vec::new(),
            point: Vec::new(),
            incoming: Vec::new(),
            gradient: Vec::new(),
            slope: 0.0,
            length: 0.0,
            steps: 0,
            restarts: 0,
            accepted: false,
        }
    }

    /// One with the same settings that has taken no step.
    pub(super) fn anew(&self) -> Self {
        Self { fixed_rate: self.fixed_rate, ..Self::new(self.search.clone()) }
    }

    /// Takes in the parameters and the gradient of a call; says whether the parameters are elsewhere
    /// than they were left.
    ///
    /// # Errors
    /// For leaves that are not those of the steps before, and a gradient that is not finite, unless it
    /// is one at a trial. Nothing has changed then.
    pub(super) fn arrive(
        &mut self,
        params: &dyn Params<F>,
        grads: &dyn Params<F>,
    ) -> Result<bool, Error> {
        let fresh = match &self.flatten {
            Some(_) => None,
            None => Some(Flatten::of(params)?),
        };
        let Some(flatten) = fresh.as_ref().or(self.flatten.as_ref()) else {
            return Err(ErrorKind::NoLeaves.into());
        };
        self.incoming.resize(flatten.len(), F::zero());
        self.gradient.resize(flatten.len(), F::zero());
        flatten.gather(params, &mut self.incoming)?;
        flatten.gather_as(grads, Tree::Gradients, &mut self.gradient)?;
        let moved = fresh.is_some() || self.incoming != self.point;
        let on_trial = !moved && self.fixed_rate.is_none();
        if !on_trial && let Some(at) = self.gradient.iter().position(|g| !g.is_finite()) {
            let (leaf, index) = flatten.locate(at).unwrap_or_default();
            let (leaf, value) = (leaf.to_owned(), self.gradient[at].into_f64());
            return Err(ErrorKind::NonFiniteGradient { leaf, index, value }.into());
        }
        // Nothing fails from here on.
        if let Some(flatten) = fresh {
            for vector in
                [&mut self.base, &mut self.base_gradient, &mut self.direction, &mut self.point]
            {
                vector.resize(flatten.len(), F::zero());
            }
            self.flatten = Some(flatten);
        }
        std::mem::swap(&mut self.point, &mut self.incoming);
        Ok(moved)
    }

    /// Makes the point and the gradient of this call the base.
    pub(super) fn rebase(&mut self) {
        std::mem::swap(&mut self.base, &mut self.point);
        std::mem::swap(&mut self.base_gradient, &mut self.gradient);
    }

    /// The slope along the direction, of the gradient of this call; NaN where that is so much larger
    /// than the one at the base that the step was too long, whatever the slope.
    pub(super) fn slope_here(&self) -> f64 {
        let slope = vector::dot(&self.gradient, &self.direction);
        let steep = vector::norm(&self.gradient) > STEEPER * vector::norm(&self.base_gradient);
        if steep { f64::NAN } else { slope }
    }

    /// Begins a search along the direction from the base, at that length.
    pub(super) fn begin_search(&mut self, first: f64) {
        let start = Sample { length: 0.0, value: f64::NAN, slope: self.slope };
        self.length = self.search.begin(start, first, 0.0);
    }

    /// Writes the next trial into the parameters; `norm` is that of the gradient at the base.
    ///
    /// # Errors
    /// [`ErrorKind::NonFiniteStep`] if the trial is not finite; the parameters are then at the base.
    pub(super) fn leave(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        norm: impl FnOnce(&Self) -> f64,
    ) -> Result<StepInfo, Error> {
        vector::shifted(&self.base, self.length, &self.direction, &mut self.point);
        let Some(flatten) = &self.flatten else { return Err(ErrorKind::NoLeaves.into()) };
        if let Some(at) = self.point.iter().position(|x| !x.is_finite()) {
            let (leaf, index) = flatten.locate(at).unwrap_or_default();
            let (leaf, value) = (leaf.to_owned(), self.point[at].into_f64());
            flatten.scatter(&self.base, params)?;
            // The next call begins anew, by a length of its own.
            self.point.fill(F::nan());
            self.length = 0.0;
            return Err(ErrorKind::NonFiniteStep { leaf, index, value }.into());
        }
        self.steps += 1;
        flatten.scatter(&self.point, params)?;
        Ok(StepInfo {
            step: self.steps,
            learning_rate: self.length,
            grad_norm: self.accepted.then(|| norm(self)),
            ..StepInfo::default()
        })
    }

    /// Puts the parameters back to the base, unless the rate is fixed.
    pub(super) fn settle(&self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        match (&self.flatten, self.fixed_rate) {
            (Some(flatten), None) => flatten.scatter(&self.base, params),
            _ => Ok(()),
        }
    }

    /// The fixed rate, or the length of the last step; before the first one there is none.
    pub(super) fn learning_rate(&self) -> f64 {
        let last = if self.steps == 0 { f64::NAN } else { self.length };
        self.fixed_rate.unwrap_or(last)
    }

    /// Scales the fixed rate; lengths that a search finds stay its own.
    pub(super) fn scale_rate(&mut self, optimizer: &'static str, factor: f64) -> Result<(), Error> {
        let Some(rate) = self.fixed_rate else {
            return Err(ErrorKind::Unsupported { optimizer, what: "fixed rate" }.into());
        };
        self.set_learning_rate(rate * factor)
    }

    pub(super) fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), Error> {
        let allowed = Interval::NON_NEGATIVE.check::<F>("", "", learning_rate);
        if allowed.is_err() {
            let step = self.steps + 1;
            return Err(ErrorKind::LearningRate { value: learning_rate, step }.into());
        }
        self.fixed_rate = Some(learning_rate);
        Ok(())
    }

    /// Puts a vector into a record, leaf by leaf.
    pub(super) fn put(&self, record: &mut Record, name: &str, vector: &[F]) {
        let Some(flatten) = &self.flatten else { return };
        for (i, (leaf, ..)) in flatten.leaves().enumerate() {
            if let Some(part) = flatten.leaf(vector, i) {
                record.array(leaf, name, part);
            }
        }
    }

    /// Takes it out again.
    pub(super) fn get(&self, record: &Record, name: &str) -> Result<Vec<F>, Error> {
        let Some(flatten) = &self.flatten else { return Ok(Vec::new()) };
        let mut vector = vec![F::zero(); flatten.len()];
        let tree = Snapshot::from_leaves(record.get_tree(name)?)?;
        flatten.gather_as(&tree, Tree::State, &mut vector)?;
        Ok(vector)
    }

    pub(super) fn save(&self, record: &mut Record) {
        record.number("fixed_rate", self.fixed_rate.unwrap_or(f64::NAN));
        self.search.save(record);
        record.number("slope", self.slope);
        record.number("length", self.length);
        record.count("steps", self.steps);
        record.count("restarts", self.restarts);
        record.count("accepted", self.accepted.into());
        self.put(record, "base", &self.base);
        self.put(record, "base_gradient", &self.base_gradient);
        self.put(record, "direction", &self.direction);
        self.put(record, "point", &self.point);
    }

    /// What was saved, for the same leaves where these are known.
    pub(super) fn load(&self, record: &Record) -> Result<Self, Error> {
        let fixed_rate = record.get_number("fixed_rate")?;
        let mut trail = Self {
            fixed_rate: (!fixed_rate.is_nan()).then_some(fixed_rate),
            slope: record.get_number("slope")?,
            length: record.get_number("length")?,
            steps: record.get_counter("steps")?,
            restarts: record.get_counter("restarts")?,
            accepted: record.get_flag("accepted")?,
            ..Self::new(self.search.load(record)?)
        };
        if !(trail.length >= 0.0 && trail.length.is_finite()) {
            return Err(invalid("`length`".to_owned(), format!("is {}", trail.length)));
        }
        // Upward, or of nothing: with a fixed rate any may come.
        if trail.slope.is_nan() {
            return Err(invalid("`slope`".to_owned(), "is NaN".to_owned()));
        }
        if let Some(base) = record.get_snapshot::<F>("base", None)? {
            trail.flatten = Some(match &self.flatten {
                Some(flatten) => flatten.clone(),
                None => Flatten::of(&base)?,
            });
            trail.base = trail.get(record, "base")?;
            trail.base_gradient = trail.get(record, "base_gradient")?;
            trail.direction = trail.get(record, "direction")?;
            trail.point = trail.get(record, "point")?;
        }
        Ok(trail)
    }
}
