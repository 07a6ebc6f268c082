//! All that is known of one surface: rates, and a trajectory of every method from every start.

use crate::methods::Method;
use crate::runs::{self, Path};
use crate::surfaces::{Point, Surface};

/// Where paths start besides the surface's own start, in parts of the frame.
///
/// Each of them is a seventh of the page, whose paths are most of it.
const STARTS: [Point; 5] = {
    let (low, high) = (1.0 / 6.0, 5.0 / 6.0);
    [[low, low], [high, low], [0.5, 0.5], [low, high], [high, high]]
};

/// How much is computed.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The most evaluations that a trajectory gets.
    pub steps: usize,
    /// The most bytes that the page may have.
    pub bytes: usize,
}

impl Extent {
    pub const WHOLE: Self = Self { steps: usize::MAX, bytes: 4_000_000 };
    pub const QUICK: Self = Self { steps: 40, bytes: 3_000_000 };
}

#[derive(Debug)]
pub struct Sheet<'a> {
    pub surface: &'a Surface,
    pub steps: usize,
    /// The surface's own start first, then the corners and the middle.
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
        let steps = extent.steps.min(surface.steps);
        let others = STARTS.map(|part| surface.at(part));
        let starts: Vec<Point> = std::iter::once(surface.start).chain(others).collect();
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
