//! What a state has, in words.

use std::fmt;

use super::{Record, State};
use crate::words::{counted, in_words};

/// One line: the optimizer, its steps, its leaves. `{:#}` is a table: settings, schedules, and what is kept of
/// each leaf.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, record) in self.records.iter().enumerate() {
            match (i, f.alternate()) {
                (0, _) => {}
                (_, false) => f.write_str("; inside ")?,
                (_, true) => f.write_str("\ninside ")?,
            }
            fmt::Display::fmt(record, f)?;
        }
        Ok(())
    }
}

/// As of a [`State`], of one optimizer.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.optimizer, self.scalar)?;
        if let Some(&steps) = self.counts.get("steps") {
            write!(f, " after {}", counted(steps, "step", "steps"))?;
        }
        if self.leaves.is_empty() {
            f.write_str(", no leaf yet")?;
        } else {
            let numbers = |shape: &[usize]| shape.iter().product::<usize>();
            let size: usize = self.leaves.iter().map(|leaf| numbers(&leaf.shape)).sum();
            let leaves = counted(self.leaves.len() as u64, "leaf", "leaves");
            write!(f, ", {leaves} of {}", counted(size as u64, "number", "numbers"))?;
        }
        if f.alternate() { self.table(f) } else { Ok(()) }
    }
}

impl Record {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<(String, String)> = Vec::new();
        for (name, schedule) in &self.schedules {
            if !is_course(name) {
                rows.push((plain(name), schedule.0.to_string()));
            }
        }
        for (name, count) in &self.counts {
            if BUILT.contains(&name.as_str()) {
                rows.push((plain(name), count.to_string()));
            }
        }
        for (name, number) in &self.numbers {
            let is_built = !name.contains('.') && !KEPT.contains(&name.as_str());
            if is_built || (name.contains("hyperparameter.") && !is_course(name)) {
                rows.push((plain(name), format!("{:?}", number.0)));
            }
        }
        for (name, number) in &self.numbers {
            let Some((_, own)) = name.split_once("hyperparameter.") else { continue };
            let base = self.numbers.get(&format!("hyperparameter.{own}"));
            let row = (format!("{} in a group", plain(own)), format!("{:?}", number.0));
            if is_course(name) && base.is_some_and(|base| base != number) && !rows.contains(&row) {
                rows.push(row);
            }
        }
        for (name, text) in &self.texts {
            let is_group = name.strip_prefix("group.").is_some_and(|rest| !rest.contains('.'));
            let is_setting = name.contains("setting.") || BUILT.contains(&name.as_str());
            if (is_setting || is_group) && !is_course(name) {
                let value = if is_group { format!("leaves `{text}`") } else { in_words(text) };
                rows.push((plain(name), value));
            }
        }
        if let Some(skipped @ 1..) = self.counts.get("skipped") {
            rows.push(("skipped steps".to_owned(), skipped.to_string()));
        }
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in rows {
            write!(f, "\n  {name:width$}  {value}")?;
        }
        let width = self.leaves.iter().map(|leaf| leaf.name.chars().count()).max().unwrap_or(0);
        for leaf in &self.leaves {
            let name = |array: &'_ String| array.strip_prefix("slot.").unwrap_or(array).to_owned();
            let kept: Vec<String> = leaf.arrays.keys().map(name).collect();
            let shape = match &leaf.shape[..] {
                [] => "number".to_owned(),
                shape => format!("{shape:?}"),
            };
            let kept =
                if kept.is_empty() { String::new() } else { format!("  {}", kept.join(", ")) };
            // A lone array has no name.
            match leaf.name.as_str() {
                "" => write!(f, "\n  array  {shape}{kept}")?,
                name => write!(f, "\n  leaf {name:width$}  {shape}{kept}")?,
            }
        }
        Ok(())
    }
}

/// What an optimizer around another one is built with, or one whose rule couples elements.
const BUILT: [&str; 15] = [
    "average",
    "beta",
    "count",
    "fisher",
    "inverse_every",
    "max_products",
    "memory",
    "metric",
    "non_finite",
    "period",
    "ranks",
    "set0",
    "set1",
    "settings",
    "split",
];

/// The numbers of such a one that it has come to.
const KEPT: [&str; 5] = ["fixed_rate", "length", "promise", "slope", "square"];

/// What was in force over a stretch of steps says the same once more.
fn is_course(name: &str) -> bool {
    name.contains("course.")
}

fn plain(name: &str) -> String {
    name.replace("hyperparameter.", "")
        .replace("setting.", "")
        .replace("group.", "group ")
        .replace("scheduled.", "course of ")
        .replace('_', " ")
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use crate::{Adam, Optimizer};

    #[test]
    fn a_line_and_a_table() {
        let mut w = (array![1.0, 2.0], array![[3.0], [4.0]]);
        let mut adam = Adam::new(0.5).clip_norm(1.0).group("1", |rest| rest.beta1(0.8));
        let g = w.clone();
        assert_eq!(adam.state().to_string(), "Adam of f64 after 0 steps, no leaf yet");
        adam.step(&mut w, &g).unwrap();
        let state = adam.state();
        assert_eq!(state.to_string(), "Adam of f64 after 1 step, 2 leaves of 4 numbers");
        let table = format!("{state:#}");
        let rows =
            ["learning rate", "  beta1", "0.8", "clip norm", "  1.0", "leaf 1  [2, 1]  m, v"];
        for row in rows {
            assert!(table.contains(row), "{row}: {table}");
        }
        // A readable one is no longer than its names, whatever the arrays.
        assert!(format!("{state:?}").len() < 6000, "{state:?}");
    }
}
