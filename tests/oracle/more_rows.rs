//! More rules beside their formulas.

use thalweg::regularize::Decay;
use thalweg::*;

use super::more::*;
use super::table::{Of, Row, rows};

const FTRL: FtrlNumbers = FtrlNumbers { l1: 0.0, l2: 0.0, shrinkage: 0.0, beta: 1.0, initial: 0.0 };
const FTRL_KERAS: FtrlNumbers = FtrlNumbers { beta: 0.0, initial: 0.1, ..FTRL };

pub fn more() -> Vec<Row> {
    rows! {
        "sign-sgd" [0.01]:
        new |a| SignSgd::new(a) => sign_sgd();
        new |a| SignSgd::new(a).penalty(regularize::Penalty::NONE) => sign_sgd();

        "signum" [0.01]:
        new |a| Signum::new(a) => signum(0.9);
        new |a| Signum::new(a).momentum(0.0) => signum(0.0);
        new |a| Signum::new(a).momentum(0.6) => signum(0.6);

        "rprop" [0.01]:
        new |a| Rprop::new(a) => rprop(0.5, 1.2, [1e-6, 50.0]);
        new |a| Rprop::new(a).shrink_factor(0.3).growth_factor(2.0).smallest_step(4e-3)
            .largest_step(0.1) => rprop(0.3, 2.0, [4e-3, 0.1]);

        "adan" [0.01]:
        new |a| Adan::new(a) => adan([0.98, 0.92, 0.99], 1e-8, 0.0, true);
        new |a| Adan::new(a).beta1(0.8).beta2(0.5).beta3(0.9).epsilon(0.1).weight_decay(0.3)
            => adan([0.8, 0.5, 0.9], 0.1, 0.3, true);
        new |a| Adan::new(a).weight_decay(0.3).proximal(false)
            => adan([0.98, 0.92, 0.99], 1e-8, 0.3, false);

        "ademamix" [0.01]:
        new |a| AdEmaMix::new(a) => ademamix([0.9, 0.999, 0.9999], 5.0, 1e-8, 0.0, 0.0);
        new |a| AdEmaMix::new(a).beta1(0.8).beta2(0.95).beta3(0.99).mixture(8.0).epsilon(0.1)
            .weight_decay(0.3) => ademamix([0.8, 0.95, 0.99], 8.0, 0.1, 0.3, 0.0);
        new |a| AdEmaMix::new(a).warmup(60).decay(Decay::Relative(0.1))
            => ademamix([0.9, 0.999, 0.9999], 5.0, 1e-8, 0.1, 60.0);

        "adopt" [0.01]:
        new |a| Adopt::new(a) => adopt(0.9, 0.9999, 1e-6);
        new |a| Adopt::new(a).beta1(0.5).beta2(0.9).epsilon(0.1) => adopt(0.5, 0.9, 0.1);

        "madgrad" [0.01]:
        new |a| Madgrad::new(a) => madgrad(0.9, 1e-6);
        new |a| Madgrad::new(a).momentum(0.0).epsilon(1e-2) => madgrad(0.0, 1e-2);

        "optimistic-gradient" [0.01]:
        new |a| OptimisticGradient::new(a) => optimistic_gradient(1.0);
        new |a| OptimisticGradient::new(a).optimism(0.3) => optimistic_gradient(0.3);

        "optimistic-adam" [0.01]:
        new |a| OptimisticAdam::new(a) => optimistic_adam(1.0, [0.9, 0.999], 1e-8, false);
        new |a| OptimisticAdam::new(a).optimism(0.3).beta1(0.5).beta2(0.9).epsilon(0.1)
            => optimistic_adam(0.3, [0.5, 0.9], 0.1, false);
        optax |a| OptimisticAdam::optax(a) => optimistic_adam(1.0, [0.9, 0.999], 1e-8, true);
        optax |a| OptimisticAdam::optax(a).optimism(0.5).beta1(0.8)
            => optimistic_adam(0.5, [0.8, 0.999], 1e-8, true);

        "ftrl" [0.1]:
        new |a| Ftrl::new(a) => ftrl(FTRL);
        new |a| Ftrl::new(a).l1(0.7).l2(0.3).shrinkage(0.2).beta(0.5).initial_accumulator(0.4)
            => ftrl(FtrlNumbers { l1: 0.7, l2: 0.3, shrinkage: 0.2, beta: 0.5, initial: 0.4 });
        new |a| Ftrl::new(a).l1(20.0) => ftrl(FtrlNumbers { l1: 20.0, ..FTRL });
        keras |a| Ftrl::keras(a) => ftrl(FTRL_KERAS);
        keras |a| Ftrl::keras(a).l1(0.1).l2(0.2)
            => ftrl(FtrlNumbers { l1: 0.1, l2: 0.2, ..FTRL_KERAS });

        "schedule-free-sgd" [0.01]:
        new |a| ScheduleFreeSgd::new(a) => schedule_free_sgd(0.9, 0.0, 0.0, [0.0, 2.0]);
        new |a| ScheduleFreeSgd::new(a).momentum(0.6).weight_decay(0.3)
            => schedule_free_sgd(0.6, 0.3, 0.0, [0.0, 2.0]);
        new |a| ScheduleFreeSgd::new(a).warmup(35).step_power(1.5).rate_power(0.5)
            => schedule_free_sgd(0.9, 0.0, 35.0, [1.5, 0.5]);

        "gpa" [0.01]:
        new |a| GpaAdamW::new(a) => gpa([0.7, 0.9967], [0.9, 0.999], 1e-8, 0.0);
        new |a| GpaAdamW::new(a).train_share(0.4).average_share(0.8).beta1(0.5).beta2(0.9)
            .epsilon(0.1).weight_decay(0.3) => gpa([0.4, 0.8], [0.5, 0.9], 0.1, 0.3);

        "fromage" [0.01]:
        new |a| Fromage::new(a) => fromage(0.0);
        new |a| Fromage::new(a).min_norm(3.0) => fromage(3.0);
        optax |a| Fromage::optax(a) => fromage(1e-6);
        optax |a| Fromage::optax(a).min_norm(0.5) => fromage(0.5);

        "mars" [0.01]:
        new |a| Mars::new(a) => mars([0.95, 0.99], 0.025, 0.0, true, corrected(1e-8));
        new |a| Mars::new(a).beta1(0.8).beta2(0.9).variance_reduction(0.3).epsilon(0.1)
            .weight_decay(0.3) => mars([0.8, 0.9], 0.3, 0.3, true, corrected(0.1));
        new |a| Mars::new(a).clipped(false).decay(Decay::Relative(0.1))
            => mars([0.95, 0.99], 0.025, 0.1, false, corrected(1e-8));
        pytorch_optimizer |a| Mars::pytorch_optimizer(a)
            => mars([0.95, 0.99], 0.025, 0.0, true, |v, b| (f64::sqrt(v + 1e-15) + 1e-8) / b.sqrt());
        pytorch_optimizer |a| Mars::pytorch_optimizer(a).epsilon(0.1).weight_decay(0.2)
            => mars([0.95, 0.99], 0.025, 0.2, true, |v, b| (f64::sqrt(v + 1e-15) + 0.1) / b.sqrt());
    }
}

/// √(v/(1 - β₂ᵗ)) + ε
fn corrected(eps: f64) -> impl Fn(f64, f64) -> f64 {
    move |v, correction| (v / correction).sqrt() + eps
}
