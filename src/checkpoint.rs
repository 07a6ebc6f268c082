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
//! let (mut w, mut adam) = (array![0.0_f32, 0.0], Adam::new(1e-3));
//! run.parameters.restore(&mut w)?;
//! adam.load_state(&run.optimizer)?;
//! # std::fs::remove_file(&file).unwrap();
//! # assert_eq!(adam.steps(), 1);
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! A file is `thalweg\0`, the format's number (4 bytes, little-endian as all), the payload's length (8
//! bytes), its CRC-32 (4 bytes), and the payload in the encoding of `postcard`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};

const MAGIC: [u8; 8] = *b"thalweg\0";
const FORMAT: u32 = 1;
const HEADER: usize = MAGIC.len() + 4 + 8 + 4;

/// The value in the crate's own compact format.
///
/// # Errors
/// [`ErrorKind::Checkpoint`] if the value cannot be serialized.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let payload = postcard::to_stdvec(value)
        .map_err(|error| trouble(format!("the value cannot be written: {error}")))?;
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(crc32fast::hash(&payload).to_le_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// The value that [`to_bytes`] wrote.
///
/// No input makes it panic, or allocate more than a small multiple of the input's length.
///
/// # Errors
/// [`ErrorKind::Checkpoint`] for bytes that are not a checkpoint, are truncated or damaged, or hold
/// another value; [`ErrorKind::StateVersion`] for a newer format.
///
/// ```
/// use thalweg::checkpoint;
/// let mut bytes = checkpoint::to_bytes(&vec![1_u32, 2, 3])?;
/// assert_eq!(checkpoint::from_bytes::<Vec<u32>>(&bytes)?, [1, 2, 3]);
/// *bytes.last_mut().unwrap() ^= 1;
/// let error = checkpoint::from_bytes::<Vec<u32>>(&bytes).unwrap_err();
/// assert_eq!(error.to_string(), "the checkpoint is damaged: its checksum is wrong");
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let truncated = || trouble("the checkpoint is truncated: its end is missing".to_owned());
    let (magic, rest) = bytes.split_at(bytes.len().min(MAGIC.len()));
    if !MAGIC.starts_with(magic) {
        return Err(trouble("this is not a checkpoint of thalweg".to_owned()));
    }
    let (format, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(ErrorKind::StateVersion { saved: format, known: FORMAT }.into());
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
    let (sum, payload) = rest.split_first_chunk().ok_or_else(truncated)?;
    match u64::from_le_bytes(*length).cmp(&(payload.len() as u64)) {
        std::cmp::Ordering::Greater => return Err(truncated()),
        std::cmp::Ordering::Less => {
            return Err(trouble("the checkpoint is damaged: it goes on past its end".to_owned()));
        }
        std::cmp::Ordering::Equal => {}
    }
    if crc32fast::hash(payload) != u32::from_le_bytes(*sum) {
        return Err(trouble("the checkpoint is damaged: its checksum is wrong".to_owned()));
    }
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(trouble("the checkpoint holds another value: it is longer".to_owned())),
        Err(error) => Err(trouble(format!("the checkpoint holds another value: {error}"))),
    }
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
/// # Errors
/// As [`from_bytes`], and [`ErrorKind::File`].
pub fn load<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, Error> {
    let path = path.as_ref();
    from_bytes(&fs::read(path).map_err(|error| file(path, &error))?)
}

/// Writes a file whose old content, or new, is there whenever the process or the machine stops.
///
/// The bytes go to a temporary file in the same folder, which is synchronized and then renamed.
///
/// # Errors
/// [`ErrorKind::File`]; the file is then as it was.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    let temporary = temporary(path);
    let written = write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(file(path, &error));
    }
    // The new name is lasting once the folder is; not every system can synchronize one.
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name beside the file's that no other process takes.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn trouble(problem: String) -> Error {
    ErrorKind::Checkpoint { problem }.into()
}

fn file(path: &Path, error: &std::io::Error) -> Error {
    ErrorKind::File { path: path.to_owned(), problem: error.to_string() }.into()
}
