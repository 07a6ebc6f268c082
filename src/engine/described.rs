//! What an optimizer is built with, as a saved state has it, and whose values go on where two differ.

use super::plan::Plan;
use super::program::Program;
use super::settings::{Precedence, Settings};
use crate::error::Error;
use crate::scalar::Scalar;
use crate::schedule::Schedule;
use crate::state::{Record, compare, invalid};

/// Whose values go on.
pub(super) struct Rulings<'r> {
    /// The last one that fits counts.
    pub(super) of: &'r [(Option<String>, Precedence)],
    /// Whether the state is of a version that kept no rate beside the schedule: there it replaced it.
    pub(super) is_old: bool,
}

impl Rulings<'_> {
    fn on(&self, name: &str) -> Precedence {
        let fits = |of: &Option<String>| of.as_deref().is_none_or(|of| of == name);
        let ruled = self.of.iter().rev().find(|(of, _)| fits(of));
        let silent = if self.is_old { Precedence::Saved } else { Precedence::Refuse };
        ruled.map_or(silent, |&(_, precedence)| precedence)
    }

    /// Whether anything is to go on as it is built.
    pub(super) fn any_built(&self) -> bool {
        self.of.iter().any(|&(_, precedence)| precedence == Precedence::Built)
    }
}

/// The settings that a result depends on, each with its value.
fn settings_of(settings: &Settings) -> [(&'static str, String); 19] {
    // Named one by one, so that a new one is not forgotten.
    let Settings {
        non_finite,
        clip_norm,
        report_norm: _,
        average,
        simd: _,
        parallel_above: _,
        frozen,
        // The arrays tell theirs, and go on in what is built here.
        state_precision: _,
        parameter_rounding,
        untouched,
        // It says what a gradient may be, and changes no result.
        sparse: _,
        rate_factor,
        maximize,
        centralized,
        gradient_noise,
        clip_leaf_norm,
        clip_adaptive,
        clip_value,
        penalty,
        decoupled_decay,
        cautious,
        shrink,
        proximal_l1,
        max_norm,
    } = settings;
    [
        ("non_finite", format!("{non_finite:?}")),
        ("clip_norm", format!("{clip_norm:?}")),
        ("average", format!("{average:?}")),
        ("frozen", format!("{frozen:?}")),
        ("parameter_rounding", format!("{parameter_rounding:?}")),
        ("untouched", format!("{untouched:?}")),
        ("rate_factor", format!("{rate_factor:?}")),
        ("maximize", format!("{maximize:?}")),
        ("centralized", format!("{centralized:?}")),
        ("gradient_noise", format!("{gradient_noise:?}")),
        ("clip_leaf_norm", format!("{clip_leaf_norm:?}")),
        ("clip_adaptive", format!("{clip_adaptive:?}")),
        ("clip_value", format!("{clip_value:?}")),
        ("penalty", format!("{penalty:?}")),
        ("decoupled_decay", format!("{decoupled_decay:?}")),
        ("cautious", format!("{cautious:?}")),
        ("shrink", format!("{shrink:?}")),
        ("proximal_l1", format!("{proximal_l1:?}")),
        ("max_norm", format!("{max_norm:?}")),
    ]
}

/// The settings that are not as by default, each with its value.
pub(super) fn changed(settings: &Settings) -> impl Iterator<Item = (&'static str, String)> {
    let of = settings_of(settings).into_iter().zip(settings_of(&Settings::default()));
    of.filter(|((_, value), (_, default))| value != default).map(|(own, _)| own)
}

/// A rule without its numbers: its conventions.
fn conventions<F: Scalar>(program: &dyn Program<F>) -> String {
    let mut program = program.boxed();
    program.hyperparameters(&mut |_, number| *number = 0.0);
    format!("{program:?}")
}

/// Puts a plan into a record. Of the settings only what is not as by default: one that a later version
/// adds changes no old state.
pub(super) fn save<F: Scalar>(record: &mut Record, prefix: &str, plan: &Plan<F>) {
    record.schedule(format!("{prefix}learning_rate"), plan.schedule.clone());
    record.text(format!("{prefix}rule"), format!("{:?}", plan.program));
    record.text(format!("{prefix}conventions"), conventions(&*plan.program));
    for (name, value) in changed(&plan.settings) {
        record.text(format!("{prefix}setting.{name}"), value);
    }
    save_numbers(record, &format!("{prefix}hyperparameter."), &*plan.program);
    for (name, schedule) in &plan.scheduled {
        record.schedule(format!("{prefix}scheduled.{name}"), schedule.clone());
    }
    if is_own(prefix, plan) {
        record.text(format!("{prefix}{OWN}"), GROUPS_OWN);
    }
}

/// The entry of a group that has a learning rate of its own.
const OWN: &str = "setting.learning_rate";
const GROUPS_OWN: &str = "the group's own";

/// Whether a group has a learning rate of its own, which a rate that is set does not reach.
fn is_own<F: Scalar>(prefix: &str, plan: &Plan<F>) -> bool {
    !prefix.is_empty() && plan.has_own_schedule
}

/// Puts the hyperparameters of a rule into a record.
pub(super) fn save_numbers<F: Scalar>(record: &mut Record, prefix: &str, program: &dyn Program<F>) {
    program.boxed().hyperparameters(&mut |name, number| {
        record.number(format!("{prefix}{name}"), *number);
    });
}

/// Takes the hyperparameters of a rule out of a record.
pub(super) fn load_numbers<F: Scalar>(
    record: &Record,
    prefix: &str,
    program: &mut dyn Program<F>,
) -> Result<(), Error> {
    let mut result = Ok(());
    program.hyperparameters(
        &mut |name, number| match record.get_number(&format!("{prefix}{name}")) {
            Ok(saved) => *number = saved,
            Err(error) => result = Err(error),
        },
    );
    result
}

/// Compares a plan with the saved one, and takes over what the saved run is to decide.
pub(super) fn reconcile<F: Scalar>(
    record: &Record,
    prefix: &str,
    plan: &mut Plan<F>,
    rulings: &Rulings<'_>,
) -> Result<(), Error> {
    let of = if prefix.is_empty() { "" } else { " of a group" };
    // What the two are, before the numbers that they have.
    let here = conventions(&*plan.program);
    let saved = record.get_text(&format!("{prefix}conventions"))?;
    if saved != here {
        let with_numbers = record.get_text(&format!("{prefix}rule"));
        let what = format!("the rule{of}");
        compare(&what, with_numbers.unwrap_or(saved), &format!("{:?}", plan.program))?;
        compare(&what, saved, &here)?;
    }
    if let Ok(text) = record.get_text(&format!("{prefix}rule")) {
        // It says again what conventions and numbers are.
        let mut saved = plan.program.boxed();
        load_numbers(record, &format!("{prefix}hyperparameter."), &mut *saved)?;
        if text != format!("{saved:?}") {
            let problem = "is not the rule of the numbers beside it".to_owned();
            return Err(invalid(format!("`{prefix}rule`"), problem));
        }
    }
    let defaults = settings_of(&Settings::default());
    for ((name, here), (_, default)) in settings_of(&plan.settings).iter().zip(&defaults) {
        if rulings.on(name) != Precedence::Built {
            let saved = record.get_text(&format!("{prefix}setting.{name}"));
            compare(&format!("the setting {name}{of}"), saved.unwrap_or(default), here)?;
        }
    }
    let mut result = Ok(());
    plan.program.hyperparameters(&mut |name, number| {
        let outcome =
            record.get_number(&format!("{prefix}hyperparameter.{name}")).and_then(|saved| {
                match rulings.on(name) {
                    Precedence::Built => Ok(*number),
                    Precedence::Saved => Ok(saved),
                    Precedence::Refuse => {
                        let (what, here) = (format!("{name}{of}"), format!("{number:?}"));
                        compare(&what, &format!("{saved:?}"), &here).map(|()| saved)
                    }
                }
            });
        match outcome {
            Ok(value) => *number = value,
            Err(error) if result.is_ok() => result = Err(error),
            Err(_) => {}
        }
    });
    result?;
    let scheduled = plan.scheduled.iter_mut();
    let schedules = scheduled.map(|(name, schedule)| (name.as_str(), "scheduled.", schedule));
    for (name, kind, schedule) in schedules.chain([("learning_rate", "", &mut plan.schedule)]) {
        reconcile_schedule(record, prefix, kind, name, schedule, rulings)?;
    }
    let saved = record.get_text(&format!("{prefix}{OWN}")).is_ok();
    if !rulings.is_old && !prefix.is_empty() {
        match rulings.on("learning_rate") {
            Precedence::Built => {}
            Precedence::Saved => plan.has_own_schedule = saved,
            Precedence::Refuse => {
                let whose = |own: bool| if own { GROUPS_OWN } else { "the optimizer's" };
                let here = whose(is_own(prefix, plan));
                compare(&format!("the learning rate{of}"), whose(saved), here)?;
            }
        }
    }
    Ok(())
}

/// A closure cannot be saved, and must be there under the same name.
fn reconcile_schedule(
    record: &Record,
    prefix: &str,
    kind: &str,
    name: &str,
    schedule: &mut Schedule,
    rulings: &Rulings<'_>,
) -> Result<(), Error> {
    let ruling = rulings.on(name);
    if ruling == Precedence::Built {
        return Ok(());
    }
    let mut saved = record.get_schedule(&format!("{prefix}{kind}{name}"))?.clone();
    saved.adopt(schedule);
    saved.validate()?;
    if ruling == Precedence::Refuse {
        let of = if prefix.is_empty() { "" } else { " of a group" };
        compare(&format!("{name}{of}"), &format!("{saved:?}"), &format!("{schedule:?}"))?;
    }
    *schedule = saved;
    Ok(())
}

/// That a record has the entries of another one, but for what is ruled to be as it is built here.
pub(super) fn assert_like(
    record: &Record,
    again: &Record,
    rulings: &Rulings<'_>,
) -> Result<(), Error> {
    let stays = |name: &str| {
        // A prefix tells the course, and what kind of entry it is.
        let last = name.rsplit_once("setting.").or_else(|| name.rsplit_once("scheduled."));
        let is_built = last.is_some_and(|(_, name)| rulings.on(name) == Precedence::Built);
        let is_new =
            name.starts_with("cohort.") || name.starts_with("leaf.") || name.ends_with("rule");
        let is_old = name == "averaged" || name.contains("carried.");
        // What was scheduled in one of the two alone has numbers of its last step.
        let is_last = rulings.any_built() && name.contains(".last.");
        // Read and compared before, and not part of what is built.
        let is_since = name.starts_with("change.");
        !is_built && !is_last && !is_since && !(rulings.is_old && (is_new || is_old))
    };
    record.filtered(&stays).assert_like(&again.filtered(&stays))
}
