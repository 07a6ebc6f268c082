//! The steps as one picture: how many times as long as this crate everyone takes.

use std::error::Error;
use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::merge::{Runs, lead, size};
use crate::peers::{OURS, STREAM};
use crate::record::Step;
use crate::steps::{SIZES, names};
use crate::work::{Precision, Rule};

const PANEL: (u32, u32) = (500, 400);
const LEGEND_HEIGHT: u32 = 150;
const TITLE_HEIGHT: u32 = 64;
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

type Drawn = Result<(), Box<dyn Error>>;
type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// How a contestant is drawn: the second seven have dashes and other marks.
struct Style {
    color: RGBColor,
    second: bool,
}

impl Style {
    fn of(place: usize) -> Self {
        Self { color: COLORS[place % COLORS.len()], second: place >= COLORS.len() }
    }

    fn path<P, I: Iterator<Item = P> + Clone>(&self, points: I) -> DashedPathElement<I, i32> {
        let (dash, gap) = if self.second { (10, 7) } else { (10_000, 0) };
        DashedPathElement::new(points, dash, gap, self.color.stroke_width(3))
    }
}

/// Draws a panel for each rule, precision and number of threads.
pub fn draw(runs: &Runs, path: &Path) -> Drawn {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    let steps: Vec<&Step> = runs.steps().filter(|step| step.who != OURS).collect();
    let shown = |name: &&str| steps.iter().any(|step| step.who == *name);
    let mut threads: Vec<usize> = steps.iter().map(|step| step.work.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let rows: Vec<(Precision, usize)> = Precision::ALL
        .into_iter()
        .flat_map(|precision| threads.iter().map(move |&threads| (precision, threads)))
        .collect();

    let width = PANEL.0 * Rule::ALL.len() as u32;
    let height = TITLE_HEIGHT + LEGEND_HEIGHT + PANEL.1 * rows.len() as u32;
    let root = BitMapBackend::new(path, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, panels) = root.split_vertically(TITLE_HEIGHT + LEGEND_HEIGHT);
    let title = "Time of a step, as a multiple of thalweg's in the same turns (above 1: slower)";
    head.draw(&Text::new(title, (24, 16), font(40)))?;
    let names: Vec<&str> = names().filter(shown).collect();
    legend(&head, &names)?;
    let panels = panels.split_evenly((rows.len(), Rule::ALL.len()));
    for (i, panel) in panels.iter().enumerate() {
        let (precision, threads) = rows[i / Rule::ALL.len()];
        let rule = Rule::ALL[i % Rule::ALL.len()];
        let here = |step: &&Step| {
            let work = step.work;
            (work.rule, work.precision, work.threads) == (rule, precision, threads)
        };
        let s = if threads == 1 { "" } else { "s" };
        let caption = format!("{}, {}, {threads} thread{s}", rule.title(), precision.title());
        let steps: Vec<&Step> = steps.iter().copied().filter(here).collect();
        diagram(panel, &caption, &names, &steps)?;
    }
    root.present()?;
    Ok(())
}

fn legend(area: &Canvas<'_>, names: &[&str]) -> Drawn {
    const COLUMNS: usize = 6;
    let width = PANEL.0 as usize * Rule::ALL.len() / COLUMNS;
    for (place, name) in names.iter().enumerate() {
        let x = (24 + place % COLUMNS * width) as i32;
        let y = (TITLE_HEIGHT as usize + 26 + place / COLUMNS * 44) as i32;
        let style = Style::of(place);
        if *name != STREAM {
            area.draw(&style.path([(x, y), (x + 80, y)].into_iter()))?;
        }
        mark(area, (x + 40, y), &style)?;
        let text = if *name == STREAM { "memory stream" } else { name };
        area.draw(&Text::new(text, (x + 94, y - 14), font(30)))?;
    }
    Ok(())
}

fn mark(area: &Canvas<'_>, at: (i32, i32), style: &Style) -> Drawn {
    if style.second {
        area.draw(&TriangleMarker::new(at, 9, style.color.filled()))?;
    } else {
        area.draw(&Circle::new(at, 6, style.color.filled()))?;
    }
    Ok(())
}

fn diagram(area: &Canvas<'_>, caption: &str, names: &[&str], steps: &[&Step]) -> Drawn {
    let sizes = SIZES[0] as f64 / 2.0..SIZES[SIZES.len() - 1] as f64 * 2.0;
    let mut chart = ChartBuilder::on(area)
        .caption(caption, font(28))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(sizes.log_scale(), (0.4..3000.0).log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(font(22))
        .x_label_formatter(&|&n| size(n.round() as usize))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    let one = [(SIZES[0] as f64 / 2.0, 1.0), (SIZES[SIZES.len() - 1] as f64 * 2.0, 1.0)];
    chart.draw_series(LineSeries::new(one, INK.stroke_width(2)))?;
    for (place, name) in names.iter().enumerate() {
        let style = Style::of(place);
        let own = steps.iter().filter(|step| step.who == *name);
        let mut points: Vec<(f64, f64)> =
            own.map(|step| (step.work.n as f64, lead(step).clamp(0.4, 3000.0))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.len() > 1 {
            chart.draw_series([style.path(points.iter().copied())])?;
        }
        for &at in &points {
            if style.second {
                chart.draw_series([TriangleMarker::new(at, 9, style.color.filled())])?;
            } else {
                chart.draw_series([Circle::new(at, 6, style.color.filled())])?;
            }
        }
    }
    Ok(())
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}
