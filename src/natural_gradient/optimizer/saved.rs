//! Saving the state, and going on from it.

use super::{Damping, NAME, NaturalGradient};
use crate::error::Error;
use crate::interval::Interval;
use crate::natural_gradient::metric::Metric;
use crate::optimizer::Optimizer;
use crate::params::Flatten;
use crate::scalar::Scalar;
use crate::state::{Record, State, compare};

impl<F: Scalar, M: Metric<F>, O: Optimizer<F>> NaturalGradient<F, M, O> {
    /// Its own record, the metric's, and those of the optimizer inside.
    pub(super) fn save(&self) -> State {
        self.inner.state().around(self.metric_record()).around(self.record())
    }

    fn record(&self) -> Record {
        let mut record = Record::new::<F>(NAME);
        record.text("metric", self.metric.name());
        record.text("settings", self.describe());
        record.count("observed", u64::from(self.age.is_some()));
        record.count("age", self.age.unwrap_or(0));
        record.number("damping", self.metric.damping());
        record.count("promised", u64::from(self.promise.is_some()));
        record.number("promise", self.promise.unwrap_or(0.0));
        if let Damping::Scheduled(schedule) = &self.damping {
            record.schedule("damping", schedule.clone());
        }
        if let Some(direction) = &self.direction {
            record.tree("direction", direction);
        }
        record
    }

    /// The metric's own.
    fn metric_record(&self) -> Record {
        let mut record = Record::new::<F>(self.metric.name());
        self.metric.save(&mut record);
        record
    }

    /// What a state must agree with.
    fn describe(&self) -> String {
        let damping = match &self.damping {
            Damping::Fixed => "fixed".to_owned(),
            Damping::Scheduled(_) => "scheduled".to_owned(),
            Damping::LevenbergMarquardt(omega) => format!("Levenberg-Marquardt {omega:?}"),
        };
        let (trust, model, every) = (self.trust_region, self.quadratic_model, self.observe_every);
        format!("damping {damping}, trust region {trust:?}, quadratic model {model}, every {every}")
    }

    pub(super) fn load(&mut self, state: &State) -> Result<(), Error> {
        let record = state.record::<F>(NAME)?;
        compare("the metric", record.get_text("metric")?, self.metric.name())?;
        compare("the settings", record.get_text("settings")?, &self.describe())?;
        let direction = record.get_snapshot("direction", self.direction.as_ref())?;
        let layout = match &direction {
            Some(direction) => Some(Flatten::of(direction)?),
            None => None,
        };
        let damping = record.get_number("damping")?;
        Interval::NON_NEGATIVE.check::<F>(NAME, "damping", damping)?;
        let observed = record.get_flag("observed")?;
        let age = observed.then_some(record.get_counter("age")?);
        let promised = record.get_flag("promised")?;
        let promise = promised.then_some(record.get_number("promise")?);
        let mut course = self.damping.clone();
        if let Damping::Scheduled(schedule) = &mut course {
            let mut saved = record.get_schedule("damping")?.clone();
            saved.adopt(schedule);
            *schedule = saved;
        }
        let inside = state.inner()?;
        let statistics = inside.record::<F>(self.metric.name())?;
        self.metric.set_damping(damping);
        self.metric.load(layout.as_ref(), statistics)?;
        statistics.assert_like(&self.metric_record())?;
        self.inner.load_state(&inside.inner()?)?;
        self.damping = course;
        (self.age, self.promise) = (age, promise);
        (self.layout, self.direction) = (layout, direction);
        record.assert_like(&self.record())
    }
}
