//! The engine as an object: what is left of it in the crates that use it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayViewD, CowArray, IxDyn};

use super::plan::Plan;
use super::settings::{Precedence, Settings};
use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::params::{ParamsMut, Pattern};
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// An engine of any rule, to be built and to be asked.
pub(crate) trait Core<F: Scalar>: Optimizer<F> {
    fn boxed(&self) -> Box<dyn Core<F>>;

    /// The plan of a group, and whether groups were added to it.
    fn into_plan(self: Box<Self>) -> (Plan<F>, bool);

    /// The rule and its hyperparameters.
    fn rule(&self) -> &dyn Any;

    /// The rule, to be changed.
    fn rule_mut(&mut self) -> &mut dyn Any;

    /// The settings, to be changed.
    fn settings_mut(&mut self) -> &mut Settings;

    fn replace_schedule(&mut self, schedule: Schedule);

    fn set_scheduled(&mut self, hyperparameter: String, schedule: Schedule);

    /// Adds a group, which is the optimizer changed in that way.
    fn add_group(&mut self, leaves: Pattern, change: Changed<F>);

    /// Of a hyperparameter or a schedule, or of all.
    fn set_precedence(&mut self, name: Option<String>, precedence: Precedence);

    fn slot(&self, leaf: &str, slot: &str) -> Option<CowArray<'_, F, IxDyn>>;

    /// What the rule carries of the whole tree.
    fn carried(&self) -> [f64; 4];

    fn average_of(&self, leaf: &str) -> Option<ArrayViewD<'_, F>>;

    /// Brings parameters to the point to evaluate, or back from it.
    fn settle(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        settled: bool,
        factors: Factors<'_, F>,
    ) -> Result<(), Error>;

    /// Brings a copy of the parameters to the point to evaluate.
    fn settle_copy(
        &self,
        params: &mut dyn ParamsMut<F>,
        factors: Factors<'_, F>,
    ) -> Result<(), Error>;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What makes another engine of one without leaves.
pub(crate) type Changed<F> = Arc<dyn Fn(Box<dyn Core<F>>) -> Box<dyn Core<F>> + Send + Sync>;

/// What settling is made of, by the rule and the learning rate of the last step: w - a·(b·s), where s
/// is the rule's first slot.
pub(crate) type Factors<'f, F> = &'f dyn Fn(&dyn Any, f64) -> [F; 2];
