//! A fit from data to picture: the growth of onions, NIST's data set Rat43.
//!
//! `cargo run --release --example fit` fits a struct of parameters within bounds, prints the estimates with
//! their standard errors, and draws data, curve and confidence band to `fit.png`, with the curves on the
//! way to the answer behind it; `-- PATH` draws to another file.

mod png;

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use epaint_default_fonts::UBUNTU_LIGHT;
use ndarray::{Array1, Array2, array};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use thalweg::Bounds;
use thalweg::solvers::Stop;
use thalweg::solvers::least_squares::{
    Fit, LeastSquares, LevenbergMarquardt, WithJacobian, least_squares_within,
};

/// Dry weight of an onion's bulb and tops after so many weeks: Ratkowsky 1983, from NIST's StRD.
const DATA: &str = include_str!("../tests/data/nist/Rat43.dat");
const SIZE: (u32, u32) = (2000, 1060);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
const BLUE: RGBColor = RGBColor(0, 114, 178);
const SKY: RGBColor = RGBColor(86, 180, 233);
const ORANGE: RGBColor = RGBColor(213, 94, 0);

/// y = ceiling / (1 + exp(onset - rate·x))^(1/shape), Richards' curve.
#[derive(Debug, Clone)]
struct Growth {
    ceiling: Array1<f64>,
    onset: Array1<f64>,
    rate: Array1<f64>,
    shape: Array1<f64>,
}
thalweg::params!(Growth: f64 { ceiling, onset, rate, shape });

impl Growth {
    fn new([ceiling, onset, rate, shape]: [f64; 4]) -> Self {
        let [ceiling, onset, rate, shape] = [ceiling, onset, rate, shape].map(|x| array![x]);
        Self { ceiling, onset, rate, shape }
    }

    fn at(&self, x: f64) -> f64 {
        let rising = (self.onset[0] - self.rate[0] * x).exp();
        self.ceiling[0] * (1.0 + rising).powf(-1.0 / self.shape[0])
    }

    /// ∂y/∂(ceiling, onset, rate, shape).
    fn slopes(&self, x: f64) -> [f64; 4] {
        let (y, shape) = (self.at(x), self.shape[0]);
        let rising = (self.onset[0] - self.rate[0] * x).exp();
        let by_onset = -y / shape * rising / (1.0 + rising);
        [y / self.ceiling[0], by_onset, -x * by_onset, y * rising.ln_1p() / (shape * shape)]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows = DATA.lines().skip(60).filter(|line| !line.trim().is_empty());
    let numbers =
        |line: &str| line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
    let rows = rows.map(numbers).collect::<Result<Vec<_>, _>>()?;
    let (y, x): (Vec<f64>, Vec<f64>) = rows.iter().map(|row| (row[0], row[1])).unzip();

    let mut problem = LeastSquares::new(WithJacobian::new(
        |curve: &Growth| x.iter().zip(&y).map(|(&x, y)| curve.at(x) - y).collect::<Array1<f64>>(),
        |curve: &Growth| {
            let rows: Vec<[f64; 4]> = x.iter().map(|&x| curve.slopes(x)).collect();
            Array2::from(rows)
        },
    ));
    // All but the onset are positive, and the shape is no more than a tenth away from a step.
    let bounds = Bounds::new().leaf("ceiling", 0.0..).leaf("rate", 0.0..).leaf("shape", 0.1..);
    let mut curve = Growth::new([100.0, 10.0, 1.0, 1.0]);
    let mut way = Vec::new();
    let stop = Stop::never().evaluations(1000).callback(|progress| {
        let mut passed = Growth::new([0.0; 4]);
        if progress.point.write_to(&mut passed).is_ok() {
            way.push(passed);
        }
        println!("{:>3}  Σr²/2 = {:.6e}", progress.iteration, progress.value);
        ControlFlow::Continue(())
    });
    let mut solver = LevenbergMarquardt::new();
    let fit = least_squares_within(&mut solver, &mut curve, &bounds, &mut problem, stop)?;
    println!("\n{fit}");
    let (week, low, high) = (8.0, band(&fit, &curve, 8.0).0, band(&fit, &curve, 8.0).1);
    println!(
        "after {week} weeks: {:.1}, and with 95 % confidence {low:.1} to {high:.1}",
        curve.at(week)
    );

    let path = std::env::args().nth(1).unwrap_or_else(|| "fit.png".into());
    draw(Path::new(&path), &rows, &way, &curve, &fit)?;
    println!("drawn to {path}");
    Ok(())
}

/// The curve's 95 % confidence interval at x.
fn band(fit: &Fit, curve: &Growth, x: f64) -> (f64, f64) {
    let half = fit.student_t(0.95) * fit.standard_error_of(&curve.slopes(x));
    (curve.at(x) - half, curve.at(x) + half)
}

fn draw(
    path: &Path,
    data: &[Vec<f64>],
    way: &[Growth],
    curve: &Growth,
    fit: &Fit,
) -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT).map_err(|_| "unreadable font")?;
    let xs: Vec<f64> = (0..=100).map(|i| 0.5 + 15.5 * f64::from(i) / 100.0).collect();
    png::draw(path, SIZE, |root| {
        let font = |size: u32| ("sans-serif", size).into_font().color(&INK);
        let mut builder = ChartBuilder::on(root);
        builder.caption("Growth of onions, and the curve through it", font(44)).margin(24);
        builder.x_label_area_size(84).y_label_area_size(124);
        let mut chart = builder.build_cartesian_2d(0.5..16.0, 0.0..860.0)?;
        let mut mesh = chart.configure_mesh();
        mesh.bold_line_style(GRID).light_line_style(TRANSPARENT).axis_style(INK);
        mesh.label_style(font(28)).axis_desc_style(font(32));
        mesh.x_desc("weeks").y_desc("dry weight in grams").draw()?;
        // The latest are the darkest.
        for (k, passed) in way.iter().enumerate() {
            let shade = 0.15 + 0.35 * (k + 1) as f64 / way.len() as f64;
            let points = xs.iter().map(|&x| (x, passed.at(x).min(860.0)));
            let label = LineSeries::new(points, INK.mix(0.6 * shade).stroke_width(2));
            chart.draw_series(label)?;
        }
        let ends = xs.iter().map(|&x| (x, band(fit, curve, x)));
        let (low, high): (Vec<_>, Vec<_>) = ends.map(|(x, (l, h))| ((x, l), (x, h))).unzip();
        let around: Vec<(f64, f64)> = low.into_iter().chain(high.into_iter().rev()).collect();
        chart
            .draw_series([Polygon::new(around, SKY.mix(0.35).filled())])?
            .label("95 % confidence")
            .legend(|(x, y)| {
                Rectangle::new([(x, y - 12), (x + 48, y + 12)], SKY.mix(0.35).filled())
            });
        let points = xs.iter().map(|&x| (x, curve.at(x)));
        chart
            .draw_series(LineSeries::new(points, BLUE.stroke_width(5)))?
            .label("fit")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 48, y)], BLUE.stroke_width(5)));
        let dots = data.iter().map(|row| Circle::new((row[1], row[0]), 10, ORANGE.filled()));
        chart
            .draw_series(dots)?
            .label("data")
            .legend(|(x, y)| Circle::new((x + 24, y), 10, ORANGE.filled()));
        chart
            .draw_series(LineSeries::new([], INK.mix(0.3).stroke_width(2)))?
            .label("on the way")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 48, y)], INK.mix(0.3).stroke_width(2)));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .label_font(font(32))
            .legend_area_size(64)
            .margin(24)
            .draw()?;
        Ok(())
    })
}
