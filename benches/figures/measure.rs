//! Timing two things against each other, and printing what came out.

use std::time::Instant;

use ndarray::{ArrayView1, ArrayViewMut1};

/// Seconds of one turn.
const TURN: f64 = 0.02;
const TURNS: usize = 15;

/// Nanoseconds of one call of `a` and of `b`, the best of several turns each.
pub fn duel(mut a: impl FnMut(), mut b: impl FnMut()) -> (f64, f64) {
    let (calls_a, calls_b) = (calls_in(TURN, &mut a), calls_in(TURN, &mut b));
    let (mut best_a, mut best_b) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..TURNS {
        best_a = best_a.min(time(calls_a, &mut a));
        best_b = best_b.min(time(calls_b, &mut b));
    }
    (best_a, best_b)
}

/// Nanoseconds of one call, the best of several turns.
pub fn best(mut work: impl FnMut()) -> f64 {
    let calls = calls_in(TURN, &mut work);
    (0..TURNS).map(|_| time(calls, &mut work)).fold(f64::INFINITY, f64::min)
}

fn calls_in(seconds: f64, work: &mut impl FnMut()) -> u32 {
    let mut calls = 1;
    loop {
        let elapsed = time(calls, work) * f64::from(calls) / 1e9;
        if elapsed > seconds / 4.0 {
            return (f64::from(calls) * seconds / elapsed).ceil().max(1.0) as u32;
        }
        calls *= 4;
    }
}

fn time(calls: u32, work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// One figure: what it is, and how to measure it and what it is held against, in nanoseconds.
pub struct Row {
    what: String,
    /// Elements that a time is divided by; `None` where the time itself has the limit.
    elements: Option<usize>,
    limit: f64,
    run: Box<dyn Fn() -> (f64, f64)>,
}

impl Row {
    /// The ratio of two times over `elements`.
    pub fn ratio(
        what: String,
        elements: usize,
        limit: f64,
        run: impl Fn() -> (f64, f64) + 'static,
    ) -> Self {
        Self { what, elements: Some(elements), limit, run: Box::new(run) }
    }

    /// A time in nanoseconds.
    pub fn time(what: String, limit: f64, run: impl Fn() -> f64 + 'static) -> Self {
        Self { what, elements: None, limit, run: Box::new(move || (run(), 1.0)) }
    }

    /// Both times, printed for [`Row::report`] in another process.
    pub fn print(&self) {
        let (ours, other) = (self.run)();
        println!("{ours} {other}");
    }

    /// The row of the table, from what [`Row::print`] printed.
    pub fn report(&self, printed: &str) -> String {
        let times: Vec<f64> = printed.split_whitespace().filter_map(|t| t.parse().ok()).collect();
        let [ours, other] = times[..] else { return format!("| {} | failed | | | |", self.what) };
        let (what, ratio) = (&self.what, ours / other);
        let verdict = if ratio <= self.limit { "" } else { " **above**" };
        let limit = if self.limit.is_finite() { format!("{:.2}", self.limit) } else { "".into() };
        match self.elements {
            Some(n) => format!(
                "| {what} | {:.3} | {:.3} | {ratio:.2} | {limit}{verdict} |",
                ours / n as f64,
                other / n as f64,
            ),
            None => format!("| {what} | {ours:.0} ns a step | | | {limit} ns{verdict} |"),
        }
    }
}

/// Rows under a title.
pub struct Section {
    pub name: &'static str,
    pub title: &'static str,
    pub rows: Vec<Row>,
}

/// Room for `n` elements at the start of a page of memory.
///
/// Loads and stores that lie a few cache lines apart within a page wait for each other, so the same
/// loop is up to 1.8 times slower where the allocator happens to put its arrays like that. Both
/// sides of a ratio get arrays of one placement; the engine places its own state by the
/// parameter's.
pub struct Aligned<F> {
    buffer: Vec<F>,
    start: usize,
    n: usize,
}

impl<F: Copy> Aligned<F> {
    pub fn new(n: usize, value: F) -> Self {
        const PAGE: usize = 4096;
        let buffer = vec![value; n + PAGE / size_of::<F>()];
        let start = (PAGE - buffer.as_ptr().addr() % PAGE) % PAGE / size_of::<F>();
        Self { buffer, start, n }
    }

    pub fn view(&self) -> ArrayView1<'_, F> {
        ArrayView1::from(&self.buffer[self.start..self.start + self.n])
    }

    pub fn view_mut(&mut self) -> ArrayViewMut1<'_, F> {
        ArrayViewMut1::from(self.slice_mut())
    }

    pub fn slice_mut(&mut self) -> &mut [F] {
        &mut self.buffer[self.start..self.start + self.n]
    }
}
