//! A small picture of each optimizer's path, for its page.

use std::fmt::Write as _;
use std::path::Path as File;
use std::{fs, io};

use crate::geometry::{Grid, clipped, thinned};
use crate::methods::{self, Kind, Method};
use crate::runs::{self, End, Path};
use crate::surfaces::{self, Point, Surface};

/// The two surfaces that are drawn.
const SURFACES: [&str; 2] = ["valley-100", "rosenbrock"];
/// What updates whole leaves, and solvers that are optimizers too.
const BESIDE: [&str; 7] =
    ["muon", "adafactor", "sm3", "shampoo", "soap", "conjugate-gradient", "lbfgs"];
/// Of a panel, and between two.
const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 160.0;
const GAP: f64 = 12.0;
/// Readable on white and on dark ground; of Okabe & Ito's palette.
const COLOR: &str = "#d55e00";

/// The names of the pictures: the catalog's rules, and those beside them.
pub fn methods() -> impl Iterator<Item = Method> {
    methods::all()
        .into_iter()
        .filter(|method| matches!(method.kind, Kind::Rule(_)) || BESIDE.contains(&method.name))
}

/// Every picture's name and text.
pub fn pictures() -> Result<Vec<(&'static str, String)>, thalweg::Error> {
    let surfaces: Vec<(Surface, String)> = surfaces::all()
        .into_iter()
        .filter(|surface| SURFACES.contains(&surface.name))
        .map(|surface| {
            let background = background(&surface);
            (surface, background)
        })
        .collect();
    let methods: Vec<Method> = methods().collect();
    runs::parallel(&methods, |method| Ok((method.name, picture(method, &surfaces)?)))
}

/// Writes every picture.
pub fn write(folder: &File) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    fs::create_dir_all(folder)?;
    for (name, text) in pictures()? {
        fs::write(folder.join(name).with_extension("svg"), text)?;
    }
    Ok(())
}

/// The names of pictures that are missing, or not what the crate draws now.
pub fn stale(folder: &File) -> Result<Vec<&'static str>, Box<dyn std::error::Error + Send + Sync>> {
    let mut stale = Vec::new();
    for (name, text) in pictures()? {
        match fs::read_to_string(folder.join(name).with_extension("svg")) {
            Ok(there) if there == text => {}
            Ok(_) => stale.push(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => stale.push(name),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(stale)
}

/// Contours and minima.
fn background(surface: &Surface) -> String {
    let grid = Grid::new(surface, 110, 80);
    let mut contours = String::new();
    for level in grid.levels(7) {
        for line in grid.contour(level) {
            push_line(&mut contours, &thinned(&pixels(&line), 0.25));
        }
    }
    let mut minima = String::new();
    for w in surface.minima {
        let [x, y] = pixel(surface.fractions(w)).map(tenths);
        let _ = write!(minima, "M{} {y}h80M{x} {}v80", x - 40, y - 40);
    }
    format!(
        "<path d=\"M0 0h{w}v{h}H0z{contours}\" stroke=\"currentColor\" stroke-opacity=\".35\" \
         stroke-width=\"7\"/>\n<path d=\"{minima}\" stroke=\"currentColor\" stroke-width=\"14\"/>\n",
        w = tenths(WIDTH),
        h = tenths(HEIGHT),
    )
}

fn picture(method: &Method, surfaces: &[(Surface, String)]) -> Result<String, thalweg::Error> {
    let width = surfaces.len() as f64 * (WIDTH + GAP) - GAP + 2.0;
    let height = HEIGHT + 20.0;
    let mut svg = format!(
        "<svg viewBox=\"-1 -1 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         style=\"max-width:100%;height:auto\" role=\"img\" \
         aria-label=\"The path of {title} on two surfaces\" fill=\"none\" \
         stroke-linejoin=\"round\" stroke-linecap=\"round\" font-family=\"sans-serif\" \
         font-size=\"11\">\n",
        title = method.title,
    );
    for (i, (surface, background)) in surfaces.iter().enumerate() {
        let starts = runs::search_starts(surface);
        let rate = runs::best_rate(surface, method, &starts, surface.steps)?;
        let path = runs::run(surface, method, rate, surface.start, surface.steps)?;
        let left = i as f64 * (WIDTH + GAP);
        let _ = write!(svg, "<g transform=\"translate({left}) scale(.1)\">\n{background}");
        svg += &line(surface, &path);
        svg += "</g>\n";
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{}\" fill=\"currentColor\">{}</text>",
            HEIGHT + 14.0,
            caption(surface, method, &path)
        );
    }
    svg += "</svg>\n";
    Ok(svg)
}

/// The path, and dots at its start and end; an open one where it left the frame.
fn line(surface: &Surface, path: &Path) -> String {
    let points: Vec<Point> = path.points.iter().map(|w| surface.fractions(w)).collect();
    let mut data = String::new();
    let parts = clipped(&points);
    for part in &parts {
        push_line(&mut data, &thinned(&pixels(part), 0.2));
    }
    let mut svg = format!("<path d=\"{data}\" stroke=\"{COLOR}\" stroke-width=\"16\"/>\n");
    let last = parts.last().and_then(|part| part.last()).copied().unwrap_or(points[0]);
    for (at, radius, fill) in [
        (points[0], 32, COLOR),
        (last, 40, if path.left(surface).is_some() { "none" } else { COLOR }),
    ] {
        let [x, y] = pixel(at).map(tenths);
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{COLOR}\" \
             stroke-width=\"10\"/>"
        );
    }
    svg
}

fn caption(surface: &Surface, method: &Method, path: &Path) -> String {
    let taken = path.points.len() - 1;
    let mut text = surface.title.to_owned();
    if method.takes_rate() {
        let _ = write!(text, ", α = {}, {taken} steps", path.rate);
    } else {
        let _ = write!(text, ", {taken} gradients");
    }
    if path.end == End::Diverged {
        text += ", diverged";
    } else if let Some(step) = path.left(surface) {
        let _ = write!(text, ", left the frame at step {step}");
    }
    text
}

fn pixel([x, y]: Point) -> Point {
    [x * WIDTH, (1.0 - y) * HEIGHT]
}

fn pixels(line: &[Point]) -> Vec<Point> {
    line.iter().copied().map(pixel).collect()
}

/// Tenths of a pixel.
fn tenths(length: f64) -> i64 {
    (10.0 * length).round() as i64
}

/// A line in tenths of a pixel, each point relative to the one before.
fn push_line(data: &mut String, line: &[Point]) {
    let mut before: Option<[i64; 2]> = None;
    for point in line {
        let at = point.map(tenths);
        match before {
            None => {
                let _ = write!(data, "M{} {}l", at[0], at[1]);
            }
            Some(before) if before == at => {}
            Some([x, y]) => {
                let (dx, dy) = (at[0] - x, at[1] - y);
                if !data.ends_with('l') && dx >= 0 {
                    data.push(' ');
                }
                let _ = write!(data, "{dx}{}{dy}", if dy < 0 { "" } else { " " });
            }
        }
        before = Some(at);
    }
    if data.ends_with('l') {
        *data += "0 0";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/paths");

    #[test]
    fn each_rule_has_its_picture_and_it_is_what_the_crate_draws() {
        assert_eq!(stale(File::new(FOLDER)).unwrap(), Vec::<&str>::new());
    }

    #[test]
    fn a_picture_can_be_part_of_a_page() {
        for method in methods() {
            let file = File::new(FOLDER).join(method.name).with_extension("svg");
            let text = fs::read_to_string(file).unwrap();
            assert!(text.starts_with("<svg") && text.ends_with("</svg>\n"), "{}", method.name);
            assert!(text.len() <= 6 * 1024, "{}: {} bytes", method.name, text.len());
            assert!(!text.contains("\n\n") && !text.contains(" id="), "{}", method.name);
            assert!(!text.contains("http") && !text.contains("<style"), "{}", method.name);
        }
    }
}
