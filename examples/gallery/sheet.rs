//! All that is known of one surface: rates, and a trajectory of every method from every start.

use crate::methods::Method;
use crate::runs::{self, Path};
use crate::surfaces::{Point, Surface};

/// How much is computed.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Starts in each direction, besides the surface's own.
    pub side: usize,
    /// The most evaluations that a trajectory gets.
    pub steps: usize,
}

impl Extent {
    pub const WHOLE: Self = Self { side: 3, steps: usize::MAX };
    pub const QUICK: Self = Self { side: 3, steps: 40 };
}

#[derive(Debug)]
pub struct Sheet<'a> {
    pub surface: &'a Surface,
    pub steps: usize,
    /// The surface's own start first, then a grid, row by row.
    pub starts: Vec<Point>,
    /// For each method a path from each start.
    pub paths: Vec<Vec<Path>>,
}

impl<'a> Sheet<'a> {
    pub fn new(
        surface: &'a Surface,
        methods: &[Method],
        extent: Extent,
    ) -> Result<Self, thalweg::Error> {
        let Extent { side, steps } = extent;
        let steps = steps.min(surface.steps);
        let part = |i: usize| (i as f64 + 0.5) / side as f64;
        let grid = (0..side * side).map(|i| surface.at([part(i % side), part(i / side)]));
        let starts: Vec<Point> = std::iter::once(surface.start).chain(grid).collect();
        let search = runs::search_starts(surface);
        let paths = methods
            .iter()
            .map(|method| {
                let rate = runs::best_rate(surface, method, &search, steps)?;
                let run = |&start: &Point| runs::run(surface, method, rate, start, steps);
                starts.iter().map(run).collect()
            })
            .collect::<Result<_, thalweg::Error>>()?;
        Ok(Self { surface, steps, starts, paths })
    }

    /// The paths from the surface's own start.
    pub fn own(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(|paths| &paths[0])
    }
}
