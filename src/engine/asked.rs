//! What wrappers ask of the engine.

use super::kernel::averaged;
use super::ledger::Ledger;
use super::{Counters, Elementwise};
use crate::error::{Error, ErrorKind, Tree};
use crate::optimizer::Treatment;
use crate::params::ParamsMut;
use crate::rule::Rule;
use crate::scalar::Scalar;

impl<F: Scalar, R: Rule<F>> Elementwise<F, R> {
    pub(super) fn treatment_of(&self, leaf: &str) -> Treatment {
        let of = |settings: &super::Settings| Treatment {
            trained: !settings.frozen,
            maximize: settings.maximize,
        };
        if self.checked
            && let Some(leaf) = self.ledger.leaf(leaf)
        {
            return of(&self.ledger.courses[leaf.course].settings);
        }
        let groups = self.groups.iter().filter(|group| group.pattern.matches(leaf));
        self.plan.changed(groups).map_or_else(|_| Treatment::default(), |plan| of(&plan.settings))
    }

    pub(super) fn scale_rates(&mut self, factor: f64) -> Result<(), Error> {
        let (before, step) = (self.plan.rate_scale, self.counters.steps + 1);
        let scale = before * factor;
        let allowed = factor >= 0.0 && factor.is_finite() && scale.is_finite();
        self.plan.rate_scale = scale;
        if !allowed || self.plan.learning_rate::<F>(step).is_err() {
            self.plan.rate_scale = before;
            let value = self.plan.schedule.at(step) * factor;
            return Err(ErrorKind::LearningRate { value, step }.into());
        }
        for course in &mut self.ledger.courses {
            course.plan.rate_scale = scale;
        }
        Ok(())
    }

    /// The average takes the term that the last step has left out.
    pub(super) fn take_term(&mut self, params: &mut dyn ParamsMut<F>) -> Result<(), Error> {
        let Ledger { roster, leaves, courses } = &mut self.ledger;
        let Some(average) = self.plan.settings.average.filter(|_| self.term_due) else {
            return Ok(());
        };
        let Counters { averaged: terms, .. } = &mut self.counters;
        let rate = F::from_f64(average.rate(*terms));
        roster.meet(&*params, Tree::Parameters, |_, _| {})?;
        roster.meet_mut(params, Tree::Parameters, |index, w| {
            let leaf = &mut leaves[index];
            if !courses[leaf.course].settings.frozen {
                leaf.settle(&*w, &courses[leaf.course].settings);
                let w = leaf.order.arrange(w.view());
                let terms = leaf.average.as_mut_slice().iter_mut().zip(&w);
                terms.for_each(|(average, &w)| *average = averaged(*average, w, rate));
            }
        })?;
        *terms += 1;
        self.term_due = false;
        Ok(())
    }
}
