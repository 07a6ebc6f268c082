//! The learning curves as a picture.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::png::{self, Canvas};
use crate::train::{Epoch, Run};

const SIZE: (u32, u32) = (2400, 1060);
const LEGEND_WIDTH: u32 = 390;
const LINE: u32 = 4;
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// Okabe & Ito's palette, which color-blind eyes tell apart; its yellow is too faint on white.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];
/// Dash and gap in pixels: once the colors are used up, the lines change.
const DASHES: [(i32, i32); 3] = [(10_000, 0), (20, 10), (4, 8)];

type Result = std::result::Result<(), Box<dyn Error>>;

/// A value for each epoch, in one of the styles.
struct Curve {
    label: &'static str,
    style: usize,
    values: Vec<f64>,
}

impl Curve {
    fn new(label: &'static str, style: usize, run: &Run, value: fn(&Epoch) -> f64) -> Self {
        Self { label, style, values: run.epochs.iter().map(value).collect() }
    }

    fn color(&self) -> RGBColor {
        COLORS[self.style % COLORS.len()]
    }

    /// At each epoch the mean over the last quarter so far: accuracies take few different values.
    fn smoothed(mut self) -> Self {
        let means = (1..=self.values.len()).map(|end| {
            let window = &self.values[end - end.div_ceil(4)..end];
            window.iter().sum::<f64>() / window.len() as f64
        });
        self.values = means.collect();
        self
    }

    /// A line through these points.
    fn path<P, I: Iterator<Item = P> + Clone>(&self, points: I) -> DashedPathElement<I, i32> {
        let (dash, gap) = DASHES[self.style / COLORS.len() % DASHES.len()];
        DashedPathElement::new(points, dash, gap, self.color().stroke_width(LINE))
    }
}

/// An axis.
struct Scale {
    /// Where a value stands: what spreads out the interesting part.
    position: fn(f64) -> f64,
    /// The values with a grid line, increasing; the first and the last are the ends.
    marks: Vec<f64>,
    label: fn(f64) -> String,
}

impl Scale {
    /// Logarithmic.
    fn loss(curves: &[Curve]) -> Self {
        let values = curves.iter().flat_map(|curve| &curve.values).filter(|v| v.is_finite());
        let (low, high) = values.fold((0.1_f64, 1.0_f64), |(l, h), &v| (l.min(v), h.max(v)));
        let position = |loss: f64| loss.max(1e-6).log10();
        let (low, high) = (position(low).floor() as i32, position(high).ceil() as i32);
        let step = (high - low).div_euclid(10) + 1;
        let marks = (0..=(high - low + step - 1) / step).map(|i| 10.0_f64.powi(low + i * step));
        let label = |loss: f64| {
            if (1e-3..1e4).contains(&loss) { loss.to_string() } else { format!("{loss:e}") }
        };
        Self { position, marks: marks.collect(), label }
    }

    /// Logarithmic: the first epochs tell the optimizers apart.
    fn epochs(count: usize) -> Self {
        let last = count.max(2) as f64;
        let marks = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 1e4, 1e5];
        // A mark close to the last would have its label under the last's.
        let mut marks: Vec<f64> = marks.into_iter().filter(|mark| mark * 1.3 < last).collect();
        marks.push(last);
        Self { position: f64::log10, marks, label: |epoch| epoch.to_string() }
    }

    /// Logarithmic in the error, so that 98 and 99 % are as far apart as 80 and 90 %.
    fn accuracy(curves: &[Curve]) -> Self {
        const MARKS: [f64; 8] = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0];
        let values = curves.iter().flat_map(|curve| &curve.values);
        let (low, high) = values.fold((0.8_f64, 0.98_f64), |(l, h), &v| (l.min(v), h.max(v)));
        let first = MARKS.iter().rposition(|&mark| mark <= low).unwrap_or(0);
        let last = MARKS.iter().position(|&mark| mark >= high).unwrap_or(MARKS.len() - 1);
        Self {
            // No error at all is drawn where 0.4 % would be.
            position: |accuracy| -(1.0 - accuracy).max(4e-3).log10(),
            marks: MARKS[first..=last].to_vec(),
            label: |accuracy| format!("{} %", 100.0 * accuracy),
        }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn range(&self) -> Range<f64> {
        self.marks[0]..self.marks[self.marks.len() - 1]
    }

    fn map(&self, &value: &f64, (first, last): (i32, i32)) -> i32 {
        let Range { start, end } = self.range();
        let [start, end, at] = [start, end, value].map(self.position);
        first + (f64::from(last - first) * (at - start) / (end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, &value: &f64) -> String {
        (self.label)(value)
    }
}

/// A diagram of curves over the epochs.
struct Panel {
    title: &'static str,
    scale: fn(&[Curve]) -> Scale,
    curves: Vec<Curve>,
}

impl Panel {
    fn draw(&self, area: &Canvas<'_>) -> Result {
        let epochs = self.curves.iter().map(|curve| curve.values.len()).max().unwrap_or(1);
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, font(38))
            .margin(20)
            .x_label_area_size(84)
            .y_label_area_size(124)
            .build_cartesian_2d(Scale::epochs(epochs), (self.scale)(&self.curves))?;
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(font(32))
            .x_desc("epoch")
            .axis_desc_style(font(34))
            .draw()?;
        for curve in &self.curves {
            let points = (1..)
                .zip(&curve.values)
                .filter(|(_, value)| value.is_finite())
                .map(|(epoch, &value)| (f64::from(epoch), value));
            // A dot ends the curve, and shows one that is a single epoch long.
            let dot = points.clone().last().map(|end| Circle::new(end, 8, curve.color().filled()));
            chart.draw_series([curve.path(points)])?;
            chart.draw_series(dot)?;
        }
        Ok(())
    }
}

/// The curves of one training.
pub fn one(path: &Path, run: &Run) -> Result {
    let losses = vec![
        Curve::new("training", 0, run, |epoch| epoch.training_loss),
        Curve::new("validation", 1, run, |epoch| epoch.validation_loss),
    ];
    let accuracies = vec![Curve::new("validation", 1, run, |epoch| epoch.validation_accuracy)];
    draw(
        path,
        &format!("{}, learning rate {:?}", run.title, run.learning_rate),
        [
            Panel { title: "loss", scale: Scale::loss, curves: losses },
            Panel { title: "validation accuracy", scale: Scale::accuracy, curves: accuracies },
        ],
    )
}

/// The curves of many trainings, one color and line each.
pub fn race(path: &Path, runs: &[Run]) -> Result {
    let curves = |value: fn(&Epoch) -> f64| {
        runs.iter().enumerate().map(move |(i, run)| Curve::new(run.title, i, run, value))
    };
    let losses = curves(|epoch| epoch.training_loss).collect();
    let accuracies = curves(|epoch| epoch.validation_accuracy).map(Curve::smoothed).collect();
    draw(
        path,
        "Every optimizer from the same weights, with the same batches",
        [
            Panel { title: "training loss", scale: Scale::loss, curves: losses },
            Panel {
                title: "validation accuracy (smoothed)",
                scale: Scale::accuracy,
                curves: accuracies,
            },
        ],
    )
}

/// Two panels and, to their right, the legend of the first.
fn draw(path: &Path, title: &str, panels: [Panel; 2]) -> Result {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    png::draw(path, SIZE, |root| paint(root, title, &panels))
}

fn paint(root: &Canvas<'_>, title: &str, panels: &[Panel; 2]) -> Result {
    let (left, legend) =
        root.margin(16, 0, 0, 0).titled(title, font(44))?.split_horizontally(SIZE.0 - LEGEND_WIDTH);
    for (panel, area) in panels.iter().zip(left.split_evenly((1, 2))) {
        panel.draw(&area)?;
    }
    for (row, curve) in (0..).zip(&panels[0].curves) {
        let y = 94 + 48 * row;
        legend.draw(&curve.path([(0, y), (84, y)].into_iter()))?;
        legend.draw(&Text::new(curve.label, (100, y - 14), font(32)))?;
    }
    Ok(())
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}
