//! The densities as a picture.

use std::error::Error;
use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::Look;
use crate::png::{self, Canvas};

const SIZE: (u32, u32) = (2400, 1060);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
/// From Okabe & Ito's palette, which color-blind eyes tell apart.
const COLORS: [RGBColor; 4] =
    [RGBColor(86, 180, 233), RGBColor(230, 159, 0), RGBColor(0, 114, 178), RGBColor(213, 94, 0)];
/// The lowest density drawn.
const FLOOR: f64 = 1e-3;

type Result = std::result::Result<(), Box<dyn Error>>;

struct Curve {
    label: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

struct Panel {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    curves: Vec<Curve>,
    range: [f64; 2],
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// Densities along the training, and at its end without and with a diagonal.
pub fn draw(path: &Path, along: &[Look], divided: &[Look]) -> Result {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    png::draw(path, SIZE, |root| paint(root, along, divided))
}

fn paint(root: &Canvas<'_>, along: &[Look], divided: &[Look]) -> Result {
    let root = root
        .margin(16, 16, 16, 16)
        .titled("The Hessian's eigenvalues of a digit reader", font(44))?;
    let (left, right) = root.split_horizontally((SIZE.0 - 32) / 2);

    let ends = |f: fn(f64, f64) -> f64, of: fn(&Look) -> f64| along.iter().map(of).fold(0.0, f);
    let (low, high) = (ends(f64::min, |look| look.lowest), ends(f64::max, |look| look.highest));
    let margin = 0.05 * (high - low);
    let range = [low - margin, high + margin];
    let curves = along.iter().zip([0, 1, 2]).map(|(look, color)| {
        // Narrow enough for the outliers to stand apart.
        let width = (high - low) / 250.0;
        Curve {
            label: look.label.clone(),
            color: COLORS[color],
            points: sampled(range, |x| linear(look, x, width)),
        }
    });
    let mut panel = Panel {
        title: "density along the training",
        x: "eigenvalue",
        y: "density",
        curves: curves.collect(),
        range,
        low: FLOOR,
        high: 1.0,
        logarithmic: true,
    };
    panel.high = 2.0 * panel.highest();
    panel.draw(&left)?;

    let last = along.last().map(|look| (look, "as it is", COLORS[2]));
    let divided = divided.iter().zip([COLORS[1], COLORS[3]]);
    let looks = last.into_iter().chain(divided.map(|(look, color)| (look, &look.label[..], color)));
    let range = [-7.0, 0.3];
    let curves = looks.map(|(look, label, color)| Curve {
        label: label.into(),
        color,
        points: sampled(range, |x| on_decades(look, x)),
    });
    let mut panel = Panel {
        title: "at the end, without and with a preconditioner",
        x: "log10 of |eigenvalue| / largest",
        y: "part of the eigenvalues a decade",
        curves: curves.collect(),
        range,
        low: 0.0,
        high: 1.0,
        logarithmic: false,
    };
    panel.high = 1.5 * panel.highest();
    panel.draw(&right)?;
    Ok(())
}

fn sampled([low, high]: [f64; 2], f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    const POINTS: usize = 1200;
    let at = |i: usize| low + (high - low) * i as f64 / POINTS as f64;
    (0..=POINTS).map(|i| (at(i), f(at(i)))).collect()
}

fn linear(look: &Look, x: f64, width: f64) -> f64 {
    look.density.density(&[x], width).map_or(0.0, |density| density[0].value).max(FLOOR)
}

/// The density over decades of |λ|/λ_max.
fn on_decades(look: &Look, x: f64) -> f64 {
    const WIDTH: f64 = 0.15;
    let kernel = |node: f64| {
        let decade = (node.abs() / look.highest).max(1e-300).log10();
        (-0.5 * ((x - decade) / WIDTH).powi(2)).exp() / (WIDTH * std::f64::consts::TAU.sqrt())
    };
    look.density.mean(kernel).map_or(0.0, |mean| mean.value)
}

impl Panel {
    fn highest(&self) -> f64 {
        let values = self.curves.iter().flat_map(|curve| curve.points.iter().map(|p| p.1));
        values.fold(10.0 * FLOOR, f64::max)
    }

    fn draw(&self, area: &Canvas<'_>) -> Result {
        let mut builder = ChartBuilder::on(area);
        builder.caption(self.title, font(38)).margin(20).x_label_area_size(84);
        builder.y_label_area_size(124);
        let x = self.range[0]..self.range[1];
        if self.logarithmic {
            let mut chart = builder.build_cartesian_2d(x, (self.low..self.high).log_scale())?;
            chart
                .configure_mesh()
                .bold_line_style(GRID)
                .light_line_style(TRANSPARENT)
                .axis_style(INK)
                .label_style(font(32))
                .x_desc(self.x)
                .y_desc(self.y)
                .y_labels(5)
                .y_label_formatter(&|y| format!("{y:e}"))
                .axis_desc_style(font(34))
                .draw()?;
            for Curve { color, points, .. } in &self.curves {
                chart
                    .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(4)))?;
            }
        } else {
            let mut chart = builder.build_cartesian_2d(x, self.low..self.high)?;
            chart
                .configure_mesh()
                .bold_line_style(GRID)
                .light_line_style(TRANSPARENT)
                .axis_style(INK)
                .label_style(font(32))
                .x_desc(self.x)
                .y_desc(self.y)
                .axis_desc_style(font(34))
                .draw()?;
            for Curve { color, points, .. } in &self.curves {
                chart
                    .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(4)))?;
            }
        }
        let left = if self.logarithmic { 640 } else { 200 };
        for (row, curve) in (0..).zip(&self.curves) {
            let y = 100 + 48 * row;
            let line = [(left, y), (left + 84, y)];
            area.draw(&PathElement::new(line, curve.color.stroke_width(4)))?;
            area.draw(&Text::new(curve.label.clone(), (left + 100, y - 14), font(32)))?;
        }
        Ok(())
    }
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}
