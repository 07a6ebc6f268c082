//! The printed letters: reading them from a file.

use std::fs;
use std::path::Path;

use ndarray::Array2;

use crate::data::Digits;

/// What is measured of each letter.
const MEASURES: usize = 16;
/// A to Z.
pub const CLASSES: usize = 26;

/// Reads lines of 16 measures, 0 to 15, and a class, 0 to 25; the measures come out around 0.
pub fn read(path: &Path) -> Result<Digits, String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let (mut measures, mut classes) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate() {
        let wrong = || format!("{name}, line {}: not {MEASURES} measures and a class", i + 1);
        let fields: Result<Vec<u8>, _> = line.split(',').map(str::parse).collect();
        match fields.map_err(|_| wrong())?.as_slice() {
            [own @ .., class] if own.len() == MEASURES && usize::from(*class) < CLASSES => {
                measures.extend(own.iter().map(|&x| (f32::from(x) - 7.0) / 3.0));
                classes.push(usize::from(*class));
            }
            _ => return Err(wrong()),
        }
    }
    let images = Array2::from_shape_vec((classes.len(), MEASURES), measures)
        .map_err(|error| format!("{name}: {error}"))?;
    Ok(Digits { images, classes })
}
