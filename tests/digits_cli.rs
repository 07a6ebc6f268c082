//! The digits example as a user runs it, and the gradient that it trains by.

// Brings its own test; the example's training is what uses the rest.
#[allow(dead_code)]
#[path = "../examples/digits/mlp.rs"]
mod mlp;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/optdigits.csv");

/// A file of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("digits_cli");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn digits(arguments: &[&str], picture: &Path) -> Output {
    // target/<profile>/deps/digits_cli-<hash>
    let this = std::env::current_exe().unwrap();
    let examples = this.parent().and_then(Path::parent).unwrap().join("examples");
    let program = examples.join(format!("digits{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "`cargo build --example digits` makes {}", program.display());
    Command::new(program).args(arguments).arg("--out").arg(picture).output().unwrap()
}

/// Its output, if it succeeds and draws a picture.
fn success(name: &str, arguments: &[&str]) -> String {
    let picture = scratch(&format!("{name}.png"));
    let _ = fs::remove_file(&picture);
    let output = digits(arguments, &picture);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    String::from_utf8(output.stdout).unwrap()
}

/// Its message, if it ends with this code and draws nothing.
fn failure(name: &str, code: i32, arguments: &[&str]) -> String {
    let picture = scratch(&format!("{name}.png"));
    let output = digits(arguments, &picture);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(!picture.exists());
    String::from_utf8(output.stderr).unwrap()
}

/// The percentage that follows this.
fn percentage(text: &str, label: &str) -> f64 {
    let (_, rest) = text.split_once(label).unwrap_or_else(|| panic!("no {label} in {text}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_quick_run_prints_each_epoch_and_draws_a_picture() {
    let text = success("quick", &["--quick"]);
    assert_eq!(text.lines().filter(|line| line.starts_with("epoch")).count(), 3, "{text}");
    assert!(percentage(&text, "test accuracy:") > 80.0, "{text}");
}

#[test]
fn a_single_epoch_can_be_drawn() {
    success("single", &["--epochs", "1", "--hidden", "1", "--batch-size", "100000"]);
}

#[test]
fn a_seed_fixes_all_but_the_time() {
    let run = |seed| -> Vec<String> {
        let text = success(&format!("seed-{seed}"), &["--quick", "--seed", seed]);
        text.lines().filter(|line| !line.starts_with("time:")).map(str::to_owned).collect()
    };
    let first = run("7");
    assert_eq!(first, run("7"));
    assert_ne!(first, run("8"));
}

#[test]
fn adam_reads_97_percent_whatever_the_seed() {
    for seed in ["1", "2", "3", "4", "5"] {
        let text = success(&format!("adam-{seed}"), &["--seed", seed]);
        assert!(percentage(&text, "test accuracy:") >= 97.0, "seed {seed}: {text}");
    }
}

#[test]
fn every_optimizer_reads_95_percent_at_its_own_learning_rate() {
    let text = success("all", &["--optimizer", "all"]);
    for entry in thalweg::catalog::<f32>() {
        let row = text.lines().find(|line| line.split_whitespace().next() == Some(entry.name));
        let row = row.unwrap_or_else(|| panic!("no row of {} in {text}", entry.name));
        let [_, rate, epochs, validation, "%", test, "%", ..] =
            row.split_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{row}");
        };
        assert_eq!(rate.parse(), Ok(entry.learning_rate), "{row}");
        assert!(epochs.parse::<usize>().is_ok(), "{row}");
        assert!(validation.parse::<f64>().unwrap() >= 95.0, "{row}");
        assert!(test.parse::<f64>().unwrap() >= 95.0, "{row}");
    }
}

#[test]
fn a_wrong_name_is_answered_by_the_right_ones() {
    let message = failure("name", 2, &["--optimizer", "adm"]);
    for entry in thalweg::catalog::<f32>() {
        assert!(message.contains(entry.name), "{message}");
    }
    assert!(message.contains("'adam'"), "{message}");
}

#[test]
fn numbers_without_sense_are_refused() {
    for (option, value) in [
        ("--epochs", "0"),
        ("--epochs", "2.5"),
        ("--batch-size", "0"),
        ("--hidden", "0"),
        ("--hidden", "-4"),
        ("--learning-rate", "0"),
        ("--learning-rate", "-1"),
        ("--learning-rate", "nan"),
        ("--learning-rate", "inf"),
        ("--seed", "-1"),
    ] {
        let message = failure("number", 2, &[option, value]);
        assert!(message.contains(option) && message.contains(value), "{message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let message = failure("missing", 2, &["--data", "no/such/file.csv"]);
    assert!(message.contains("no/such/file.csv"), "{message}");
}

#[test]
fn a_broken_line_is_named_with_what_is_wrong() {
    let good = fs::read_to_string(DATA).unwrap();
    let third = good.lines().nth(2).unwrap();
    let (pixels, _) = third.rsplit_once(',').unwrap();
    let (_, but_first) = third.split_once(',').unwrap();
    for (name, line, problem) in [
        ("short", pixels.to_owned(), "64 values"),
        ("long", format!("{third},1"), "66 values"),
        ("blank", String::new(), "1 values"),
        ("word", format!("x,{but_first}"), "pixel 1: `x`"),
        ("fraction", format!("0.5,{but_first}"), "pixel 1: `0.5`"),
        ("dark", format!("17,{but_first}"), "pixel 1: `17`"),
        ("class", format!("{pixels},10"), "class: `10`"),
    ] {
        let lines: Vec<&str> = good.lines().collect();
        let broken = [&lines[..2], &[line.as_str()], &lines[3..]].concat().join("\n");
        let file = scratch(&format!("{name}.csv"));
        fs::write(&file, broken).unwrap();
        let message = failure(name, 2, &["--data", file.to_str().unwrap()]);
        let place = format!("{}, line 3: ", file.display());
        assert!(message.contains(&place) && message.contains(problem), "{message}");
    }
}

#[test]
fn files_with_too_little_are_refused() {
    let good = fs::read_to_string(DATA).unwrap();
    for (name, count, problem) in
        [("empty", 0, "line 1: the file is empty"), ("few", 9, "9 images are too few")]
    {
        let file = scratch(&format!("{name}.csv"));
        let lines: Vec<&str> = good.lines().take(count).collect();
        fs::write(&file, lines.join("\n")).unwrap();
        let file = file.to_str().unwrap();
        let message = failure(name, 2, &["--data", file]);
        assert!(message.contains(file) && message.contains(problem), "{message}");
    }
}

#[test]
fn a_picture_is_a_png() {
    let output = digits(&["--quick"], Path::new("curves.jpeg"));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("curves.jpeg"), "{output:?}");
}

#[test]
fn a_divergence_is_explained() {
    for (name, arguments) in [
        ("diverged", ["--learning-rate", "1e6", "--optimizer", "adamw"]),
        ("overflowed", ["--learning-rate", "1e38", "--optimizer", "sgd"]),
        ("race", ["--learning-rate", "1e38", "--optimizer", "all"]),
    ] {
        let message = failure(name, 1, &arguments);
        assert!(message.contains("the gradient of `hidden.weight` is NaN"), "{message}");
        assert!(message.contains("--learning-rate below"), "{message}");
    }
}
