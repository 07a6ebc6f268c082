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
            .args(["files::a_file_whose_writer_is_killed_is_always_whole", "--exact"])
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
    // Temporary files that were left do no harm: a write succeeds beside them.
    checkpoint::save(&file, &value(3)).unwrap();
    assert_eq!(checkpoint::load::<Vec<u64>>(&file).unwrap(), value(3));
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
