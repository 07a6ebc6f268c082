//! A file is written whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use thalweg::{ErrorKind, State, checkpoint};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("thalweg-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Large enough that a write takes a while, and telling which it is by every element.
fn value(number: u64) -> Vec<u64> {
    vec![number; 20_000 + (number % 7) as usize * 1000]
}

#[test]
fn a_file_whose_writer_is_killed_is_always_whole() {
    const FILE: &str = "THALWEG_KILLED";
    if let Some(file) = std::env::var_os(FILE) {
        for number in 0.. {
            checkpoint::save(&file, &value(number)).unwrap();
        }
    }
    let folder = Folder::new("killed");
    let file = folder.0.join("checkpoint");
    checkpoint::save(&file, &value(u64::MAX)).unwrap();
    let (mut left, mut written) = (0, 0);
    for round in 0..25 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["checkpoints::files::a_file_whose_writer_is_killed_is_always_whole", "--exact"])
            .env(FILE, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + 7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let loaded: Vec<u64> = checkpoint::load(&file).unwrap();
        assert_eq!(loaded, value(loaded[0]));
        written += u64::from(loaded[0] != u64::MAX);
        left = fs::read_dir(&folder.0).unwrap().count() - 1;
    }
    // What is left is removed by the next write.
    checkpoint::save(&file, &value(3)).unwrap();
    assert_eq!(checkpoint::load::<Vec<u64>>(&file).unwrap(), value(3));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    println!("{written} rounds had written, {left} temporary files were left");
    assert!(written > 0);
}

#[test]
fn two_threads_that_save_to_one_file_leave_one_of_their_values() {
    let folder = Folder::new("threads");
    let file = folder.0.join("checkpoint");
    std::thread::scope(|scope| {
        for number in 0..2 {
            let file = &file;
            scope.spawn(move || {
                (0..10).for_each(|_| checkpoint::save(file, &value(number)).unwrap())
            });
        }
    });
    let loaded: Vec<u64> = checkpoint::load(&file).unwrap();
    assert_eq!(loaded, value(loaded[0]));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn what_is_no_checkpoint_is_refused_with_its_path() {
    let folder = Folder::new("refused");
    let kind = |path: &Path| checkpoint::load::<State>(path).unwrap_err().kind().clone();
    for path in [folder.0.clone(), folder.0.join("absent"), folder.0.join("absent/either")] {
        assert!(matches!(kind(&path), ErrorKind::File { path: named, .. } if named == path));
        if path != folder.0.join("absent") {
            let error = checkpoint::save(&path, &1_u8).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::File { .. }), "{error}");
        }
    }
    assert!(checkpoint::save("/", &1_u8).is_err() && checkpoint::save("", &1_u8).is_err());
    let file = folder.0.join("file");
    fs::write(&file, b"").unwrap();
    assert_eq!(kind(&file), ErrorKind::Truncated { found: 0, expected: 24 });
    fs::write(&file, b"[1, 2, 3]").unwrap();
    assert_eq!(kind(&file), ErrorKind::NotACheckpoint);
    // A length that no file has is not believed.
    let mut bytes = checkpoint::to_bytes(&1_u8).unwrap();
    bytes[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    assert!(matches!(kind(&file), ErrorKind::Truncated { found: 25, .. }));
    checkpoint::save(&file, &7_u8).unwrap();
    assert_eq!(checkpoint::load::<u8>(&file).unwrap(), 7);
    let others = fs::read_dir(&folder.0).unwrap().count();
    assert_eq!(others, 1, "nothing temporary is left");
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(&folder.0).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn leftovers_go_and_what_is_in_use_or_someone_elses_stays() {
    let folder = Folder::new("leftovers");
    let temporary =
        |name: &str, digits: &str| folder.0.join(format!(".{name}.{digits}.thalweg-tmp"));
    let in_use = temporary("run", "00000000000000aa");
    for digits in ["0000000000000001", "00ff00ff00ff00ff"] {
        fs::write(temporary("run", digits), b"half").unwrap();
        fs::write(temporary("step-100.checkpoint", digits), b"").unwrap();
    }
    let held = fs::File::create(&in_use).unwrap();
    held.lock().unwrap();
    let others = [
        ".run.000000000000000g.thalweg-tmp",
        ".run.00000000000000aa.tmp",
        ".thalweg-tmp",
        "run.00000000000000aa.thalweg-tmp",
        "run.4711.0.tmp",
    ];
    for name in others {
        fs::write(folder.0.join(name), b"of another").unwrap();
    }
    fs::create_dir(temporary("folder", "00000000000000ab")).unwrap();
    checkpoint::save(folder.0.join("run"), &1_u8).unwrap();
    let mut expected: Vec<String> = others.map(str::to_owned).to_vec();
    expected.push("run".to_owned());
    expected.push(".run.00000000000000aa.thalweg-tmp".to_owned());
    expected.push(".folder.00000000000000ab.thalweg-tmp".to_owned());
    expected.sort();
    assert_eq!(names(&folder), expected);
    drop(held);
    checkpoint::save(folder.0.join("run"), &2_u8).unwrap();
    expected.retain(|name| name != ".run.00000000000000aa.thalweg-tmp");
    assert_eq!(names(&folder), expected);
}

#[test]
fn many_writers_of_one_folder_never_fail() {
    let folder = Folder::new("writers");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let file = folder.0.join(format!("file-{}", writer % 3));
            scope.spawn(move || {
                for number in 0..40 {
                    checkpoint::save(&file, &vec![writer * 100 + number; 500]).unwrap();
                    let loaded: Vec<i32> = checkpoint::load(&file).unwrap();
                    assert_eq!(loaded, vec![loaded[0]; 500]);
                }
            });
        }
    });
    assert_eq!(names(&folder), ["file-0", "file-1", "file-2"]);
}

#[test]
fn a_name_may_be_as_long_as_the_system_allows() {
    let folder = Folder::new("long");
    for length in [1, 199, 200, 201, 240, 241, 254, 255] {
        let file = folder.0.join("n".repeat(length));
        for number in 0..2 {
            checkpoint::save(&file, &number).unwrap();
            assert_eq!(checkpoint::load::<i32>(&file).unwrap(), number);
        }
        fs::remove_file(&file).unwrap();
    }
    let error = checkpoint::save(folder.0.join("n".repeat(256)), &1_u8).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::File { .. }), "{error}");
    assert!(names(&folder).is_empty());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let folder = Folder::new("mode");
        let file = folder.0.join("file");
        checkpoint::save(&file, &0_u8).unwrap();
        let fresh = folder.0.join("fresh");
        fs::write(&fresh, b"").unwrap();
        assert_eq!(mode(&file), mode(&fresh), "a new file has the mode that new files have");
        for wanted in [0o600, 0o640, 0o644, 0o755, 0o400, 0o666] {
            fs::set_permissions(&file, fs::Permissions::from_mode(wanted)).unwrap();
            checkpoint::save(&file, &wanted).unwrap();
            assert_eq!(mode(&file), wanted);
        }
    }

    #[test]
    fn a_link_stays_one_and_leads_to_what_was_saved() {
        let folder = Folder::new("link");
        fs::create_dir(folder.0.join("data")).unwrap();
        let (file, link) = (folder.0.join("data/file"), folder.0.join("latest"));
        let second = folder.0.join("second");
        symlink("data/file", &link).unwrap();
        symlink(&link, &second).unwrap();
        // The file is absent at first.
        for (number, path) in [&link, &second, &link, &file].into_iter().enumerate() {
            checkpoint::save(path, &(number as u64)).unwrap();
            for path in [&file, &link, &second] {
                assert_eq!(checkpoint::load::<u64>(path).unwrap(), number as u64);
            }
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(fs::symlink_metadata(&second).unwrap().is_symlink());
            assert!(fs::symlink_metadata(&file).unwrap().is_file());
        }
        let (a, b) = (folder.0.join("a"), folder.0.join("b"));
        symlink(&a, &b).unwrap();
        symlink(&b, &a).unwrap();
        let error = checkpoint::save(&a, &1_u8).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::File { .. }), "{error}");
    }

    /// A link in a folder that others write to must not lead a save out of it.
    #[test]
    fn a_link_of_a_temporary_name_is_not_followed() {
        let folder = Folder::new("trap");
        let (victim, file) = (folder.0.join("victim"), folder.0.join("file"));
        fs::write(&victim, b"precious").unwrap();
        let process = std::process::id();
        for number in 0..2000 {
            symlink(&victim, folder.0.join(format!("file.{process}.{number}.tmp"))).unwrap();
        }
        symlink(&victim, folder.0.join(".file.0123456789abcdef.thalweg-tmp")).unwrap();
        let before = names(&folder).len();
        for number in 0..20 {
            checkpoint::save(&file, &number).unwrap();
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(names(&folder).len(), before + 1);
    }

    #[test]
    fn what_is_no_file_is_not_replaced_by_one() {
        let folder = Folder::new("special");
        let socket = folder.0.join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [Path::new("/dev/null"), &socket] {
            let error = checkpoint::save(path, &1_u8).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::File { .. }), "{error}");
            assert!(!fs::symlink_metadata(path).unwrap().is_file());
        }
        assert_eq!(names(&folder), ["socket"]);
    }
}
