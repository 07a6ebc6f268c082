//! Contours, thinned lines, and what of a line is within a frame.

use crate::surfaces::{Point, Surface};

/// A loss on a grid over the frame.
#[derive(Debug)]
pub struct Grid {
    columns: usize,
    rows: usize,
    values: Vec<f64>,
}

impl Grid {
    /// The loss at the corners of `columns` × `rows` cells.
    pub fn new(surface: &Surface, columns: usize, rows: usize) -> Self {
        let at = |i: usize| {
            let (column, row) = (i % (columns + 1), i / (columns + 1));
            surface.at([column as f64 / columns as f64, row as f64 / rows as f64])
        };
        let values =
            (0..(columns + 1) * (rows + 1)).map(|i| surface.value(&at(i))).collect::<Vec<_>>();
        Self { columns, rows, values }
    }

    /// Row by row, from the lower left corner.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Levels that part the frame into `count` + 1 bands, narrower where the loss is low: quantiles
    /// of the losses on the grid at (i/(count + 1))².
    pub fn levels(&self, count: usize) -> Vec<f64> {
        let mut sorted: Vec<f64> = self.values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let mut levels: Vec<f64> = (1..=count)
            .map(|i| {
                let part = i as f64 / (count + 1) as f64;
                sorted[(part * part * (sorted.len() - 1) as f64) as usize]
            })
            .collect();
        levels.dedup();
        levels
    }

    /// The lines on which the loss is `level`, in fractions of the frame: marching squares, whose
    /// segments are joined.
    pub fn contour(&self, level: f64) -> Vec<Vec<Point>> {
        let mut ends: std::collections::BTreeMap<Edge, Vec<Edge>> = Default::default();
        for row in 0..self.rows {
            for column in 0..self.columns {
                for (a, b) in self.segments(column, row, level) {
                    ends.entry(a).or_default().push(b);
                    ends.entry(b).or_default().push(a);
                }
            }
        }
        let mut lines = Vec::new();
        // Open lines from their ends first, then the closed ones.
        while let Some(first) =
            ends.iter().find(|(_, to)| to.len() == 1).or(ends.iter().next()).map(|(at, _)| *at)
        {
            let (mut at, mut line) = (first, vec![self.crossing(first, level)]);
            while let Some(next) = step(&mut ends, at) {
                at = next;
                line.push(self.crossing(at, level));
            }
            ends.remove(&first);
            lines.push(line);
        }
        lines
    }

    /// Which edges of a cell the contour joins.
    fn segments(&self, column: usize, row: usize, level: f64) -> Vec<(Edge, Edge)> {
        let corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
            .map(|(x, y)| self.values[(row + y) * (self.columns + 1) + column + x]);
        let edges = [
            Edge { row, column, upward: false },
            Edge { row, column: column + 1, upward: true },
            Edge { row: row + 1, column, upward: false },
            Edge { row, column, upward: true },
        ];
        let crossed: Vec<Edge> = (0..4)
            .filter(|&i| (corners[i] < level) != (corners[(i + 1) % 4] < level))
            .map(|i| edges[i])
            .collect();
        match crossed[..] {
            [a, b] => vec![(a, b)],
            // A saddle within the cell: the mean says which corners belong together.
            [a, b, c, d] => {
                let inside = corners.iter().sum::<f64>() / 4.0 < level;
                if inside == (corners[0] < level) {
                    vec![(a, b), (c, d)]
                } else {
                    vec![(a, d), (b, c)]
                }
            }
            _ => Vec::new(),
        }
    }

    fn crossing(&self, edge: Edge, level: f64) -> Point {
        let Edge { row, column, upward } = edge;
        let width = self.columns + 1;
        let first = row * width + column;
        let second = if upward { first + width } else { first + 1 };
        let part = (level - self.values[first]) / (self.values[second] - self.values[first]);
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.5 };
        let (x, y) = (column as f64, row as f64);
        let (x, y) = if upward { (x, y + part) } else { (x + part, y) };
        [x / self.columns as f64, y / self.rows as f64]
    }
}

/// An edge of the grid, from its left or lower end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    row: usize,
    column: usize,
    upward: bool,
}

/// Goes along a segment, and takes it out.
fn step(ends: &mut std::collections::BTreeMap<Edge, Vec<Edge>>, at: Edge) -> Option<Edge> {
    let next = ends.get_mut(&at)?.pop()?;
    for (one, other) in [(at, next), (next, at)] {
        if let Some(to) = ends.get_mut(&one) {
            to.retain(|&to| to != other);
            if to.is_empty() {
                ends.remove(&one);
            }
        }
    }
    Some(next)
}

/// The points of a line without which it would be off by more than `tolerance`.
///
/// Source: Douglas & Peucker 1973.
pub fn thinned(line: &[Point], tolerance: f64) -> Vec<Point> {
    let mut keep = vec![false; line.len()];
    let mut parts = vec![(0, line.len().saturating_sub(1))];
    while let Some((first, last)) = parts.pop() {
        (keep[first], keep[last]) = (true, true);
        let far = (first + 1..last)
            .map(|i| (distance(line[i], line[first], line[last]), i))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((most, at)) = far
            && most > tolerance
        {
            parts.extend([(first, at), (at, last)]);
        }
    }
    line.iter().zip(keep).filter(|(_, keep)| *keep).map(|(&point, _)| point).collect()
}

/// From a point to a segment.
fn distance(point: Point, from: Point, to: Point) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let off = [point[0] - from[0], point[1] - from[1]];
    let square = along[0] * along[0] + along[1] * along[1];
    let part = if square > 0.0 {
        ((off[0] * along[0] + off[1] * along[1]) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (off[0] - part * along[0]).hypot(off[1] - part * along[1])
}

/// The parts of a line within the unit square.
pub fn clipped(line: &[Point]) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    let mut open = false;
    for pair in line.windows(2) {
        let Some((from, to)) = clipped_segment(pair[0], pair[1]) else {
            open = false;
            continue;
        };
        match parts.last_mut() {
            Some(part) if open => part.push(to),
            _ => parts.push(vec![from, to]),
        }
        open = to == pair[1];
    }
    parts
}

/// Liang and Barsky's method, 1984.
fn clipped_segment(from: Point, to: Point) -> Option<(Point, Point)> {
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for i in 0..2 {
        let along = to[i] - from[i];
        for (speed, room) in [(-along, from[i]), (along, 1.0 - from[i])] {
            if speed == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if speed < 0.0 {
                enter = enter.max(room / speed);
            } else {
                leave = leave.min(room / speed);
            }
        }
    }
    let at = |part: f64| {
        if part == 1.0 { to } else { [0, 1].map(|i| from[i] + part * (to[i] - from[i])) }
    };
    (enter <= leave).then(|| (at(enter), at(leave)))
}
