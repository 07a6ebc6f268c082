//! All settings of all optimizers in one picture.

use std::error::Error;
use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::png::{self, Canvas};
use crate::problems::Problem;
use crate::table::Row;

const WIDTH: i32 = 2000;
const LEFT: i32 = 330;
const HEAD: i32 = 170;
const ROW: i32 = 36;
const FOOT: i32 = 70;
const GAP: i32 = 90;
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(228, 228, 228);
const BAND: RGBColor = RGBColor(246, 246, 246);
/// From Okabe & Ito's palette, which color-blind eyes tell apart.
const CONSTANT: RGBColor = RGBColor(0, 114, 178);
const FALLING: RGBColor = RGBColor(213, 94, 0);
/// What is further behind than that stands at the edge.
const MOST: f64 = 30.0;

type Outcome = Result<(), Box<dyn Error>>;

/// Losses over the least of all, each setting a dot.
pub fn draw(path: &Path, problems: &[Problem], rows: &[Row<'_>]) -> Outcome {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    let height = HEAD + ROW * rows.len() as i32 + FOOT;
    png::draw(path, (WIDTH as u32, height as u32), |canvas| paint(canvas, problems, rows))
}

fn paint(canvas: &Canvas<'_>, problems: &[Problem], rows: &[Row<'_>]) -> Outcome {
    let font = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let bottom = HEAD + ROW * rows.len() as i32;
    canvas.draw(&Text::new(
        "Twenty settings of each optimizer, on three problems",
        (24, 20),
        font(44),
    ))?;
    let notes = [(CONSTANT, "constant rate"), (FALLING, "falling to 0")];
    for (x, (color, note)) in [1220, 1500].into_iter().zip(notes) {
        canvas.draw(&Circle::new((x, 46), 9, color.filled()))?;
        canvas.draw(&Text::new(note, (x + 20, 30), font(32)))?;
    }
    for (i, (subject, _)) in (0..).zip(rows) {
        let top = HEAD + ROW * i;
        if i % 2 == 0 {
            let corners = [(12, top), (WIDTH - 12, top + ROW)];
            canvas.draw(&Rectangle::new(corners, BAND.filled()))?;
        }
        canvas.draw(&Text::new(subject.title, (24, top + 4), font(28)))?;
    }

    let width = (WIDTH - LEFT - GAP) / problems.len() as i32;
    for (i, problem) in problems.iter().enumerate() {
        let left = LEFT + width * i as i32 + GAP / 2;
        let span = f64::from(width - GAP);
        let at = |ratio: f64| left + (span * ratio.clamp(1.0, MOST).ln() / MOST.ln()) as i32;
        canvas.draw(&Text::new(problem.name, (left, 92), font(36)))?;
        for ratio in [1.0, 2.0, 5.0, 10.0, MOST] {
            let line = [(at(ratio), HEAD - 8), (at(ratio), bottom + 8)];
            canvas.draw(&PathElement::new(line, GRID.stroke_width(2)))?;
            let label = if ratio == MOST { format!("{ratio}+") } else { ratio.to_string() };
            canvas.draw(&Text::new(label, (at(ratio) - 10, bottom + 12), font(26)))?;
            canvas.draw(&Text::new(ratio.to_string(), (at(ratio) - 10, HEAD - 36), font(26)))?;
        }
        let least =
            rows.iter().map(|(_, results)| results[i].least()).fold(f64::INFINITY, f64::min);
        for (row, (_, results)) in (0..).zip(rows) {
            let middle = HEAD + ROW * row + ROW / 2;
            for (setting, loss) in &results[i].tried {
                let color = if setting.falls { FALLING } else { CONSTANT };
                let y = if setting.falls { middle + 7 } else { middle - 7 };
                let ratio = loss / least;
                let shade = if ratio < MOST { 0.75 } else { 0.15 };
                canvas.draw(&Circle::new((at(ratio), y), 6, color.mix(shade).filled()))?;
            }
        }
    }
    canvas.draw(&Text::new(
        "loss over the least of all",
        (LEFT + GAP / 2, bottom + 40),
        font(26),
    ))?;
    Ok(())
}
