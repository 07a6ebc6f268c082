//! States in files: written whole or not at all, read strictly (feature `serde`).
//!
//! [`State`](crate::State) and [`Snapshot`](crate::params::Snapshot) can be written by any format of
//! serde; [`to_bytes`] and [`save`] have a compact one of their own. Put everything that a run goes on
//! from into one value, and save that:
//!
//! ```
//! use ndarray::array;
//! use thalweg::params::Snapshot;
//! use thalweg::{Adam, Optimizer, State, checkpoint};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Run {
//!     epoch: u32,
//!     parameters: Snapshot<f32>,
//!     optimizer: State,
//! }
//!
//! let (mut w, mut adam) = (array![1.0_f32, 2.0], Adam::new(1e-3));
//! adam.step(&mut w, &array![0.5, -0.5])?;
//! let run = Run { epoch: 1, parameters: Snapshot::of(&w)?, optimizer: adam.state() };
//! let file = std::env::temp_dir().join("thalweg-doc.checkpoint");
//! checkpoint::save(&file, &run)?;
//!
//! let run: Run = checkpoint::load(&file)?;
//! let (mut w, mut adam) = (array![0.0, 0.0], Adam::<f32>::new(1e-3));
//! run.parameters.restore(&mut w)?;
//! adam.load_state(&run.optimizer)?;
//! # std::fs::remove_file(&file).unwrap();
//! # assert_eq!(adam.steps(), 1);
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! A file is `thalweg\0`, the format's number (4 bytes, little-endian as all), the payload's length (8
//! bytes), the CRC-32 of number, length and payload (4 bytes), and the payload in the encoding of
//! `postcard`.

mod temporary;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};

const MAGIC: [u8; 8] = *b"thalweg\0";
const FORMAT: u32 = 1;
const HEADER: usize = MAGIC.len() + 4 + 8 + 4;

/// The value in the crate's own compact format.
///
/// # Errors
/// [`ErrorKind::NotWritable`] if the value cannot be serialized.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let bytes = postcard::to_extend(value, vec![0; HEADER])
        .map_err(|error| ErrorKind::NotWritable { problem: error.to_string() })?;
    Ok(sealed(bytes))
}

/// Fills in the header before a payload.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len() - HEADER) as u64;
    let header = Header { format: FORMAT, length, sum: 0 };
    let sum = header.sum_of(&bytes[HEADER..]);
    bytes[..HEADER].copy_from_slice(&Header { sum, ..header }.bytes());
    bytes
}

/// What stands before the payload, for all formats to come.
#[derive(Clone, Copy)]
struct Header {
    format: u32,
    length: u64,
    sum: u32,
}

impl Header {
    fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.format.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.length.to_le_bytes());
        bytes[20..].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    /// The header that bytes begin with.
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let (magic, rest) = bytes.split_at(bytes.len().min(MAGIC.len()));
        if !MAGIC.starts_with(magic) {
            return Err(ErrorKind::NotACheckpoint.into());
        }
        let truncated = || truncated(bytes.len() as u64, HEADER as u64);
        let (format, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
        let (sum, _) = rest.split_first_chunk().ok_or_else(truncated)?;
        Ok(Self {
            format: u32::from_le_bytes(*format),
            length: u64::from_le_bytes(*length),
            sum: u32::from_le_bytes(*sum),
        })
    }

    fn sum_of(&self, payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.format.to_le_bytes());
        hasher.update(&self.length.to_le_bytes());
        hasher.update(payload);
        hasher.finalize()
    }

    /// The length of all.
    fn total(&self) -> u64 {
        self.length.saturating_add(HEADER as u64)
    }

    /// The value of a payload that is whole.
    fn open<T: DeserializeOwned>(&self, payload: &[u8]) -> Result<T, Error> {
        match self.length.cmp(&(payload.len() as u64)) {
            std::cmp::Ordering::Greater => {
                return Err(truncated((HEADER + payload.len()) as u64, self.total()));
            }
            std::cmp::Ordering::Less => return Err(damaged("it goes on past its end")),
            std::cmp::Ordering::Equal => {}
        }
        if self.sum_of(payload) != self.sum {
            return Err(damaged("its checksum is wrong"));
        }
        match self.format {
            FORMAT => {}
            0 => return Err(damaged("there is no format 0")),
            saved => return Err(ErrorKind::StateVersion { saved, known: FORMAT }.into()),
        }
        let problem = match postcard::take_from_bytes(payload) {
            Ok((value, [])) => return Ok(value),
            Ok(_) => "it is longer".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(ErrorKind::OtherValue { problem }.into())
    }
}

/// The value that [`to_bytes`] wrote.
///
/// No input makes it panic, or allocate more than a small multiple of the input's length.
///
/// # Errors
/// [`ErrorKind::NotACheckpoint`], [`ErrorKind::Truncated`], [`ErrorKind::Damaged`];
/// [`ErrorKind::StateVersion`] for a newer format; [`ErrorKind::OtherValue`] for a whole checkpoint of
/// another type.
///
/// ```
/// use thalweg::checkpoint;
/// let mut bytes = checkpoint::to_bytes(&vec![1_u32, 2, 3])?;
/// assert_eq!(checkpoint::from_bytes::<Vec<u32>>(&bytes)?, [1, 2, 3]);
/// *bytes.last_mut().unwrap() ^= 1;
/// let error = checkpoint::from_bytes::<Vec<u32>>(&bytes).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the checkpoint is damaged: its checksum is wrong; use an earlier one"
/// );
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    Header::read(bytes)?.open(bytes.get(HEADER..).unwrap_or_default())
}

/// Writes the value to a file, whole or not at all.
///
/// # Errors
/// As [`to_bytes`] and [`write_atomically`].
pub fn save<T: Serialize>(path: impl AsRef<Path>, value: &T) -> Result<(), Error> {
    write_atomically(path, &to_bytes(value)?)
}

/// Reads the value that [`save`] wrote.
///
/// No more is read than the file's header says; of another file no more than a header.
///
/// # Errors
/// As [`from_bytes`], and [`ErrorKind::File`].
pub fn load<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, Error> {
    let path = path.as_ref();
    let failed = |error| file(path, &error);
    let mut source = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut source).take(HEADER as u64).read_to_end(&mut bytes).map_err(failed)?;
    let header = Header::read(&bytes)?;
    // One byte more shows that the file does not end there.
    let rest = header.length.saturating_add(1);
    bytes.clear();
    source.take(rest).read_to_end(&mut bytes).map_err(failed)?;
    header.open(&bytes)
}

/// Writes a file whose old content, or new, is there whenever the process or the machine stops.
///
/// The bytes go to a temporary file in the same folder, `.NAME.RANDOM.thalweg-tmp`, which is
/// synchronized and then renamed. A process that is killed meanwhile leaves it there; it is never
/// read, and the next write in that folder removes it. The file's permissions stay as they are, and a
/// symbolic link stays one: the file that it leads to is replaced.
///
/// # Errors
/// [`ErrorKind::File`], also for what is there and is no file; it is then as it was.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    temporary::replace(path, bytes).map_err(|error| file(path, &error))
}

fn truncated(found: u64, expected: u64) -> Error {
    ErrorKind::Truncated { found, expected }.into()
}

fn damaged(problem: &'static str) -> Error {
    ErrorKind::Damaged { problem }.into()
}

fn file(path: &Path, error: &std::io::Error) -> Error {
    ErrorKind::File { path: path.to_owned(), problem: error.to_string() }.into()
}
