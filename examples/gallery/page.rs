//! The page: one file, with all data in it.

use std::io;

use serde_json::{Value, json};
use thalweg::curvature::{Dense, Hessian};

use crate::encode::{Bytes, Heights, signed};
use crate::geometry::Grid;
use crate::methods::{FAMILIES, Kind, Method};
use crate::runs::{End, POWERS, Path};
use crate::sheet::Sheet;
use crate::stories::{self, Story};
use crate::surfaces::{Point, Surface};

/// Cells of the table of losses, and of the coarser one of gradients and curvatures.
const FINE: [usize; 2] = [176, 128];
const COARSE: [usize; 2] = [88, 64];
const BANDS: usize = 14;

/// What the page computes the stories by: `live/build` writes it.
const LIVE: &[u8] = include_bytes!("page/stories.wasm");

/// The page of these surfaces.
pub fn page(methods: &[Method], surfaces: Vec<Value>) -> io::Result<String> {
    let methods: Vec<Value> = methods
        .iter()
        .map(|method| {
            json!({
                "name": method.name,
                "title": method.title,
                "formula": method.formula,
                "family": method.family(),
                "solver": matches!(method.kind, Kind::Solver(_)),
            })
        })
        .collect();
    let data = json!({
        "fine": FINE,
        "coarse": COARSE,
        "powers": [POWERS.start(), POWERS.end()],
        "families": FAMILIES,
        "methods": methods,
        "surfaces": surfaces,
        "bands": BANDS,
        "stories": stories::ALL.iter().map(story).collect::<Vec<_>>(),
        "live": Bytes::raw(LIVE).packed()?,
    });
    // Within a script element `</` would end it.
    let data = data.to_string().replace("</", "<\\/");
    Ok(include_str!("page/index.html")
        .replace("/* style.css */", include_str!("page/style.css"))
        .replace("/* data.js */", include_str!("page/data.js"))
        .replace("/* stories.js */", include_str!("page/stories.js"))
        .replace("/* draw.js */", include_str!("page/draw.js"))
        .replace("/* solid.js */", include_str!("page/solid.js"))
        .replace("/* control.js */", include_str!("page/control.js"))
        .replace("/* hands.js */", include_str!("page/hands.js"))
        .replace("{\"data\": \"json\"}", &data))
}

/// What the page has of a story beside what it computes.
fn story(story: &Story) -> Value {
    let values = story.slider.values;
    let lines: Vec<Value> = story
        .lines
        .iter()
        .map(|line| {
            // NaN, no rate, becomes null.
            let rates: Vec<Value> = values.iter().map(|&at| json!(short((line.rate)(at)))).collect();
            json!({ "name": line.title.to_lowercase(), "title": line.title, "formula": "", "rates": rates })
        })
        .collect();
    let starts: Vec<Point> = values.iter().map(|&at| (story.moved)(at, story.start)).collect();
    let at = |w: &Point, setting: f64| (story.value)(setting, w);
    let differs = |w: &Point| values.iter().any(|&setting| at(w, setting) != at(w, values[0]));
    json!({
        "name": story.name,
        "title": story.title,
        "lesson": story.lesson,
        "formula": story.formula,
        "frame": story.frame,
        "minima": story.minima,
        "base": at(&story.minima[0], values[0]),
        "steps": story.steps,
        "label": story.slider.label,
        "values": values,
        "first": story.slider.first,
        "lines": lines,
        "reshapes": differs(&story.start),
        "moves": starts.iter().any(|start| *start != starts[0]),
        "starts": starts,
    })
}

/// Four digits, for a table.
fn short(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// The last losses of all lines at each setting, for whoever wants to compare.
pub fn told() -> Value {
    let of = |story: &Story| {
        let values = story.slider.values.iter();
        let finals: Vec<Vec<f64>> = values
            .map(|&setting| {
                let start = (story.moved)(setting, story.start);
                let last = |line| story.run(line, setting, start).last().map_or(f64::NAN, |w| w[2]);
                (0..story.lines.len()).map(last).collect()
            })
            .collect();
        (story.name.to_owned(), json!({ "finals": finals, "first": story.slider.first }))
    };
    Value::Object(stories::ALL.iter().map(of).collect())
}

/// What the page has of a surface.
pub fn data(sheet: &Sheet<'_>) -> io::Result<Value> {
    let Sheet { surface, steps, starts, .. } = sheet;
    let fine = Grid::new(surface, FINE[0], FINE[1]);
    let heights = heights(sheet, &fine);
    let rates: Vec<Value> = sheet
        .own()
        .map(|path| if path.rate.is_nan() { Value::Null } else { json!(path.rate) })
        .collect();
    let mut ends: Vec<String> = Vec::new();
    let paths = paths(sheet, heights, &mut ends);
    Ok(json!({
        "name": surface.name,
        "title": surface.title,
        "formula": surface.formula,
        "lesson": surface.lesson,
        "frame": surface.frame,
        "minima": surface.minima,
        "noise": surface.noise,
        "steps": steps,
        "starts": starts,
        "rates": rates,
        "base": heights.base,
        "scale": heights.scale,
        "levels": fine.levels(BANDS).iter().map(|&value| heights.code(value)).collect::<Vec<_>>(),
        "ends": ends,
        "tables": tables(surface, &fine, heights).packed()?,
        "paths": paths.packed()?,
    }))
}

/// From the lowest loss in the frame, with the highest of the frame as the unit.
fn heights(sheet: &Sheet<'_>, fine: &Grid) -> Heights {
    let surface = sheet.surface;
    let losses = sheet.paths.iter().flatten().flat_map(|path| &path.points);
    let base = losses
        .filter(|w| surface.shows(w))
        .map(|w| surface.value(w))
        .chain(fine.values().iter().copied())
        .filter(|value| value.is_finite())
        .fold(surface.lowest(), f64::min);
    let top = fine.values().iter().copied().filter(|v| v.is_finite()).fold(base, f64::max);
    Heights { base, scale: if top > base { top - base } else { 1.0 } }
}

/// Losses; then gradients' norms and the two curvatures, on the coarse grid.
fn tables(surface: &Surface, fine: &Grid, heights: Heights) -> Bytes {
    let mut bytes = Bytes::default();
    bytes.series(fine.values().iter().map(|&value| heights.code(value)));
    let [columns, rows] = COARSE;
    let nodes: Vec<Point> = (0..(columns + 1) * (rows + 1))
        .map(|i| {
            let (column, row) = (i % (columns + 1), i / (columns + 1));
            surface.at([column as f64 / columns as f64, row as f64 / rows as f64])
        })
        .collect();
    bytes.series(nodes.iter().map(|w| {
        let [x, y] = surface.gradient(w);
        signed(x.hypot(y))
    }));
    let curvatures: Vec<Point> = nodes.iter().map(|w| curvatures(surface, w)).collect();
    bytes.series(curvatures.iter().map(|pair| signed(pair[0])));
    bytes.series(curvatures.iter().map(|pair| signed(pair[1])));
    bytes
}

/// The eigenvalues of the Hessian; NaN where there is none.
fn curvatures(surface: &Surface, w: &Point) -> Point {
    let gradient = |w: &[f64], g: &mut [f64]| {
        g.copy_from_slice(&surface.gradient(&[w[0], w[1]]));
        Ok(())
    };
    let eigenvalues =
        Hessian::new(w, gradient).and_then(Dense::of).and_then(|dense| dense.eigenvalues());
    match eigenvalues.as_deref() {
        Ok(&[low, high]) => [low, high],
        _ => [f64::NAN; 2],
    }
}

/// Of each method and start: how many points there are and how many are written (the last stays),
/// how it ended, x, y and heights; at the very end all last losses as they are.
fn paths(sheet: &Sheet<'_>, heights: Heights, ends: &mut Vec<String>) -> Bytes {
    let mut bytes = Bytes::default();
    for path in sheet.paths.iter().flatten() {
        let codes: Vec<[u16; 3]> =
            path.points.iter().map(|w| code(sheet.surface, w, heights)).collect();
        let last = codes[codes.len() - 1];
        let written = codes.iter().rposition(|&code| code != last).map_or(1, |moved| moved + 2);
        bytes.count(codes.len() as u64);
        bytes.count(written as u64);
        bytes.count(end(path, ends));
        for i in 0..3 {
            bytes.series(codes[..written].iter().map(|code| code[i]));
        }
    }
    for path in sheet.paths.iter().flatten() {
        bytes.number(sheet.surface.value(&path.last()));
    }
    bytes
}

/// Three frames by three are told apart, each in 2048 parts, less than a pixel each; a height is off by half a percent.
fn code(surface: &Surface, w: &Point, heights: Heights) -> [u16; 3] {
    let [x, y] =
        surface.fractions(w).map(|part| (2048.0 * (part + 1.0).clamp(0.0, 3.0)).round() as u16);
    let height = heights.code(surface.value(w));
    [x, y, if height == 0 { 0 } else { (height >> 4).max(1) }]
}

/// 0: the evaluations were used up; else the number of its line, from 1.
fn end(path: &Path, ends: &mut Vec<String>) -> u64 {
    let line = match &path.end {
        End::Budget => return 0,
        End::Diverged => "diverged",
        End::Stopped(why) => why,
    };
    let at = ends.iter().position(|end| end == line).unwrap_or_else(|| {
        ends.push(line.to_owned());
        ends.len() - 1
    });
    at as u64 + 1
}

/// The final losses, for whoever wants to compare.
pub fn summary(sheet: &Sheet<'_>, methods: &[Method]) -> Value {
    let methods: serde_json::Map<String, Value> = methods
        .iter()
        .zip(&sheet.paths)
        .map(|(method, paths)| {
            let losses: Vec<f64> =
                paths.iter().map(|path| sheet.surface.value(&path.last())).collect();
            let rate = paths[0].rate;
            let rate = if rate.is_nan() { Value::Null } else { json!(rate) };
            (method.name.to_owned(), json!({ "rate": rate, "final": losses }))
        })
        .collect();
    json!({ "steps": sheet.steps, "starts": sheet.starts, "methods": methods })
}
