//! Every rule agrees with its formula, transcribed apart from the crate.

mod data;
mod formulas;
mod more;
mod more_rows;
mod narrow;
mod scalars;
mod table;
mod trees;
mod two_points;

use std::collections::BTreeSet;
use std::path::Path;

use data::{Element, Rate, STEPS, elements};
use ndarray::Array1;
use table::{Of, Row, table};
use thalweg::{Optimizer, Scalar, Settings, catalog};

/// Settings whose formula loses digits in `f64` by itself: rule, setting, tolerance, reason.
const NOISY: &[(&str, &str, f64, &str)] = &[
    ("radam", "RAdam::new(a)", 1e-11, RECTIFICATION),
    ("radam", "RAdam::optax(a)", 1e-11, RECTIFICATION),
    (
        "momo",
        "MoMo::new(a).estimate_bound(true).bias_correction(true).lower_bound(-0.5)",
        1e-11,
        DIFFERENCE,
    ),
    ("momo-adam", "MoMoAdam::new(a)", 1e-11, DIFFERENCE),
    (
        "momo-adam",
        "MoMoAdam::new(a).beta1(0.5).beta2(0.9).epsilon(0.1).weight_decay(0.3).lower_bound(1.0)",
        1e-11,
        DIFFERENCE,
    ),
    (
        "momo-adam",
        "MoMoAdam::new(a).estimate_bound(true).weight_decay(0.3).lower_bound(-0.5)",
        1e-11,
        DIFFERENCE,
    ),
];

const DIFFERENCE: &str = "what the loss leaves of a rate is f̄ - f* less γ - ⟨d, w⟩, two numbers that are \
    far larger";

/// Rules whose formula in `f32` is [`narrow`]'s: what is left are the last digits of sums in another order.
const NARROW: &[&str] = &["dog", "ldog", "dowg", "prodigy", "momo", "momo-adam"];

/// Of `f32`, beside the formula in `f64`, or in `f32`.
fn tolerance_of_narrow(row: &Row) -> f64 {
    if NARROW.contains(&row.rule) { 1e-6 } else { 1e-5 }
}

const RECTIFICATION: &str = "with β₂ = 0.999, ρ at the first rectified step, 5.99, is the \
    difference of two numbers near 2000, and r has its root at 4";

fn tolerance(row: &Row) -> f64 {
    let noisy =
        NOISY.iter().find(|(rule, setting, ..)| (*rule, *setting) == (row.rule, row.setting));
    noisy.map_or(1e-13, |&(_, _, tolerance, _)| tolerance)
}

/// The elements of each leaf: all in one, and where a formula is of a leaf, also each by itself and
/// those that begin at 0 and those that do not.
fn leaves(formula: &Of, count: usize) -> Vec<Vec<usize>> {
    let mut leaves = vec![(0..count).collect()];
    if let Of::Tree(_) = formula {
        return vec![vec![0], (1..count / 2).collect(), (count / 2..count).collect()];
    }
    if let Of::Leaf(_) = formula {
        leaves.extend((0..count).map(|i| vec![i]));
        leaves.extend([(0..count / 2).collect(), (count / 2..count).collect::<Vec<_>>()]);
    }
    leaves
}

/// The new leaf by the formula of its elements, or by its own.
fn stepped(
    formulas: &mut [Of],
    (t, lr): (i32, f64),
    w: &Array1<f64>,
    g: &Array1<f64>,
) -> Array1<f64> {
    if let [Of::Leaf(formula)] = formulas {
        return formula(t, lr, w.as_slice().unwrap(), g.as_slice().unwrap()).into();
    }
    let step = |((formula, &w), &g): ((&mut Of, _), _)| match formula {
        Of::Element(formula) => formula(t, lr, w, g),
        _ => panic!("a formula of a leaf among those of elements"),
    };
    formulas.iter_mut().zip(w).zip(g).map(step).collect()
}

/// The new leaves by the formula of all.
fn stepped_tree(
    formula: &mut Of,
    (t, lr): (i32, f64),
    w: &[Array1<f64>],
    g: &[Array1<f64>],
) -> Vec<Array1<f64>> {
    let Of::Tree(formula) = formula else { panic!("not a formula of a tree") };
    let all = |leaves: &[Array1<f64>]| -> Vec<f64> {
        leaves.iter().flat_map(|leaf| leaf.iter().copied()).collect()
    };
    let mut all = formula(t, lr, loss(t), &all(w), &all(g)).into_iter();
    w.iter().map(|leaf| all.by_ref().take(leaf.len()).collect()).collect()
}

/// A loss that gets less, but for what is random in it.
fn loss(t: i32) -> f64 {
    2.0 + f64::from(t).sin() + 10.0 / f64::from(t)
}

/// Runs optimizer and formula on all elements; the largest deviation of any, relative to the
/// largest magnitude that the element, or a leaf that a norm couples, has reached by then, and
/// where it was.
fn deviation<F: Scalar>(
    mut optimizer: Box<dyn Optimizer<F>>,
    rate: Rate,
    formula: fn() -> Of,
) -> (f64, String) {
    narrow::IS_NARROW.set(F::NAME == "f32");
    let elements = elements();
    let leaves = leaves(&formula(), elements.len());
    let coupled = !matches!(formula(), Of::Element(_));
    let mut of_tree = formula();
    let is_tree = matches!(of_tree, Of::Tree(_));
    let narrowed = |value: f64| F::from_f64(value);
    let of = |value: &dyn Fn(&Element) -> f64| -> Vec<Array1<F>> {
        let leaf =
            |leaf: &Vec<usize>| leaf.iter().map(|&i| narrowed(value(&elements[i]))).collect();
        leaves.iter().map(leaf).collect()
    };
    let wide = |leaf: &Array1<F>| leaf.mapv(|x| x.into_f64());
    let mut w = of(&|e| e.initial);
    let mut expected: Vec<Array1<f64>> = w.iter().map(wide).collect();
    let mut reach: Vec<Array1<f64>> = expected.iter().map(|w| w.mapv(f64::abs)).collect();
    let count = |leaf: &Vec<usize>| if coupled { 1 } else { leaf.len() };
    let mut formulas: Vec<Vec<Of>> =
        leaves.iter().map(|leaf| (0..count(leaf)).map(|_| formula()).collect()).collect();
    let mut worst = (0.0, String::new());
    for step in 0..STEPS {
        let g = of(&|e| e.gradients[step]);
        let t = step as i32 + 1;
        optimizer.step_with_loss(&mut w, &g, loss(t)).unwrap();
        if is_tree {
            let g: Vec<Array1<f64>> = g.iter().map(wide).collect();
            expected = stepped_tree(&mut of_tree, (t, rate.at(t as u64)), &expected, &g);
        }
        for (l, leaf) in leaves.iter().enumerate() {
            let step = (t, rate.at(t as u64));
            if !is_tree {
                expected[l] = stepped(&mut formulas[l], step, &expected[l], &wide(&g[l]));
            }
            reach[l].zip_mut_with(&expected[l], |reach, w| *reach = reach.max(w.abs()));
            let largest = reach[l].fold(0.0_f64, |largest, &reach| largest.max(reach));
            for (i, &element) in leaf.iter().enumerate() {
                let off = (w[l][i].into_f64() - expected[l][i]).abs();
                let off = match off {
                    0.0 => 0.0,
                    off if off.is_finite() => off / if coupled { largest } else { reach[l][i] },
                    _ => f64::INFINITY,
                };
                if off > worst.0 {
                    let what = &elements[element].what;
                    let values = format!("{} for {}", w[l][i], expected[l][i]);
                    worst = (off, format!("step {t}, {what} of {}: {values}", leaf.len()));
                }
            }
        }
    }
    worst
}

fn check<F: Scalar>(build: fn(&Row, Rate) -> Box<dyn Optimizer<F>>, allowed: fn(&Row) -> f64) {
    let mut wrong = Vec::new();
    for row in table() {
        for rate in [Rate::Constant(row.learning_rate), Rate::Waving(row.learning_rate)] {
            let (off, place) = deviation(build(&row, rate), rate, row.formula);
            println!("{off:8.1e}  {} at {rate:?}; {place}", row.setting);
            if off > allowed(&row) {
                wrong.push(format!("{} at {rate:?} is {off:.1e} off; {place}", row.setting));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_agrees_with_its_literal_formula() {
    check::<f64>(|row, rate| (row.wide)(rate), tolerance);
}

#[test]
fn every_rule_agrees_with_its_literal_formula_in_f32() {
    check::<f32>(|row, rate| (row.narrow)(rate), tolerance_of_narrow);
}

#[test]
fn every_entry_of_the_catalog_has_a_formula() {
    let table = table();
    for entry in catalog::<f64>() {
        let row = table
            .iter()
            .find(|row| row.rule == entry.name && row.convention == "new")
            .unwrap_or_else(|| panic!("{} has no formula", entry.name));
        let rate = Rate::Constant(row.learning_rate);
        assert_eq!((row.wide)(rate).name(), entry.title);
        let built = entry.build(row.learning_rate, Settings::default());
        let (off, place) = deviation(built, rate, row.formula);
        assert!(off <= tolerance(row), "{} as the catalog builds it: {off:e}; {place}", entry.name);
    }
    for row in &table {
        assert!(
            catalog::<f64>().iter().any(|entry| entry.name == row.rule),
            "{} is not in the catalog",
            row.rule
        );
    }
}

/// The constructors are read off the sources: nothing else could tell that one is missing here.
#[test]
fn every_convention_has_a_formula_in_two_settings() {
    let table = table();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/rules");
    for entry in catalog::<f64>() {
        let file = rules.join(entry.name.replace('-', "_")).with_extension("rs");
        let source = std::fs::read_to_string(&file).unwrap();
        for convention in ["new", "torch", "keras", "optax", "paper", "timm", "pytorch_optimizer"] {
            let settings: BTreeSet<_> = table
                .iter()
                .filter(|row| row.rule == entry.name && row.convention == convention)
                .map(|row| row.setting)
                .collect();
            if source.contains(&format!("pub fn {convention}(")) {
                assert!(settings.len() >= 2, "{}::{convention} has {settings:?}", entry.title);
            } else {
                assert!(settings.is_empty(), "{}::{convention} does not exist", entry.title);
            }
        }
    }
}

#[test]
fn every_row_makes_the_optimizer_that_it_is_filed_under() {
    for row in table() {
        let title = catalog::<f64>().iter().find(|entry| entry.name == row.rule).unwrap().title;
        let constructor = format!("{title}::{}(", row.convention);
        assert!(row.setting.starts_with(&constructor), "{} as {constructor}", row.setting);
    }
}
