//! A picture of a surface: contours, trajectories, and the loss over the steps.

use std::error::Error;
use std::path::Path as File;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::geometry::{Grid, clipped};
use crate::methods::Method;
use crate::png::{self, Canvas};
use crate::runs::{End, Path};
use crate::surfaces::{Point, Surface};

const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
/// Okabe & Ito's palette, which color-blind eyes tell apart; its yellow is too faint on gray.
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
const DASHES: [(f64, f64); 2] = [(f64::INFINITY, 0.0), (14.0, 9.0)];
/// Of a column; the map has the proportions that valleys are drawn to.
const COLUMN: i32 = 720;
const MAP: (i32, i32) = (682, 496);
const CHART: i32 = 340;
const HEAD: i32 = 190;
const LINE: i32 = 38;
/// Cells of the shading.
const CELLS: (usize, usize) = (341, 248);
const BANDS: usize = 14;
/// Below that part of the highest loss all is drawn at the bottom.
const FLOOR: f64 = 1e-12;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A column of a picture.
pub struct Group<'a> {
    pub title: &'a str,
    pub paths: Vec<(&'a Method, &'a Path)>,
}

/// Draws groups of trajectories side by side.
pub fn draw(file: &File, surface: &Surface, steps: usize, groups: &[Group<'_>]) -> Result {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    let entries = groups.iter().map(|group| group.paths.len()).max().unwrap_or(0) as i32;
    let columns = groups.len().max(1) as i32;
    let height = HEAD + MAP.1 + CHART + 60 + LINE * entries + 104;
    let size = ((COLUMN * columns + 60).max(1100) as u32, height as u32);
    png::draw(file, size, |root| paint(root, height, surface, steps, groups))
}

fn paint(
    root: &Canvas<'_>,
    height: i32,
    surface: &Surface,
    steps: usize,
    groups: &[Group<'_>],
) -> Result {
    root.draw(&Text::new(surface.title, (40, 24), font(48)))?;
    root.draw(&Text::new(format!("E = {}", plain(surface.formula)), (40, 84), font(27)))?;
    let grid = Grid::new(surface, CELLS.0, CELLS.1);
    let base = base(surface, &grid, groups);
    for (i, group) in (0..).zip(groups) {
        let left = 40 + COLUMN * i;
        root.draw(&Text::new(group.title, (left, HEAD - 52), font(34)))?;
        map(root, (left, HEAD), surface, &grid, group)?;
        let top = HEAD + MAP.1 + 16;
        let area = root.clone().shrink((left - 40, top), (MAP.0 + 50, CHART));
        chart(root, &area, surface, base, steps, group)?;
        legend(root, (left, top + CHART + 24), surface, group)?;
    }
    let notes = [
        "Ring: start. Cross: lowest known loss. Triangle at the edge: the line leaves the frame.",
        "Chart: loss above the lowest, over evaluations of the gradient. Numbers: the last loss.",
    ];
    for (note, up) in notes.into_iter().zip([80, 46]) {
        root.draw(&Text::new(note, (40, height - up), font(23)))?;
    }
    Ok(())
}

/// What losses are measured from: the lowest known, or the lowest that was met in the frame.
fn base(surface: &Surface, grid: &Grid, groups: &[Group<'_>]) -> f64 {
    let paths = groups.iter().flat_map(|group| &group.paths);
    let met = paths.flat_map(|(_, path)| &path.points);
    let met = met.filter(|w| surface.shows(w)).map(|w| surface.value(w));
    let all = met.chain(grid.values().iter().copied()).filter(|value| value.is_finite());
    all.fold(surface.lowest(), f64::min)
}

fn map(
    root: &Canvas<'_>,
    (left, top): (i32, i32),
    surface: &Surface,
    grid: &Grid,
    group: &Group<'_>,
) -> Result {
    let at = |[x, y]: Point| {
        let (x, y) = (x * f64::from(MAP.0), (1.0 - y) * f64::from(MAP.1));
        (left + x.round() as i32, top + y.round() as i32)
    };
    let levels = grid.levels(BANDS);
    let (columns, rows) = CELLS;
    for row in 0..rows {
        for column in 0..columns {
            let value = grid.values()[row * (columns + 1) + column];
            let band = levels.partition_point(|&level| level <= value) as f64;
            let shade = (254.0 - 5.5 * band) as u8;
            let part = |i: usize, n: usize| i as f64 / n as f64;
            let corners = [
                at([part(column, columns), part(row, rows)]),
                at([part(column + 1, columns), part(row + 1, rows)]),
            ];
            root.draw(&Rectangle::new(corners, RGBColor(shade, shade, shade).filled()))?;
        }
    }
    for level in levels {
        for line in grid.contour(level) {
            let line: Vec<_> = line.into_iter().map(at).collect();
            root.draw(&PathElement::new(line, RGBColor(150, 150, 150).stroke_width(1)))?;
        }
    }
    for w in surface.minima {
        let (x, y) = at(surface.fractions(w));
        let cross = [[(x - 11, y), (x + 11, y)], [(x, y - 11), (x, y + 11)]];
        for line in cross {
            root.draw(&PathElement::new(line, INK.stroke_width(3)))?;
        }
    }
    for (style, (_, path)) in group.paths.iter().enumerate() {
        let points: Vec<Point> = path.points.iter().map(|w| surface.fractions(w)).collect();
        let color = COLORS[style % COLORS.len()];
        for part in clipped(&points) {
            let line: Vec<_> = part.iter().copied().map(at).collect();
            stroke(root, style, &line)?;
            if let [.., from, to] = part[..]
                && !inside(to)
            {
                arrow(root, at(from), at(to), color)?;
            }
        }
        let last = points[points.len() - 1];
        if inside(last) {
            root.draw(&Circle::new(at(last), 7, color.filled()))?;
            root.draw(&Circle::new(at(last), 7, WHITE.stroke_width(1)))?;
        }
    }
    if let Some((_, path)) = group.paths.first() {
        root.draw(&Circle::new(at(surface.fractions(&path.points[0])), 8, INK.stroke_width(3)))?;
    }
    let corners = [at([0.0, 0.0]), at([1.0, 1.0])];
    root.draw(&Rectangle::new(corners, INK.stroke_width(1)))?;
    let [[x0, y0], [x1, y1]] = surface.frame;
    for (text, (dx, dy), corner) in [
        (format!("({x0}, {y0})"), (8, -30), [0.0, 0.0]),
        (format!("({x1}, {y1})"), (-130, 8), [1.0, 1.0]),
    ] {
        let (x, y) = at(corner);
        let width = 13 * text.len() as i32;
        let dx = if dx < 0 { -width } else { dx };
        root.draw(&Text::new(text, (x + dx, y + dy), font(23)))?;
    }
    Ok(())
}

/// Strictly within the unit square.
fn inside([x, y]: Point) -> bool {
    x > 0.0 && x < 1.0 && y > 0.0 && y < 1.0
}

/// A triangle where a trajectory leaves the frame.
fn arrow(root: &Canvas<'_>, from: (i32, i32), to: (i32, i32), color: RGBColor) -> Result {
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = dx.hypot(dy).max(1.0);
    let (x, y) = (dx / length, dy / length);
    let at = |along: f64, across: f64| {
        let (right, down) = (along * x - across * y, along * y + across * x);
        (to.0 + right.round() as i32, to.1 + down.round() as i32)
    };
    root.draw(&Polygon::new([at(0.0, 0.0), at(-18.0, 9.0), at(-18.0, -9.0)], color.filled()))?;
    Ok(())
}

/// A line in one of the styles, piece by piece: a thick path would have spikes where it turns back.
fn stroke(area: &Canvas<'_>, style: usize, points: &[(i32, i32)]) -> Result {
    let (dash, gap) = DASHES[style / COLORS.len() % DASHES.len()];
    let color = COLORS[style % COLORS.len()];
    let mut drawn = 0.0;
    for pair in points.windows(2) {
        let [from, to] = [pair[0], pair[1]].map(|(x, y)| [f64::from(x), f64::from(y)]);
        let length = (to[0] - from[0]).hypot(to[1] - from[1]);
        let at = |along: f64| {
            let part = if length > 0.0 { along / length } else { 0.0 };
            let [x, y] = [0, 1].map(|i| (from[i] + part * (to[i] - from[i])).round() as i32);
            (x, y)
        };
        let mut along = 0.0;
        while along < length {
            // Where in the pattern this is.
            let place = if dash.is_finite() { drawn % (dash + gap) } else { 0.0 };
            let next = if place < dash { dash - place } else { dash + gap - place };
            let end = (along + next).min(length);
            if place < dash {
                let piece = [at(along), at(end)];
                area.draw(&PathElement::new(piece, color.stroke_width(3)))?;
                area.draw(&Circle::new(piece[1], 1, color.filled()))?;
            }
            // A little more than nothing, or rounding would stay at a border.
            drawn += (end - along).max(1e-9);
            along = end;
        }
    }
    Ok(())
}

/// The height above the lowest loss, after each gradient.
fn chart(
    root: &Canvas<'_>,
    area: &Canvas<'_>,
    surface: &Surface,
    base: f64,
    steps: usize,
    group: &Group<'_>,
) -> Result {
    let curves: Vec<Vec<f64>> = group
        .paths
        .iter()
        .map(|(_, path)| path.points.iter().map(|w| surface.value(w) - base).collect())
        .collect();
    let top = curves.iter().flatten().copied().filter(|h| h.is_finite()).fold(0.0, f64::max);
    let top = if top > 0.0 { top } else { 1.0 };
    let low = curves.iter().flatten().copied().fold(top, f64::min).max(FLOOR * top);
    let (low, high) = (low.log10().floor(), top.log10().ceil());
    let (low, high) = if low < high { (low, high) } else { (low - 1.0, high) };
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(46)
        .y_label_area_size(84)
        .margin_right(44)
        .margin_top(10)
        .build_cartesian_2d(0.0..steps as f64, low..high)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .x_labels(6)
        .y_labels(5)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|power| {
            if power.fract() == 0.0 { format!("1e{power:.0}") } else { String::new() }
        })
        .x_desc("gradients")
        .label_style(font(24))
        .axis_desc_style(font(24))
        .draw()?;
    for (style, curve) in curves.iter().enumerate() {
        let points = curve.iter().enumerate().map(|(step, height)| {
            let height = if height.is_finite() { height.max(10.0_f64.powf(low)) } else { top };
            (step as f64, height.log10().min(high))
        });
        let points: Vec<_> = points.map(|point| chart.backend_coord(&point)).collect();
        stroke(root, style, &points)?;
    }
    Ok(())
}

/// A line, the rate, the last loss, and what became of the trajectory.
fn legend(
    root: &Canvas<'_>,
    (left, top): (i32, i32),
    surface: &Surface,
    group: &Group<'_>,
) -> Result {
    for (row, (method, path)) in group.paths.iter().enumerate() {
        let y = top + LINE * row as i32;
        stroke(root, row, &[(left, y + 14), (left + 56, y + 14)])?;
        let mut label = method.title.to_owned();
        if method.takes_rate() {
            label += &format!(", rate {}", path.rate);
        }
        root.draw(&Text::new(label, (left + 66, y), font(25)))?;
        let loss = short(surface.value(&path.last()));
        root.draw(&Text::new(loss, (left + 425, y), font(25)))?;
        if let Some(fate) = fate(surface, path) {
            root.draw(&Text::new(fate, (left + 545, y + 2), font(22)))?;
        }
    }
    Ok(())
}

fn fate(surface: &Surface, path: &Path) -> Option<String> {
    let last = path.points.len() - 1;
    match (&path.end, path.left(surface)) {
        (End::Diverged, _) => Some(format!("diverged, step {last}")),
        (_, Some(step)) => Some(format!("left at step {step}")),
        (End::Stopped(_), _) => Some(format!("ended at step {last}")),
        (End::Budget, None) => None,
    }
}

/// Four digits.
fn short(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e5).contains(&size) {
        let decimals = (3 - size.max(1e-9).log10().floor() as i32).clamp(0, 6) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.3e}")
    }
}

/// In the letters that the font has.
fn plain(formula: &str) -> String {
    formula.replace("⁻⁴", "^-4").replace('⁴', "^4").replace('⁶', "^6")
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}
