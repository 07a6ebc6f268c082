//! A file replaced by way of a temporary one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// What the names of temporary files end in.
const END: &str = ".thalweg-tmp";

/// The longest part of a temporary name that comes from the file's: file systems take 255 bytes.
const LONGEST: usize = 200;

/// Replaces the file, or the one that a link leads to.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_by(path, bytes, temporary_name)
}

/// As [`replace`], by way of a file of one of the names that `name_for` gives.
fn replace_by(path: &Path, bytes: &[u8], name_for: impl FnMut(&OsStr) -> OsString) -> Result<()> {
    let path = &followed(path)?;
    let permissions = match fs::metadata(path) {
        Ok(found) if found.is_file() => Some(found.permissions()),
        Ok(_) => return Err(Error::other("it is no file that could be replaced")),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let name = path.file_name().ok_or_else(|| Error::other("a file has a name"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let (file, temporary) = create(folder, name, permissions.is_some(), name_for)?;
    let renamed = write(file, bytes, permissions).and_then(|file| {
        // As long as it is locked nobody takes it for a leftover. Not every system renames a file
        // that is open.
        let held = cfg!(unix).then_some(file);
        let renamed = fs::rename(&temporary, path);
        drop(held);
        renamed
    });
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
        return renamed;
    }
    remove_leftovers(folder);
    // The new name is lasting once the folder is; not every system can synchronize one.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Where symbolic links lead, to a file that may be absent.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                let target = fs::read_link(&path)?;
                // A relative one is relative to the link's folder.
                path = path.parent().unwrap_or(Path::new("")).join(target);
            }
            _ => return Ok(path),
        }
    }
    Err(Error::other("too many symbolic links"))
}

/// A new file that is nobody else's, locked.
fn create(
    folder: &Path,
    name: &OsStr,
    private: bool,
    mut name_for: impl FnMut(&OsStr) -> OsString,
) -> Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // What replaces a private file is never readable by others, nor for a moment.
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    for _ in 0..100 {
        let temporary = folder.join(name_for(name));
        let file = match options.open(&temporary) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        // Another write may have taken it for a leftover before it was locked.
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if is_at(&file, &temporary) {
            return Ok((file, temporary));
        }
    }
    Err(Error::other("no name is free for a temporary file"))
}

/// Whether that file has that name, and not another one that was made since.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(file), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    #[cfg(unix)]
    let is_same = {
        use std::os::unix::fs::MetadataExt;
        (file.dev(), file.ino()) == (named.dev(), named.ino())
    };
    #[cfg(not(unix))]
    let is_same = file.len() == named.len();
    is_same
}

fn write(mut file: File, bytes: &[u8], permissions: Option<Permissions>) -> Result<File> {
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// `.NAME.RANDOM.thalweg-tmp`, with digits in the place of a long name.
fn temporary_name(name: &OsStr) -> OsString {
    let mut temporary = OsString::from(".");
    if name.len() <= LONGEST {
        temporary.push(name);
    } else {
        temporary.push(format!("{:016x}", random(name)));
    }
    temporary.push(format!(".{:016x}{END}", random(name)));
    temporary
}

/// Digits that no other call takes, of this process or another, even of one of the same number in
/// another container.
fn random(name: &OsStr) -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    // Its keys are random.
    RandomState::new().hash_one((name, now.ok(), std::process::id(), call))
}

/// Whether a name is one that [`temporary_name`] makes.
fn is_temporary(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let rest = bytes.strip_prefix(b".").and_then(|rest| rest.strip_suffix(END.as_bytes()));
    let Some((name, digits)) = rest.and_then(|rest| rest.split_last_chunk::<16>()) else {
        return false;
    };
    let digit = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    digits.iter().all(digit) && name.len() > 1 && name.ends_with(b".")
}

/// Removes what writers that were killed have left in a folder. That it is not done is no error.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_temporary(&entry.file_name()) {
            remove_if_left(&entry.path());
        }
    }
}

/// Removes a temporary file that nobody writes any more: its writer holds a lock.
fn remove_if_left(path: &Path) {
    /// Where there are no locks, a file of that age has no writer.
    const OLD: Duration = Duration::from_secs(24 * 60 * 60);
    let Ok(file) = File::open(path) else { return };
    let is_left = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let written = file.metadata().and_then(|found| found.modified());
            written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD))
        }
    };
    if is_left {
        // While it is locked: its writer may just be about to.
        let _ = fs::remove_file(path);
    }
    drop(file);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Such as two processes of one number, in two containers that share a folder.
    #[test]
    fn writers_that_choose_the_same_names_do_not_disturb_each_other() {
        let folder = std::env::temp_dir().join(format!("thalweg-alike-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let collisions = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for writer in 0..3_u8 {
                let (folder, collisions) = (&folder, &collisions);
                scope.spawn(move || {
                    for round in 0..100 {
                        // The same file, and files of their own.
                        let own = format!("file-{writer}");
                        let path = folder.join(if round % 2 == 0 { "file" } else { &own });
                        let mut tried = 0;
                        let bytes = vec![writer; 100_000];
                        let names = |_: &OsStr| {
                            tried += 1;
                            OsString::from(format!(".file.{tried:016x}.thalweg-tmp"))
                        };
                        replace_by(&path, &bytes, names).unwrap();
                        collisions.fetch_add(tried - 1, Ordering::Relaxed);
                        let found = fs::read(&path).unwrap();
                        assert!(found.len() == 100_000 && found.iter().all(|&b| b == found[0]));
                        assert!(path.ends_with("file") || found[0] == writer);
                    }
                });
            }
        });
        assert!(collisions.into_inner() > 0);
        let mut left: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["file", "file-0", "file-1", "file-2"]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn temporary_names_are_known_and_short_and_others_are_not_theirs() {
        for name in ["a", "run.checkpoint", &"n".repeat(200), &"n".repeat(201), &"n".repeat(255)] {
            let (one, other) = (temporary_name(name.as_ref()), temporary_name(name.as_ref()));
            assert_ne!(one, other);
            assert!(is_temporary(&one) && one.len() <= 255, "{one:?}");
        }
        for name in [
            "run.checkpoint",
            "run.0123456789abcdef.thalweg-tmp",
            ".run.thalweg-tmp",
            ".run.0123456789abcde.thalweg-tmp",
            ".run.0123456789ABCDEF.thalweg-tmp",
            "..0123456789abcdef.thalweg-tmp",
            ".run.0123456789abcdef.thalweg-tmp.gz",
        ] {
            assert!(!is_temporary(name.as_ref()), "{name}");
        }
    }
}
