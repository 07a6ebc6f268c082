//! The elementwise rules, one file each: formula, hyperparameters, update.
//!
//! A file's `Optimizer` is re-exported from the crate's root under the rule's name
//! ([`crate::Adam`]); the rule itself, which holds the hyperparameters, is here.

/// A rule from the table of its hyperparameters, each with its default and the range that it may take,
/// and of the conventions that its constructors choose.
///
/// It makes the struct, its default, the builder methods with their docs, `check`, which looks at every
/// range, and `numbers`, which visits every number. None can be forgotten in one of them. `of Leafwise` after
/// its name says that the rule is one of whole leaves.
macro_rules! hyperparameters {
    (
        $(#[$about:meta])+
        $rule:ident $(of $engine:ident)? {
            $($(#[doc = $doc:literal])+ $name:ident = $default:literal in $range:ident;)+
        }
        $(conventions {
            $($(#[$said:meta])* $choice:ident: $type:ty = $value:expr,)+
        })?
    ) => {
        $(#[$about])+
        #[derive(Debug, Clone)]
        pub struct $rule {
            $($name: f64,)+
            $($($(#[$said])* $choice: $type,)+)?
        }

        impl Default for $rule {
            fn default() -> Self {
                Self { $($name: $default,)+ $($($choice: $value,)+)? }
            }
        }

        impl<F: $crate::Scalar> $crate::rules::built!(F, $rule $(, $engine)?) {
            $(
                #[doc = concat!("Sets", $($doc, "\n",)+)]
                #[doc = ""]
                #[doc = concat!(
                    "It lies in ", $crate::rules::range!(text $range), ", and is ",
                    stringify!($default), " by default."
                )]
                #[must_use]
                pub fn $name(self, $name: f64) -> Self {
                    self.with(|rule| rule.$name = $name)
                }
            )+
        }

        impl $rule {
            /// Whether each number lies in its range.
            fn check<F: $crate::Scalar>(&self) -> Result<(), $crate::Error> {
                $crate::rule::Interval::check_all::<F>(
                    stringify!($rule),
                    &[$((
                        &$crate::rules::range!(interval $range self),
                        stringify!($name),
                        self.$name,
                    )),+],
                )
            }

            /// Calls `visit` with each hyperparameter's name and number.
            fn numbers(&mut self, visit: &mut dyn FnMut(&'static str, &mut f64)) {
                $(visit(stringify!($name), &mut self.$name);)+
            }
        }
    };
}

pub(crate) use hyperparameters;

/// The optimizer that a rule makes.
macro_rules! built {
    ($scalar:ty, $rule:ty) => {
        $crate::Elementwise<$scalar, $rule>
    };
    ($scalar:ty, $rule:ty, $engine:ident) => {
        $crate::$engine<$scalar, $rule>
    };
}
pub(crate) use built;

/// A range by its name: as the docs write it, and as it is checked. `PLACED` is that of an ε beside a
/// root or under it, by the rule's field `place`.
macro_rules! range {
    (text FRACTION) => {
        "[0, 1)"
    };
    (text INNER_FRACTION) => {
        "(0, 1)"
    };
    (text UP_TO_ONE) => {
        "(0, 1]"
    };
    (text SYMMETRIC) => {
        "(-1, 1)"
    };
    (text FINITE) => {
        "(-∞, ∞)"
    };
    (text NON_NEGATIVE) => {
        "[0, ∞)"
    };
    (text POSITIVE) => {
        "(0, ∞)"
    };
    (text EPSILON) => {
        "(0, ∞), [not too small](crate::rule::Interval::EPSILON)"
    };
    (text EPSILON_INSIDE) => {
        "(0, ∞), [not too small](crate::rule::Interval::EPSILON_INSIDE)"
    };
    (text PLACED) => {
        "(0, ∞), [not too small](crate::rule::Interval::EPSILON)"
    };
    (interval PLACED $rule:expr) => {
        $rule.place.interval()
    };
    (interval UP_TO_ONE $rule:expr) => {
        $crate::rule::Interval::above_zero_to_one("a number in (0, 1]")
    };
    (interval $name:ident $rule:expr) => {
        $crate::rule::Interval::$name
    };
}
pub(crate) use range;

pub(crate) mod adabelief;
pub(crate) mod adadelta;
pub(crate) mod adagrad;
pub(crate) mod adam;
pub(crate) mod adamax;
pub(crate) mod adamw;
pub(crate) mod adan;
pub(crate) mod ademamix;
pub(crate) mod adopt;
pub(crate) mod amsgrad;
pub(crate) mod centered_rmsprop;
pub(crate) mod dadapt_adam;
pub(crate) mod dog;
pub(crate) mod dowg;
pub(crate) mod fromage;
pub(crate) mod ftrl;
pub(crate) mod gpa;
pub(crate) mod lamb;
pub(crate) mod lars;
pub(crate) mod ldog;
pub(crate) mod lion;
pub(crate) mod madgrad;
pub(crate) mod mars;
pub(crate) mod momentum;
pub(crate) mod momo;
pub(crate) mod momo_adam;
pub(crate) mod nadam;
pub(crate) mod nesterov;
pub(crate) mod novograd;
pub(crate) mod optimistic_adam;
pub(crate) mod optimistic_gradient;
pub(crate) mod polyak_step;
pub(crate) mod prodigy;
pub(crate) mod radam;
pub(crate) mod rmsprop;
pub(crate) mod rmsprop_momentum;
pub(crate) mod rprop;
pub(crate) mod schedule_free;
pub(crate) mod schedule_free_sgd;
pub(crate) mod sgd;
pub(crate) mod sign_sgd;
pub(crate) mod signum;
pub(crate) mod yogi;

pub(crate) mod catalog;

pub use adabelief::AdaBelief;
pub use adadelta::AdaDelta;
pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use adamax::AdaMax;
pub use adamw::AdamW;
pub use adan::Adan;
pub use ademamix::AdEmaMix;
pub use adopt::Adopt;
pub use amsgrad::AmsGrad;
pub use centered_rmsprop::CenteredRmsProp;
pub use dadapt_adam::DAdaptAdam;
pub use dog::DoG;
pub use dowg::DoWG;
pub use fromage::Fromage;
pub use ftrl::Ftrl;
pub use gpa::GpaAdamW;
pub use lamb::Lamb;
pub use lars::Lars;
pub use ldog::LDoG;
pub use lion::Lion;
pub use madgrad::Madgrad;
pub use mars::Mars;
pub use momentum::Momentum;
pub use momo::MoMo;
pub use momo_adam::MoMoAdam;
pub use nadam::NAdam;
pub use nesterov::Nesterov;
pub use novograd::NovoGrad;
pub use optimistic_adam::OptimisticAdam;
pub use optimistic_gradient::OptimisticGradient;
pub use polyak_step::PolyakStep;
pub use prodigy::Prodigy;
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use rmsprop_momentum::RmsPropMomentum;
pub use rprop::Rprop;
pub use schedule_free::ScheduleFreeAdamW;
pub use schedule_free_sgd::ScheduleFreeSgd;
pub use sgd::Sgd;
pub use sign_sgd::SignSgd;
pub use signum::Signum;
pub use yogi::Yogi;

use crate::rule::Interval;

/// Where ε stands in the denominator of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epsilon {
    /// √(s + ε)
    Inside,
    /// √s + ε
    Outside,
}

impl Epsilon {
    /// The range that ε may take there.
    fn interval(self) -> Interval {
        match self {
            Epsilon::Inside => Interval::EPSILON_INSIDE,
            Epsilon::Outside => Interval::EPSILON,
        }
    }

    /// What is added under the root and after it.
    fn split(self, epsilon: f64) -> (f64, f64) {
        match self {
            Epsilon::Inside => (epsilon, 0.0),
            Epsilon::Outside => (0.0, epsilon),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rule::Interval;

    #[test]
    fn ranges_are_what_their_texts_say() {
        macro_rules! check {
            ($($name:ident),+) => {
                $(check(range!(text $name), Interval::$name);)+
            };
        }
        fn check(text: &str, interval: Interval) {
            let (bounds, after) = text.split_once([')', ']']).unwrap();
            let (low, high) = bounds[1..].split_once(", ").unwrap();
            let of =
                |bound: &str| if bound == "∞" { f64::INFINITY } else { bound.parse().unwrap() };
            let (low, high): (f64, f64) = (of(low), of(high));
            let allows = |x: f64| interval.check::<f64>("", "", x).is_ok();
            assert_eq!(allows(low), text.starts_with('['), "{text} at {low}");
            assert!(!allows(high) && !allows(f64::NAN) && !allows(low - 1e-9), "{text}");
            assert!(allows(high.min(3.0) - 1e-9), "{text}");
            // The least that is above 0 is allowed but where the text has more to say.
            assert_eq!(allows(f64::MIN_POSITIVE), after.is_empty(), "{text}");
        }
        check!(
            FRACTION,
            INNER_FRACTION,
            SYMMETRIC,
            NON_NEGATIVE,
            POSITIVE,
            EPSILON,
            EPSILON_INSIDE
        );
    }

    /// The cells of the tables in a rule's docs are the defaults and the ranges of its own table.
    #[test]
    fn the_docs_of_each_rule_tell_its_defaults_and_ranges() {
        // This package, or the one of the tests.
        let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = [package.join("src"), package.join("../src")].into_iter().find(|s| s.is_dir());
        let source = source.unwrap();
        let rooms = ["rules", "factored", "kronecker"]
            .into_iter()
            .flat_map(|room| std::fs::read_dir(source.join(room)).unwrap());
        let (mut rules, mut rows) = (0, 0);
        for file in rooms.map(|file| file.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let Some((docs, table)) = text.split_once("\nhyperparameters! {") else { continue };
            rules += 1;
            let table = table.split("\n}\n").next().unwrap();
            for line in table.lines().filter_map(|line| line.trim().strip_suffix(';')) {
                let (name, rest) = line.split_once(" = ").unwrap();
                let (default, range) = rest.split_once(" in ").unwrap();
                let range = match range {
                    "FRACTION" => range!(text FRACTION),
                    "INNER_FRACTION" => range!(text INNER_FRACTION),
                    "SYMMETRIC" => range!(text SYMMETRIC),
                    "FINITE" => range!(text FINITE),
                    "UP_TO_ONE" => range!(text UP_TO_ONE),
                    "NON_NEGATIVE" => range!(text NON_NEGATIVE),
                    "POSITIVE" => range!(text POSITIVE),
                    "EPSILON" => range!(text EPSILON),
                    "EPSILON_INSIDE" => range!(text EPSILON_INSIDE),
                    "PLACED" => range!(text PLACED),
                    other => panic!("{}: {other}", file.display()),
                };
                let row = docs.lines().find(|row| row.starts_with(&format!("/// | `{name}`")));
                let row = row.unwrap_or_else(|| panic!("{}: no row of {name}", file.display()));
                let cells: Vec<&str> = row[3..].split('|').map(str::trim).collect();
                let told: f64 = cells[2].parse().unwrap_or_else(|_| panic!("{row}"));
                assert_eq!(told, default.parse::<f64>().unwrap(), "{row}");
                assert!(cells.contains(&range), "{row}: {range}");
                rows += 1;
            }
        }
        assert!(rules >= 35 && rows >= 105, "{rules} rules, {rows} rows");
    }
}
