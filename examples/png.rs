//! A picture as a file: PNG, by its own few lines, for a crate that reads and writes every format
//! takes longer to build than the rest.

use std::io::{self, Write as _};
use std::path::Path;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use plotters::coord::Shift;
use plotters::prelude::*;

/// What is drawn on.
pub type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws on white, and writes that.
#[allow(dead_code)]
pub fn draw<E: From<io::Error>>(
    path: &Path,
    size: (u32, u32),
    paint: impl FnOnce(&Canvas<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut pixels = vec![u8::MAX; 3 * size.0 as usize * size.1 as usize];
    paint(&BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area())?;
    Ok(write(path, size, &pixels)?)
}

/// Writes three bytes a pixel, row by row.
pub fn write(path: &Path, (width, height): (u32, u32), pixels: &[u8]) -> io::Result<()> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    // Eight bits for each of red, green and blue.
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    chunk(&mut file, b"IHDR", &header);
    chunk(&mut file, b"IDAT", &compressed(pixels, 3 * width as usize)?);
    chunk(&mut file, b"IEND", &[]);
    std::fs::write(path, file)
}

/// Length, name, data and checksum.
fn chunk(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    let mut crc = Crc::new();
    crc.update(name);
    crc.update(data);
    file.extend((data.len() as u32).to_be_bytes());
    file.extend(name);
    file.extend(data);
    file.extend(crc.sum().to_be_bytes());
}

/// Each row as its differences from the one above, filter 2.
fn compressed(pixels: &[u8], row: usize) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut above = vec![0u8; row];
    let mut line = vec![2; row + 1];
    for pixels in pixels.chunks_exact(row) {
        for ((to, &pixel), above) in line[1..].iter_mut().zip(pixels).zip(&mut above) {
            *to = pixel.wrapping_sub(*above);
            *above = pixel;
        }
        encoder.write_all(&line)?;
    }
    encoder.finish()
}
