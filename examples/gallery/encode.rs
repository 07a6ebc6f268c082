//! Numbers as few bytes of text.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Bytes to be compressed.
#[derive(Debug, Default)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// A whole number, seven bits a byte, the lowest first.
    pub fn count(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// The differences of a series, which begins at 0; their signs are the lowest bits.
    pub fn series(&mut self, values: impl IntoIterator<Item = u16>) {
        let mut before = 0;
        for value in values.into_iter().map(i64::from) {
            let change: i64 = value - before;
            self.count(((change << 1) ^ (change >> 63)) as u64);
            before = value;
        }
    }

    /// The bits of a number, the lowest byte first.
    pub fn number(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    /// What are bytes already.
    pub fn raw(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Deflated, in base 64.
    pub fn packed(&self) -> io::Result<String> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&self.0)?;
        Ok(base64(&encoder.finish()?))
    }
}

/// RFC 4648, §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= group.len() { digit.into() } else { '=' });
        }
    }
    text
}

/// A part of a range, in 65,536 levels.
fn level(part: f64) -> u16 {
    // A NaN becomes 0.
    (part.clamp(0.0, 1.0) * f64::from(u16::MAX)).round() as u16
}

/// Heights above `base`, on a logarithmic scale of twenty decades up to 10⁴·`scale`; 1 is none, 0 is
/// below.
#[derive(Debug, Clone, Copy)]
pub struct Heights {
    pub base: f64,
    pub scale: f64,
}

impl Heights {
    pub fn code(&self, value: f64) -> u16 {
        let height = (value - self.base) / self.scale;
        if height < 0.0 {
            return 0;
        }
        if height.is_nan() {
            return u16::MAX;
        }
        level((height.log10() + 16.0) / 20.0).max(1)
    }
}

/// A number of either sign: the lowest bit is the sign, the others ln|x| from 10⁻¹⁵ to 10¹⁵; 0 is NaN.
pub fn signed(value: f64) -> u16 {
    if value.is_nan() {
        return 0;
    }
    let part = ((value.abs().log10() + 15.0) / 30.0).clamp(0.0, 1.0);
    let size = 1 + (part * f64::from((1 << 15) - 2)).round() as u16;
    size << 1 | u16::from(value < 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_standard() {
        let cases = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let answers = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        assert_eq!(cases.map(|text| base64(text.as_bytes())), answers);
    }

    #[test]
    fn codes_keep_three_digits() {
        let heights = Heights { base: -1.0, scale: 100.0 };
        for height in [1e-12, 3.7e-5, 1.0, 123.4, 9e5] {
            let part = f64::from(heights.code(height - 1.0)) / 65535.0;
            let back = 100.0 * 10.0_f64.powf(20.0 * part - 16.0);
            assert!((back / height - 1.0).abs() < 1e-3 || height < 1e-11, "{height}: {back}");
        }
        assert_eq!((heights.code(-2.0), heights.code(-1.0)), (0, 1));
        for value in [1e-9, 2.5, 1e3, -4.0] {
            let code = signed(value);
            let size = 10.0_f64.powf(30.0 * f64::from((code >> 1) - 1) / 32766.0 - 15.0);
            let back = if code & 1 == 1 { -size } else { size };
            assert!((back / value - 1.0).abs() < 2e-3, "{value}: {back}");
        }
    }
}
