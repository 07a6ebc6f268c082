//! A step with rows is a loop over rows, written out.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayD};
use thalweg::params::Rows;
use thalweg::regularize::{Decay, Penalty};
use thalweg::rule::Clock;
use thalweg::{Average, Optimizer, Scalar, Settings};

use super::support::*;

for_both_scalars!(
    each_rule_is_a_loop_over_the_rows_that_are_touched,
    what_is_around_a_rule_is_done_to_rows_that_are_touched,
);

const COLUMNS: usize = 5;
const LEN: usize = 12;

/// Rows and values of a step; some rows come again.
fn gradient<F: Scalar>(step: u64) -> (Vec<usize>, ArrayD<F>) {
    let mut rows: Vec<usize> = shuffled(LEN, step).into_iter().take(4).collect();
    rows.extend([rows[2], rows[0], rows[2]]);
    (rows.clone(), array(&[rows.len(), COLUMNS], 50 + step))
}

/// The sums of each row's values, in the order in which they come.
fn sums<F: Scalar>(rows: &[usize], values: &ArrayD<F>) -> BTreeMap<usize, Vec<F>> {
    let mut sums: BTreeMap<usize, Vec<F>> = BTreeMap::new();
    for (row, values) in rows.iter().zip(values.outer_iter()) {
        match sums.get_mut(row) {
            Some(sum) => sum.iter_mut().zip(&values).for_each(|(sum, &g)| *sum = *sum + g),
            None => _ = sums.insert(*row, values.iter().copied().collect()),
        }
    }
    sums
}

fn each_rule_is_a_loop_over_the_rows_that_are_touched<F: Scalar>() {
    for rule in each_rule::<F>() {
        // Of norms there is a law: rows are a table of their own.
        if rule.sums.is_empty() && !rule.loss && !rule.norms {
            check_literal(&rule);
        }
    }
}

fn check_literal<F: Scalar>(rule: &Own<F>) {
    let mut literal = (rule.literal)();
    let mut optimizer = (rule.optimizer)().at(RATE.into());
    let mut table = array::<F>(&[LEN, COLUMNS], 1);
    let mut w: Vec<Vec<F>> = table.outer_iter().map(|row| row.iter().copied().collect()).collect();
    let mut clock = Clock::default();
    for step in 1..=8 {
        let (rows, values) = gradient::<F>(step);
        let touched = sums(&rows, &values);
        optimizer.step(&mut table, &Rows { rows, values }).unwrap();
        clock.advance(step);
        literal.begin(&mut clock, RATE);
        for (&row, g) in &touched {
            for j in 0..COLUMNS {
                w[row][j] = literal.update(row * COLUMNS + j, w[row][j], g[j]);
            }
        }
        for (row, expected) in table.outer_iter().zip(&w) {
            assert_same_slices(row.as_slice().unwrap(), expected, (rule.entry.name, step));
        }
    }
}

/// SGD, with everything around it that does not couple elements, by the order that `Elementwise` tells.
fn what_is_around_a_rule_is_done_to_rows_that_are_touched<F: Scalar>() {
    let f = F::from_f64;
    let mut all = Settings::default();
    all.clip_norm = Some(0.7);
    all.clip_value = Some(0.05);
    all.penalty = Penalty::elastic_net(0.01, 0.1);
    all.decoupled_decay = Some(Decay::Relative(0.1));
    all.shrink = 0.999;
    all.proximal_l1 = 1e-3;
    all.average = Some(Average::ema(0.9));
    let mut sgd = thalweg::Sgd::<F>::new(RATE).with_settings(all);
    let mut table: Array2<F> = array(&[LEN, COLUMNS], 1).into_dimensionality().unwrap();
    let (mut w, mut average) = (table.clone(), table.clone());
    for step in 1..=8 {
        let (rows, values) = gradient::<F>(step);
        let touched = sums(&rows, &values);
        let info = sgd.step(&mut table, &Rows { rows, values }).unwrap();
        let squares = touched.values().flatten().map(|g| g.into_f64().powi(2));
        let norm = squares.sum::<f64>().sqrt();
        assert!((info.grad_norm.unwrap() / norm - 1.0).abs() < 1e-14);
        let scale = f((0.7 / info.grad_norm.unwrap()).min(1.0));
        if step == 1 {
            average.assign(&w);
        }
        for (&row, g) in &touched {
            for (j, &g) in g.iter().enumerate() {
                let mut x = w[[row, j]];
                let g = (g * scale).max(f(-0.05)).min(f(0.05));
                let sign = if x == f(0.0) { x } else { x.signum() };
                let g = g + (f(0.1) * x + f(0.01) * sign);
                x = x - f(RATE * 0.1) * x;
                x = x - f(RATE) * g;
                x = f(0.999) * x;
                x = if x.abs() <= f(RATE * 1e-3) { f(0.0) } else { x - f(RATE * 1e-3).copysign(x) };
                w[[row, j]] = x;
                let rate = if step == 1 { f(1.0) } else { f(1.0 - 0.9) };
                average[[row, j]] = average[[row, j]] + rate * (x - average[[row, j]]);
            }
        }
        let tolerance = 8.0 * F::epsilon().into_f64();
        let close = |a: &Array2<F>, b: &Array2<F>| {
            a.iter()
                .zip(b)
                .all(|(&a, &b)| (a - b).abs().into_f64() <= tolerance * b.abs().into_f64().max(1.0))
        };
        assert!(close(&table, &w), "step {step}: {table} and not {w}");
        let mut evaluated = table.clone();
        sgd.clone().swap_average(&mut evaluated).unwrap();
        assert!(close(&evaluated, &average), "step {step}: {evaluated} and not {average}");
    }
}
