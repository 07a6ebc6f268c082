//! The fit of a normal distribution N(μ, σ²), by plain and by natural gradients.

use std::error::Error;
use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use ndarray::{Array1, Array2, array};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use thalweg::solvers::natural_gradient::{Dense, Exact, NaturalGradient};
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
const STEP: f64 = 2e-3;

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
    for step in 1..20_000 {
        let g = gradient(&w);
        if natural {
            metric.observe(&w, fisher(&w).into())?;
            metric.step(&mut w, &g)?;
        } else {
            plain.step(&mut w, &g)?;
        }
        // Closer points than a pixel make a line ragged.
        if step % 25 == 0 {
            points.push((w[0], w[1]));
        }
        if w[0].abs() < 2e-3 && (w[1] - 1.0).abs() < 2e-3 {
            break;
        }
    }
    Ok(points)
}

pub fn draw(path: &Path) -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    let font = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let root = BitMapBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("The fit of a normal distribution: plain and natural gradient flow", font(40))
        .margin(24)
        .x_label_area_size(70)
        .y_label_area_size(90)
        .build_cartesian_2d(MU.0..MU.1, SIGMA.0..SIGMA.1)?;

    // Bands of the loss above its minimum ½, each √2 times higher than the one inside.
    let (columns, rows) = (640, 420);
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
        .axis_style(INK)
        .label_style(font(28))
        .x_desc("mean μ")
        .y_desc("deviation σ")
        .axis_desc_style(font(32))
        .draw()?;
    for (natural, color, label) in
        [(false, PLAIN, "plain gradient"), (true, NATURAL, "natural gradient")]
    {
        for (i, start) in STARTS.into_iter().enumerate() {
            let line = LineSeries::new(flow(start, natural)?, color.stroke_width(5));
            let series = chart.draw_series(line)?;
            if i == 0 {
                series.label(label).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 50, y)], color.stroke_width(5))
                });
            }
        }
    }
    let dots = STARTS.iter().map(|&[x, y]| Circle::new((x, y), 8, INK.filled()));
    chart.draw_series(dots)?;
    chart.draw_series([Cross::new((0.0, 1.0), 12, INK.stroke_width(4))])?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperMiddle)
        .background_style(WHITE.filled())
        .border_style(INK)
        .label_font(font(30))
        .legend_area_size(70)
        .draw()?;
    root.present()?;
    Ok(())
}
