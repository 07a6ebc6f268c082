//! The fit of a normal distribution N(μ, σ²), by plain and by natural gradients.

use std::error::Error;
use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use ndarray::{Array1, Array2, array};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use thalweg::natural_gradient::{Dense, Exact, NaturalGradient};
use thalweg::{Optimizer, Sgd};

const SIZE: (u32, u32) = (1500, 1100);
const INK: RGBColor = RGBColor(40, 40, 40);
/// Okabe & Ito's palette, which color-blind eyes tell apart.
const PLAIN: RGBColor = RGBColor(213, 94, 0);
const NATURAL: RGBColor = RGBColor(0, 114, 178);
const MU: (f64, f64) = (-3.2, 3.2);
const SIGMA: (f64, f64) = (0.2, 4.0);
const STARTS: [[f64; 2]; 6] =
    [[-2.8, 0.7], [-2.0, 3.6], [2.8, 0.7], [2.4, 3.4], [1.0, 0.35], [-0.6, 0.4]];
const STEP: f64 = 1e-4;
/// Points of a line lie so far apart: closer than a pixel they make it ragged, far ones angular.
const SPACING: f64 = 0.02;
/// It is drawn this many times larger, for smooth edges.
const FINER: u32 = 3;

/// The mean of -log p over data of mean 0 and variance 1, without its constant.
fn loss(mu: f64, sigma: f64) -> f64 {
    sigma.ln() + (1.0 + mu * mu) / (2.0 * sigma * sigma)
}

fn gradient(w: &Array1<f64>) -> Array1<f64> {
    let (mu, sigma) = (w[0], w[1]);
    array![mu / (sigma * sigma), 1.0 / sigma - (1.0 + mu * mu) / sigma.powi(3)]
}

/// diag(1, 2)/σ²
fn fisher(w: &Array1<f64>) -> Array2<f64> {
    Array2::from_diag(&array![1.0, 2.0]) / (w[1] * w[1])
}

/// The points that small steps pass until they hardly move.
fn flow(start: [f64; 2], natural: bool) -> Result<Vec<(f64, f64)>, thalweg::Error> {
    let mut w = Array1::from(start.to_vec());
    let mut plain = Sgd::new(STEP);
    let mut metric = NaturalGradient::new(STEP, Dense::<f64, Exact>::new(0.0));
    let mut points = vec![(w[0], w[1])];
    let mut last = (w[0], w[1]);
    while w[0].abs() > 2e-3 || (w[1] - 1.0).abs() > 2e-3 {
        let g = gradient(&w);
        if natural {
            metric.observe(&w, fisher(&w).into())?;
            metric.step(&mut w, &g)?;
        } else {
            plain.step(&mut w, &g)?;
        }
        if f64::hypot(w[0] - last.0, w[1] - last.1) > SPACING {
            last = (w[0], w[1]);
            points.push(last);
        }
    }
    points.push((w[0], w[1]));
    Ok(points)
}

/// Means of the squares of pixels that become one.
fn shrink(large: &[u8]) -> Vec<u8> {
    let (width, finer) = (SIZE.0 as usize, FINER as usize);
    let mean = |at: usize| {
        let (pixel, color) = (at / 3, at % 3);
        let (x, y) = (finer * (pixel % width), finer * (pixel / width));
        let inside = (0..finer * finer).map(|i| (x + i % finer, y + i / finer));
        let sum: u32 =
            inside.map(|(x, y)| u32::from(large[3 * (y * finer * width + x) + color])).sum();
        (sum / (FINER * FINER)) as u8
    };
    (0..3 * width * SIZE.1 as usize).map(mean).collect()
}

pub fn draw(path: &Path) -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    let mut large = vec![0; (3 * SIZE.0 * SIZE.1 * FINER * FINER) as usize];
    draw_large(&mut large)?;
    Ok(crate::png::write(path, SIZE, &shrink(&large))?)
}

fn draw_large(pixels: &mut [u8]) -> Result<(), Box<dyn Error>> {
    let font = |size: u32| ("sans-serif", FINER * size).into_font().color(&INK);
    let size = (FINER * SIZE.0, FINER * SIZE.1);
    let root = BitMapBackend::with_buffer(pixels, size).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("The fit of a normal distribution: plain and natural gradient flow", font(40))
        .margin(FINER * 24)
        .x_label_area_size(FINER * 70)
        .y_label_area_size(FINER * 90)
        .build_cartesian_2d(MU.0..MU.1, SIGMA.0..SIGMA.1)?;

    // Bands of the loss above its minimum ½, each √2 times higher than the one inside.
    let (columns, rows) = (1280, 840);
    let (width, height) = ((MU.1 - MU.0) / columns as f64, (SIGMA.1 - SIGMA.0) / rows as f64);
    let cells = (0..columns * rows).map(|cell| {
        let x = MU.0 + width * (cell % columns) as f64;
        let y = SIGMA.0 + height * (cell / columns) as f64;
        let above = loss(x + width / 2.0, y + height / 2.0) - 0.5;
        let band = (2.0 * above.max(2e-3).log2()).floor() + 18.0;
        let shade = (252.0 - 3.4 * band).clamp(110.0, 252.0) as u8;
        Rectangle::new([(x, y), (x + width, y + height)], RGBColor(shade, shade, shade).filled())
    });
    chart.draw_series(cells)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .set_all_tick_mark_size(FINER * 6)
        .axis_style(INK.stroke_width(FINER))
        .label_style(font(28))
        .x_desc("mean μ")
        .y_desc("deviation σ")
        .axis_desc_style(font(32))
        .draw()?;
    for (natural, color, label) in
        [(false, PLAIN, "plain gradient"), (true, NATURAL, "natural gradient")]
    {
        for (i, start) in STARTS.into_iter().enumerate() {
            let line = LineSeries::new(flow(start, natural)?, color.stroke_width(FINER * 5));
            let series = chart.draw_series(line)?;
            if i == 0 {
                series.label(label).legend(move |(x, y)| {
                    PathElement::new(
                        [(x, y), (x + FINER as i32 * 50, y)],
                        color.stroke_width(FINER * 5),
                    )
                });
            }
        }
    }
    let dots = STARTS.iter().map(|&[x, y]| Circle::new((x, y), FINER * 8, INK.filled()));
    chart.draw_series(dots)?;
    chart.draw_series([Cross::new((0.0, 1.0), FINER * 12, INK.stroke_width(FINER * 4))])?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperMiddle)
        .margin(FINER * 14)
        .background_style(WHITE.filled())
        .border_style(INK.stroke_width(FINER))
        .label_font(font(30))
        .legend_area_size(FINER * 70)
        .draw()?;
    root.present()?;
    Ok(())
}
