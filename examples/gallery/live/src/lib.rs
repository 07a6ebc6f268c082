//! The stories, for a page: WebAssembly that takes numbers, and leaves its answer as numbers in memory.
//!
//! Each function writes its answer where [`answer`] points, and returns how many numbers that are. The pointer holds until
//! the next call.

#[allow(dead_code, reason = "the words are for whoever writes the page")]
mod stories;

use std::cell::RefCell;

use stories::{Point, Story};

thread_local! {
    static ANSWER: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

fn give(numbers: Vec<f64>) -> u32 {
    let count = numbers.len() as u32;
    ANSWER.with(|answer| *answer.borrow_mut() = numbers);
    count
}

fn story(index: u32) -> &'static Story {
    &stories::ALL[index as usize]
}

/// The corners of cells over the frame, row by row from the lower left one.
fn nodes(story: &Story, columns: u32, rows: u32) -> impl Iterator<Item = Point> {
    let [[left, low], [right, high]] = story.frame;
    (0..=rows).flat_map(move |row| {
        (0..=columns).map(move |column| {
            let (u, v) = (f64::from(column) / f64::from(columns), f64::from(row) / f64::from(rows));
            [left + u * (right - left), low + v * (high - low)]
        })
    })
}

/// Where the last answer is.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const f64 {
    ANSWER.with(|answer| answer.borrow().as_ptr())
}

/// x, y and loss after each step of a line, the start first.
#[unsafe(no_mangle)]
pub extern "C" fn path(index: u32, line: u32, setting: u32, x: f64, y: f64) -> u32 {
    let story = story(index);
    let setting = story.slider.values[setting as usize];
    give(story.run(line as usize, setting, [x, y]).concat())
}

/// The losses at the corners of cells.
#[unsafe(no_mangle)]
pub extern "C" fn losses(index: u32, setting: u32, columns: u32, rows: u32) -> u32 {
    let story = story(index);
    let setting = story.slider.values[setting as usize];
    give(nodes(story, columns, rows).map(|w| (story.value)(setting, &w)).collect())
}

/// The gradient's norm and both curvatures at the corners of cells.
#[unsafe(no_mangle)]
pub extern "C" fn shape(index: u32, setting: u32, columns: u32, rows: u32) -> u32 {
    let story = story(index);
    let setting = story.slider.values[setting as usize];
    let at = |w: Point| {
        let [gx, gy] = (story.gradient)(setting, &w);
        let [low, high] = story.curvatures(setting, &w);
        [gx.hypot(gy), low, high]
    };
    give(nodes(story, columns, rows).flat_map(at).collect())
}
