//! How numbers are written: as text that reads back to the same bits in a format for people, as
//! little-endian bytes in others.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};

use super::{LeafRecord, Number, Numbers, Saved};
use crate::int8;
use crate::params::Snapshot;
use crate::scalar::Scalar;
use crate::schedule::Schedule;

/// In a format for people, a schedule is its text and, in hexadecimal digits, its compact form:
/// numbers in digits might not read back to the same bits.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Legible {
    text: String,
    bytes: String,
}

impl Serialize for Saved {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let compact = postcard::to_stdvec(&self.0).map_err(ser::Error::custom)?;
        let mut bytes = String::new();
        compact.iter().for_each(|byte| _ = write!(bytes, "{byte:02x}"));
        Legible { text: self.0.to_string(), bytes }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Saved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Schedule::deserialize(deserializer).map(Saved);
        }
        let Legible { bytes, .. } = Legible::deserialize(deserializer)?;
        let bytes = hex(&bytes, 2).map(|byte| byte.map(|byte| byte as u8));
        let bytes: Option<Vec<u8>> = bytes.collect();
        let bytes = bytes.ok_or_else(|| de::Error::custom("a schedule's bytes are no digits"))?;
        match postcard::take_from_bytes(&bytes) {
            Ok((schedule, [])) => Ok(Saved(schedule)),
            Ok(_) => Err(de::Error::custom("a schedule's bytes go on past its end")),
            Err(error) => Err(de::Error::custom(error)),
        }
    }
}

/// A list of leaves, each with its values.
impl<F: Scalar> Serialize for Snapshot<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.leaves().map(|(name, values)| LeafRecord {
            name: name.to_owned(),
            shape: values.shape().to_vec(),
            arrays: BTreeMap::from([("values".to_owned(), Numbers::of(values))]),
        }))
    }
}

impl<'de, F: Scalar> Deserialize<'de> for Snapshot<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let leaves = Vec::<LeafRecord>::deserialize(deserializer)?;
        let leaves = leaves.iter().map(|leaf| {
            let values = leaf.arrays.get("values").filter(|_| leaf.arrays.len() == 1);
            let values = values.ok_or("a leaf has its values, and no other array")?;
            let values = leaf.array("values", values).map_err(|error| error.to_string())?;
            Ok((leaf.name.clone(), values.to_owned()))
        });
        let leaves = leaves.collect::<Result<_, String>>().map_err(de::Error::custom)?;
        Snapshot::from_leaves(leaves).map_err(de::Error::custom)
    }
}

/// What the text of a NaN begins with; its bits follow.
const NAN: &str = "NaN:";

/// A decimal number; in other formats its bits.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bits = self.0.to_bits();
        match (serializer.is_human_readable(), self.0.is_nan()) {
            (false, _) => serializer.serialize_u64(bits),
            (true, false) => serializer.collect_str(&format_args!("{:?}", self.0)),
            (true, true) => serializer.collect_str(&format_args!("{NAN}{bits:016x}")),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(|bits| Number(f64::from_bits(bits)));
        }
        let text = String::deserialize(deserializer)?;
        let value = match text.strip_prefix(NAN) {
            Some(digits) if digits.len() == 16 => hex(digits, 16).next().flatten(),
            Some(_) => None,
            None => text.parse().ok().map(f64::to_bits),
        };
        let wrong = || de::Error::custom("a number that is none");
        value.map(|bits| Number(f64::from_bits(bits))).ok_or_else(wrong)
    }
}

/// For a field that is an `f64`, as [`Number`] writes it.
pub(crate) mod lossless {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        Number(*value).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Number::deserialize(from).map(|number| number.0)
    }
}

/// As [`lossless`], for a number that may be absent.
pub(crate) mod lossless_option {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Number).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Option::<Number>::deserialize(from).map(|number| number.map(|number| number.0))
    }
}

/// A number of a record to read: a plain one in text, or `"NaN"`, `"inf"`, `"-inf"`, which JSON has no
/// number for.
pub(crate) struct Plain(f64);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() || !to.is_human_readable() {
            to.serialize_f64(self.0)
        } else {
            to.collect_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl de::Visitor<'_> for Number {
            type Value = f64;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
                Ok(value)
            }

            fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
                Ok(value as f64)
            }

            fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
                Ok(value as f64)
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<f64, E> {
                value.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }
        if from.is_human_readable() {
            from.deserialize_any(Number).map(Plain)
        } else {
            f64::deserialize(from).map(Plain)
        }
    }
}

/// For a field that is an `f64`, as [`Plain`] writes it.
pub(crate) mod plain {
    use super::{Deserialize, Deserializer, Plain, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        Plain(*value).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Plain::deserialize(from).map(|number| number.0)
    }
}

/// As [`plain`], for a number that may be absent.
pub(crate) mod plain_option {
    use super::{Deserialize, Deserializer, Plain, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Plain).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Option::<Plain>::deserialize(from).map(|number| number.map(|number| number.0))
    }
}

/// As [`plain`], for a list.
pub(crate) mod plain_list {
    use super::{Deserialize, Deserializer, Plain, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|&value| Plain(value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        let list = Vec::<Plain>::deserialize(from)?;
        Ok(list.into_iter().map(|number| number.0).collect())
    }
}

/// `f32:`, `f64:` or `bf16:` and the bits of each number in hexadecimal digits; or a byte that tells, and
/// the bytes of each number, the lowest first. Of 8 bits, `i8:` or `u8:`, or 1 or 3, and the bytes of each block:
/// an `f32`, and a code for each number. Before them a shape, where it is not the leaf's: `2x3:`; or a
/// byte of 16, one with the number of axes, and eight for the length of each.
impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let mut text = String::new();
            self.write_text(&mut text);
            serializer.serialize_str(&text)
        } else {
            let mut bytes = Vec::new();
            self.write_bytes(&mut bytes);
            serializer.serialize_bytes(&bytes)
        }
    }
}

/// What the bytes of numbers in a shape of their own begin with.
const SHAPED: u8 = 16;

impl Numbers {
    fn write_text(&self, text: &mut String) {
        match self {
            Numbers::F32(values) => {
                text.push_str("f32:");
                values.iter().for_each(|x| _ = write!(text, "{:08x}", x.to_bits()));
            }
            Numbers::F64(values) => {
                text.push_str("f64:");
                values.iter().for_each(|x| _ = write!(text, "{:016x}", x.to_bits()));
            }
            Numbers::BFloat16(codes) => {
                text.push_str("bf16:");
                codes.iter().for_each(|code| _ = write!(text, "{code:04x}"));
            }
            Numbers::Int8 { is_signed, len, words } => {
                text.push_str(if *is_signed { "i8:" } else { "u8:" });
                let bytes = int8::to_bytes(*len, words);
                bytes.iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
            }
            Numbers::Shaped(shape, numbers) => {
                for (axis, len) in shape.iter().enumerate() {
                    let _ = write!(text, "{}{len}", if axis == 0 { "" } else { "x" });
                }
                text.push(':');
                numbers.write_text(text);
            }
        }
    }

    fn write_bytes(&self, bytes: &mut Vec<u8>) {
        match self {
            Numbers::F32(values) => {
                bytes.push(4);
                values.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
            }
            Numbers::F64(values) => {
                bytes.push(8);
                values.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
            }
            Numbers::BFloat16(codes) => {
                bytes.push(2);
                codes.iter().for_each(|code| bytes.extend(code.to_le_bytes()));
            }
            Numbers::Int8 { is_signed, len, words } => {
                bytes.push(if *is_signed { 1 } else { 3 });
                bytes.extend(int8::to_bytes(*len, words));
            }
            Numbers::Shaped(shape, numbers) => {
                bytes.extend([SHAPED, shape.len() as u8]);
                shape.iter().for_each(|&len| bytes.extend((len as u64).to_le_bytes()));
                numbers.write_bytes(bytes);
            }
        }
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            deserializer.deserialize_byte_buf(Bytes)
        }
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Numbers;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("`f32:`, `f64:`, `bf16:`, `i8:` or `u8:` and hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Numbers, E> {
        let wrong = || E::invalid_value(de::Unexpected::Str("the digits of an array"), &Text);
        if !text.is_ascii() {
            return Err(wrong());
        }
        // A shape begins with a digit, or is empty.
        let (shape, digits) = match text.split_once(':') {
            Some((shape, digits)) if !shape.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                let len = |len: &str| {
                    let is_plain = len.bytes().all(|b| b.is_ascii_digit());
                    len.parse::<usize>().ok().filter(|_| is_plain).ok_or_else(wrong)
                };
                let axes = shape.split('x').filter(|_| !shape.is_empty());
                (Some(axes.map(len).collect::<Result<_, E>>()?), digits)
            }
            _ => (None, text),
        };
        let numbers = full_of(digits).ok_or_else(wrong)?;
        Ok(match shape {
            None => numbers,
            Some(shape) => Numbers::Shaped(shape, Box::new(numbers)),
        })
    }
}

/// The numbers of a text without a shape.
fn full_of(text: &str) -> Option<Numbers> {
    if let Some(digits) = text.strip_prefix("f32:") {
        let numbers = hex(digits, 8).map(|bits| bits.map(|bits| f32::from_bits(bits as u32)));
        return numbers.collect::<Option<_>>().map(Numbers::F32);
    }
    if let Some(digits) = text.strip_prefix("bf16:") {
        let codes = hex(digits, 4).map(|code| code.map(|code| code as u16));
        return codes.collect::<Option<_>>().map(Numbers::BFloat16);
    }
    for (name, is_signed) in [("i8:", true), ("u8:", false)] {
        if let Some(digits) = text.strip_prefix(name) {
            let bytes = hex(digits, 2).map(|byte| byte.map(|byte| byte as u8));
            return bytes.collect::<Option<Vec<u8>>>().and_then(|bytes| blocks(is_signed, &bytes));
        }
    }
    let digits = text.strip_prefix("f64:")?;
    let numbers = hex(digits, 16).map(|bits| bits.map(f64::from_bits));
    numbers.collect::<Option<_>>().map(Numbers::F64)
}

/// The numbers of so many hexadecimal digits each.
fn hex(digits: &str, width: usize) -> impl Iterator<Item = Option<u64>> {
    digits.as_bytes().chunks(width).map(move |chunk| {
        let text = std::str::from_utf8(chunk).ok().filter(|text| text.len() == width)?;
        // `from_str_radix` takes a sign.
        text.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
        u64::from_str_radix(text, 16).ok()
    })
}

/// The numbers of blocks of 8 bits.
fn blocks(is_signed: bool, bytes: &[u8]) -> Option<Numbers> {
    let (len, words) = int8::of_bytes(bytes)?;
    Some(Numbers::Int8 { is_signed, len, words })
}

struct Bytes;

/// The numbers of bytes without a shape.
fn full_of_bytes(bytes: &[u8]) -> Option<Numbers> {
    let (width, bytes) = bytes.split_first()?;
    match width {
        1 => blocks(true, bytes),
        3 => blocks(false, bytes),
        2 => {
            let (codes, rest) = bytes.as_chunks();
            let codes = codes.iter().map(|&code| u16::from_le_bytes(code));
            rest.is_empty().then(|| Numbers::BFloat16(codes.collect()))
        }
        4 => {
            let (numbers, rest) = bytes.as_chunks();
            let numbers = numbers.iter().map(|&number| f32::from_le_bytes(number));
            rest.is_empty().then(|| Numbers::F32(numbers.collect()))
        }
        8 => {
            let (numbers, rest) = bytes.as_chunks();
            let numbers = numbers.iter().map(|&number| f64::from_le_bytes(number));
            rest.is_empty().then(|| Numbers::F64(numbers.collect()))
        }
        _ => None,
    }
}

/// As [`full_of_bytes`], with a shape before them or without.
fn of_bytes(bytes: &[u8]) -> Option<Numbers> {
    let [SHAPED, axes, rest @ ..] = bytes else { return full_of_bytes(bytes) };
    let (shape, numbers) = rest.split_at_checked(8 * usize::from(*axes))?;
    let (shape, _) = shape.as_chunks();
    let shape = shape.iter().map(|&len| usize::try_from(u64::from_le_bytes(len)).ok());
    let shape = shape.collect::<Option<_>>()?;
    Some(Numbers::Shaped(shape, Box::new(full_of_bytes(numbers)?)))
}

impl<'de> Visitor<'de> for Bytes {
    type Value = Numbers;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("2, 4 or 8, and the bytes of so wide numbers; or 1 or 3, and those of blocks")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Numbers, E> {
        of_bytes(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &Bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Numbers, E> {
        self.visit_bytes(&bytes)
    }

    /// Formats without a kind for bytes write a list.
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}
