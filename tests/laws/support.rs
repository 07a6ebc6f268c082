//! What the laws share.

use std::process::Command;

use thalweg::Scalar;

use super::own::own;
pub use super::own::{Literal, Own, Typed, literal};
pub use thalweg_tests_support::LOSS;
pub use thalweg_tests_support::course::{RATE, Run, STEPS};
pub use thalweg_tests_support::layout::{Layout, Placed, layouts};
pub use thalweg_tests_support::numbers::*;
pub use thalweg_tests_support::settings::*;

/// Makes a test of each generic law in each precision.
macro_rules! for_both_scalars {
    ($($law:ident),+ $(,)?) => {$(
        mod $law {
            #[test]
            fn f32() {
                super::$law::<f32>();
            }
            #[test]
            fn f64() {
                super::$law::<f64>();
            }
        }
    )+};
}
pub(crate) use for_both_scalars;

/// What a generic function makes of each rule of the crate: `each_rule!(of::<F>)`.
macro_rules! each_rule {
    ($of:ident::<$scalar:ty>) => {
        each_rule!(
            @ $of, $scalar,
            Sgd Momentum Nesterov AdaGrad RmsProp RmsPropMomentum CenteredRmsProp AdaDelta Adam
            AdamW AmsGrad AdaMax NAdam RAdam AdaBelief Yogi Lion Lars Lamb ScheduleFreeAdamW
            Adan AdEmaMix Adopt Madgrad SignSgd Signum Rprop Ftrl OptimisticGradient
            OptimisticAdam Fromage Mars ScheduleFreeSgd GpaAdamW NovoGrad DoG LDoG DoWG Prodigy
            DAdaptAdam PolyakStep MoMo MoMoAdam
        )
    };
    (@ $of:ident, $scalar:ty, $($rule:ident)+) => {{
        assert_eq!(
            [$(<thalweg::rules::$rule as thalweg::Rule<$scalar>>::NAME),+].as_slice(),
            thalweg::catalog::<$scalar>().iter().map(|entry| entry.title).collect::<Vec<_>>(),
            "`each_rule!` lists the catalog",
        );
        [$($of::<$scalar, thalweg::rules::$rule>()),+]
    }};
}

/// Every rule of the crate in its own type.
pub fn each_rule<F: Scalar>() -> Vec<Own<F>> {
    each_rule!(own::<F>).into()
}

/// Runs the rest of a test in a process of its own, where a stack overflow ends no other test.
pub fn in_its_own_process(test: &str, body: impl FnOnce()) {
    const VARIABLE: &str = "THALWEG_LAW";
    if std::env::var_os(VARIABLE).is_some_and(|running| running == test) {
        return body();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([format!("laws::{test}").as_str(), "--exact", "--nocapture"])
        .env(VARIABLE, test)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}\n{text}\n{errors}", child.status);
    assert!(text.contains("1 passed"), "`{test}` is not the test's name");
}
