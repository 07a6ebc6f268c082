//! What came out, as a table in Markdown.

use std::fmt::Write as _;

use crate::problems::Problem;
use crate::subjects::{Setting, Subject};
use crate::{REPORT, Result, SEARCH};

pub type Row<'r> = (&'r Subject, &'r [Result]);

/// The mean and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0).max(1.0) / n).sqrt())
}

fn mean(result: &Result) -> f64 {
    mean_and_error(&result.losses).0
}

/// Brings the rows into the order of their losses over the least of all, in the geometric mean.
pub fn sort(rows: &mut [Row<'_>]) {
    let problems = rows.first().map_or(0, |(_, results)| results.len());
    let least =
        |i: usize| rows.iter().map(|(_, results)| mean(&results[i])).fold(f64::INFINITY, f64::min);
    let least: Vec<f64> = (0..problems).map(least).collect();
    let behind = |results: &[Result]| -> f64 {
        results.iter().zip(&least).map(|(result, least)| (mean(result) / least).ln()).sum()
    };
    rows.sort_by(|(_, a), (_, b)| behind(a).total_cmp(&behind(b)));
}

fn shown(subject: &Subject, setting: &Setting) -> String {
    let mut text = format!("{:.2e}", setting.rate);
    if subject.is_at_the_end(setting) {
        text += "*";
    }
    if setting.falls {
        text += ", falling";
    }
    if let Some(damping) = setting.damping {
        write!(text, ", λ {damping}").expect("a text takes what is written");
    }
    text
}

/// Losses and effort, then what was chosen.
pub fn table(problems: &[Problem], rows: &[Row<'_>], threads: usize) -> String {
    let mut lines = vec![
        "# Every optimizer on three problems".to_owned(),
        String::new(),
        format!(
            "`cargo run --release --features linalg --example compare -- --out docs` writes this page. Each \
             optimizer had a search of 20 settings on each problem: ten rates, from a thirtieth to 300 times the \
             one to begin at (`catalog()`), evenly spaced in the logarithm, each constant and falling linearly \
             to 0; K-FAC five rates from 0.01 to 1 and two dampings in the place of ten rates. All else is as by \
             default. A setting was judged by {} seeds, the best one then by {} others. The initial weights, the \
             batches and their order are those of the seed, the same for all.",
            SEARCH.count(),
            REPORT.count()
        ),
        String::new(),
    ];
    for problem in problems {
        lines.push(format!("- **{}**: {}", problem.name, problem.told()));
    }
    lines.extend([
        String::new(),
        "The loss is the mean over the seeds, with its standard error; *n*/20 is how many of the 20 settings came \
         within 5 % of the optimizer's own best in the search: how little tuning it needs. The seconds of a \
         processor are those of one training on each of the three, of which gradients take most, with "
            .to_owned()
            + &format!(
                "{threads} of them at a time. The order is that of the losses over the least of all, in the \
                 geometric mean; neighbours whose errors overlap may be in any order. One run of small problems \
                 says which optimizers are worth a try, and not which is the best."
            ),
        String::new(),
        "![the losses of all settings](compare.png)".to_owned(),
        String::new(),
    ]);
    let names = problems.iter().map(|problem| format!(" {} | of 20 |", problem.name));
    lines.push(format!("| optimizer |{} seconds |", names.collect::<String>()));
    lines.push(format!("|---|{}---|", "---|---|".repeat(problems.len())));
    for (subject, results) in rows {
        let mut line = format!("| {} |", subject.title);
        for result in *results {
            let (loss, error) = mean_and_error(&result.losses);
            write!(line, " {loss:.4} ± {error:.4} | {} |", result.within())
                .expect("a text takes what is written");
        }
        let seconds: f64 = results.iter().map(|result| result.time.as_secs_f64()).sum();
        lines.push(format!("{line} {seconds:.2} |"));
    }
    lines.extend([
        String::new(),
        "The settings that were chosen; one with a star is at an end of its range.".to_owned(),
        String::new(),
    ]);
    let names = problems.iter().map(|problem| format!(" {} |", problem.name));
    lines.push(format!("| optimizer |{}", names.collect::<String>()));
    lines.push(format!("|---|{}", "---|".repeat(problems.len())));
    for (subject, results) in rows {
        let chosen = results.iter().map(|result| format!(" {} |", shown(subject, &result.chosen)));
        lines.push(format!("| {} |{}", subject.title, chosen.collect::<String>()));
    }
    lines.push(String::new());
    lines.join("\n")
}
