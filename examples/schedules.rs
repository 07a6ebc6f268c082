//! Draws all schedules in one picture, each with the line that it prints as:
//!
//! ```text
//! cargo run --example schedules [-- --out FILE]
//! ```

mod png;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use thalweg::Schedule;
use thalweg::schedule::{Cyclic, OneCycle};
use thalweg::train::Plateau;

use png::Canvas;

const STEPS: u64 = 1000;
const COLUMNS: usize = 4;
/// It is drawn at twice its size and halved, which makes the edges smooth.
const SIZE: (u32, u32) = (2400, 1800);
const DRAWN: (u32, u32) = (2 * SIZE.0, 2 * SIZE.1);
/// Longer lines of a label are broken.
const LABEL: usize = 64;
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(228, 228, 228);
const FAINT: RGBColor = RGBColor(170, 170, 170);
/// Okabe & Ito's palette, which color-blind eyes tell apart.
const COLORS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
/// The later curves are thinner, so that an earlier one shows beneath.
const RADII: [u32; 3] = [6, 4, 3];

type Result = std::result::Result<(), Box<dyn Error>>;

#[derive(Parser)]
struct Options {
    /// Where the picture goes.
    #[arg(long, value_name = "FILE", default_value = "target/schedules.png")]
    out: PathBuf,
}

/// A diagram.
struct Panel {
    title: &'static str,
    curves: Vec<Curve>,
    low: f64,
    high: f64,
    /// Drawn behind the curves, in a scale of its own.
    metric: Vec<f64>,
}

/// A value for each step, and a line that says what it is.
struct Curve {
    label: String,
    values: Vec<f64>,
}

impl Panel {
    fn new(title: &'static str, schedules: impl IntoIterator<Item = Schedule>) -> Self {
        let curves = schedules.into_iter().map(|schedule| Curve {
            label: schedule.to_string(),
            values: (1..=STEPS).map(|step| schedule.at(step)).collect(),
        });
        Self { title, curves: curves.collect(), low: 0.0, high: 0.1, metric: Vec::new() }
    }

    fn draw(&self, area: &Canvas<'_>) -> Result {
        area.draw(&Text::new(self.title, (136, 20), font(60, &INK)))?;
        let lines = self.curves.iter().zip(COLORS).flat_map(|(curve, color)| {
            broken(&curve.label).into_iter().map(move |line| (line, color))
        });
        for (row, (line, color)) in (0..).zip(lines) {
            area.draw(&Text::new(line, (136, 94 + 44 * row), font(40, &color)))?;
        }

        let space = 0.04 * (self.high - self.low);
        let mut chart = ChartBuilder::on(area)
            .margin_top(280)
            .margin_right(40)
            .x_label_area_size(76)
            .y_label_area_size(132)
            .build_cartesian_2d(0.0..STEPS as f64, self.low - space..self.high + space)?;
        for value in [self.low, 0.5 * (self.low + self.high), self.high] {
            let line = [(0.0, value), (STEPS as f64, value)];
            chart.draw_series([PathElement::new(line, GRID.stroke_width(2))])?;
        }
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(FAINT.stroke_width(2))
            .x_labels(5)
            .x_label_formatter(&|step| step.to_string())
            .y_labels(3)
            .y_label_formatter(&|value| ((1e3 * value).round() / 1e3).to_string())
            .label_style(font(43, &INK))
            .draw()?;
        let top = self.metric.iter().fold(0.0_f64, |top, &metric| top.max(metric));
        let metric = Curve {
            label: String::new(),
            values: self.metric.iter().map(|metric| metric / top * self.high).collect(),
        };
        for (curve, color, radius) in std::iter::once((&metric, FAINT, 2))
            .chain(self.curves.iter().zip(COLORS).zip(RADII).map(|((c, color), r)| (c, color, r)))
        {
            let points: Vec<(f64, f64)> =
                (1..=STEPS).map(|step| step as f64).zip(curve.values.iter().copied()).collect();
            // A round brush: a thick path would have gaps where it turns sharply.
            let pairs = points.windows(2);
            chart.draw_series(
                pairs.map(|pair| PathElement::new(pair.to_vec(), color.stroke_width(2 * radius))),
            )?;
            chart.draw_series(points.iter().map(|&at| Circle::new(at, radius, color.filled())))?;
        }
        Ok(())
    }
}

/// At semicolons, and at a comma where a line would be too long.
fn broken(label: &str) -> Vec<String> {
    let mut lines = Vec::new();
    // The font has no arrow.
    for part in label.replace('→', "to").split("; ") {
        let mut line = String::new();
        for clause in part.split_inclusive(", ") {
            if line.len() + clause.len() > LABEL {
                lines.push(std::mem::take(&mut line));
            }
            line += clause;
        }
        lines.push(line);
    }
    lines
}

fn panels() -> Vec<Panel> {
    let mut momentum = Panel::new(
        "one cycle: its momentum",
        [
            OneCycle::momentum(0.95, 0.85, STEPS).into(),
            OneCycle::momentum(0.95, 0.85, STEPS).linear().three_phases().into(),
        ],
    );
    (momentum.low, momentum.high) = (0.84, 0.96);
    vec![
        Panel::new(
            "constant, step decay",
            [Schedule::constant(0.08), Schedule::step_decay(0.1, 0.6, 150)],
        ),
        Panel::new("multi-step decay", [Schedule::multi_step(0.1, 0.3, [400, 700, 850])]),
        Panel::new("exponential", [0.8, 0.5].map(|factor| Schedule::exponential(0.1, factor, 100))),
        Panel::new(
            "linear, polynomial",
            [
                Schedule::linear(0.1, 0.0, 800),
                Schedule::polynomial(0.1, 0.0, 0.5, 800),
                Schedule::polynomial(0.1, 0.0, 2.0, 800),
            ],
        ),
        Panel::new(
            "1 less the square root",
            [
                Schedule::one_minus_sqrt(0.1, 0.0, 800),
                Schedule::constant(0.06)
                    .then(600, Schedule::one_minus_sqrt(0.06, 0.0, 400))
                    .warm_up(100),
            ],
        ),
        Panel::new("inverse square root", [20, 150].map(|n| Schedule::inverse_sqrt(0.1, n))),
        Panel::new("cosine", [Schedule::cosine(0.1, 0.0, 800)]),
        Panel::new(
            "cosine with warm restarts",
            [
                Schedule::cosine_restarts(0.1, 0.0, 140, 2, 1.0),
                Schedule::cosine_restarts(0.07, 0.01, 125, 1, 0.8),
            ],
        ),
        Panel::new(
            "one cycle",
            [
                OneCycle::new(0.1, STEPS).into(),
                OneCycle::new(0.1, STEPS).linear().three_phases().into(),
            ],
        ),
        momentum,
        Panel::new(
            "cyclic",
            [Cyclic::new(0.01, 0.1, 100).into(), Cyclic::new(0.01, 0.1, 100).halved().into()],
        ),
        Panel::new(
            "cyclic, decaying",
            [Cyclic::new(0.01, 0.1, 30).down(70).decaying(0.998).into()],
        ),
        Panel::new("warm-up, then anything", [Schedule::cosine(0.1, 0.0, 800).warm_up(200)]),
        Panel::new("warmup-stable-decay", [Schedule::warmup_stable_decay(0.1, 100, 650, 250, 0.0)]),
        Panel::new(
            "any closure, and what is made of it",
            [
                Schedule::custom("0.06 + 0.04·sin(t/60)", |step| {
                    0.06 + 0.04 * (step as f64 / 60.0).sin()
                }),
                Schedule::custom("it", |step| 0.06 + 0.04 * (step as f64 / 60.0).sin())
                    .scaled(0.5)
                    .at_most(0.04)
                    .then(600, Schedule::exponential(0.04, 0.1, 200)),
            ],
        ),
        plateau(),
    ]
}

/// The rate that follows a loss with three plateaus; each reduction lets it fall further.
fn plateau() -> Panel {
    let mut plateau = Plateau::new(0.1).factor(0.4).patience(60).cooldown(20).relative(0.02);
    let (mut loss, mut metric, mut values) = (1.0, Vec::new(), Vec::new());
    for step in 0..STEPS {
        loss += 0.02 * (6.0 * plateau.learning_rate() + 0.05 - loss).min(0.0);
        metric.push(loss * (1.0 + 0.1 * (step as f64 * 1.7).sin() * (step as f64 * 0.61).cos()));
        values.push(plateau.observe(loss).expect("a plateau's numbers are in their ranges"));
    }
    let label = "times 0.4 when a loss, in gray, was no better; 60 times in a row".to_owned();
    let curves = vec![Curve { label, values }];
    Panel { title: "plateau", curves, low: 0.0, high: 0.1, metric }
}

fn font(size: u32, color: &RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(color)
}

fn main() -> Result {
    let Options { out } = Options::parse();
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut drawn = vec![0; 3 * (DRAWN.0 * DRAWN.1) as usize];
    draw(&mut drawn)?;
    png::write(&out, SIZE, &halve(&drawn))?;
    println!("wrote {}", out.display());
    Ok(())
}

fn draw(buffer: &mut [u8]) -> Result {
    let root = BitMapBackend::with_buffer(buffer, DRAWN).into_drawing_area();
    root.fill(&WHITE)?;
    let title = "Every schedule: its value at each of 1,000 steps";
    let body = root.margin(24, 8, 16, 16).titled(title, font(76, &INK))?;
    let panels = panels();
    let areas = body.split_evenly((panels.len().div_ceil(COLUMNS), COLUMNS));
    for (panel, area) in panels.iter().zip(areas) {
        panel.draw(&area.margin(12, 12, 8, 8))?;
    }
    root.present()?;
    Ok(())
}

/// Each pixel is the mean of four.
fn halve(drawn: &[u8]) -> Vec<u8> {
    let row = 3 * DRAWN.0 as usize;
    let mut halved = Vec::with_capacity(drawn.len() / 4);
    for rows in drawn.chunks_exact(2 * row) {
        let (upper, lower) = rows.split_at(row);
        for (upper, lower) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            halved.extend((0..3).map(|i| {
                let sum = [upper[i], upper[i + 3], lower[i], lower[i + 3]].map(u16::from);
                (sum.iter().sum::<u16>() / 4) as u8
            }));
        }
    }
    halved
}
