//! The digits example as a user runs it, and the gradient that it trains by.

// Brings its own test; the example's training is what uses the rest.
#[allow(dead_code)]
#[path = "../digits/mlp.rs"]
mod mlp;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/optdigits.csv");

/// A file of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("digits_cli");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn command(arguments: &[&str], picture: &Path) -> Command {
    // target/<profile>/deps/digits_cli-<hash>
    let this = std::env::current_exe().unwrap();
    let examples = this.parent().and_then(Path::parent).unwrap().join("examples");
    let program = examples.join(format!("digits{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "`cargo build --example digits` makes {}", program.display());
    let mut command = Command::new(program);
    command.args(arguments).arg("--out").arg(picture);
    command
}

fn digits(arguments: &[&str], picture: &Path) -> Output {
    command(arguments, picture).output().unwrap()
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
    let _ = fs::remove_file(&picture);
    let output = digits(arguments, &picture);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(!picture.exists());
    String::from_utf8(output.stderr).unwrap()
}

/// What it prints of a training, but for the time that it took and where its picture is.
fn results(text: &str) -> Vec<&str> {
    let is_result =
        |line: &&str| !line.starts_with("time:") && !line.starts_with("learning curves:");
    text.lines().filter(is_result).collect()
}

/// The line of the parameters: their number, how many are 0, their fingerprint.
fn parameters(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("parameters:")).unwrap()
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
    let everything = ["--augment", "--dropout", "--ema", "--fraction", "0.5"];
    for options in [&[][..], &everything] {
        let run = |seed| {
            let options = [options, &["--quick", "--seed", seed]].concat();
            success(&format!("seed-{seed}"), &options)
        };
        let first = run("7");
        assert_eq!(results(&first), results(&run("7")));
        assert_ne!(parameters(&first), parameters(&run("8")));
    }
}

#[test]
fn adam_reads_97_percent_whatever_the_seed() {
    for seed in ["1", "2", "3", "4", "5"] {
        let text = success(&format!("adam-{seed}"), &["--seed", seed]);
        assert!(percentage(&text, "test accuracy:") >= 97.0, "seed {seed}: {text}");
    }
}

#[test]
fn with_augmentation_dropout_and_averaging_it_reads_98_and_a_half() {
    let options = "--augment --dropout --ema --schedule one-cycle --learning-rate 0.005 --seed";
    let accuracies = ["1", "2", "3", "4", "5"].map(|seed| {
        let arguments: Vec<&str> = options.split(' ').chain([seed]).collect();
        percentage(&success(&format!("best-{seed}"), &arguments), "test accuracy:")
    });
    assert!(accuracies.iter().sum::<f64>() / 5.0 >= 98.5, "{accuracies:?}");
}

#[test]
fn each_option_makes_a_training_of_its_own() {
    let mut trainings = vec![success("plain", &["--quick"])];
    for option in [
        "--fraction 0.5",
        "--schedule cosine",
        "--schedule warmup-cosine",
        "--schedule one-cycle",
        "--schedule step",
        "--schedule wsd",
        "--dropout",
        "--dropout 0.5",
        "--weight-decay",
        "--weight-decay 10",
        "--l1",
        "--l1 1",
        "--augment",
        "--ema",
        "--ema 0.9",
    ] {
        let arguments: Vec<&str> = option.split(' ').chain(["--quick"]).collect();
        let text = success("option", &arguments);
        assert!(percentage(&text, "test accuracy:") > 70.0, "{option}: {text}");
        for other in &trainings {
            assert_ne!(parameters(&text), parameters(other), "{option}");
        }
        trainings.push(text);
    }
}

#[test]
fn options_that_come_to_nothing_change_no_bit() {
    let plain = success("plain-too", &["--quick"]);
    for nothing in ["--dropout 0", "--weight-decay 0", "--l1 0", "--schedule constant"] {
        let arguments: Vec<&str> = nothing.split(' ').chain(["--quick"]).collect();
        assert_eq!(parameters(&success("nothing", &arguments)), parameters(&plain), "{nothing}");
    }
}

#[test]
fn an_average_leaves_the_training_alone() {
    let losses = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("epoch"));
        lines.map(|line| line.split("validation").next().unwrap().to_owned()).collect()
    };
    let (plain, averaged) =
        (success("not-averaged", &["--quick"]), success("averaged", &["--quick", "--ema"]));
    assert_eq!(losses(&plain), losses(&averaged));
    assert_ne!(results(&plain), results(&averaged));
}

#[test]
fn the_proximal_step_makes_zeros() {
    let text = success("zeros", &["--quick", "--l1", "1"]);
    let zeros = parameters(&text).split(' ').nth(4).unwrap().parse::<u32>().unwrap();
    assert!(zeros > 1000, "{text}");
}

#[test]
fn early_stopping_tests_the_best_epoch() {
    for more in [&[][..], &["--ema", "0.9"]] {
        let options = ["--learning-rate", "0.03", "--early-stopping", "4"];
        let text = success("stopped", &[&options, more].concat());
        let line = text.lines().find(|line| line.starts_with("best epoch:")).unwrap();
        let [best, "of", last] = line.split(' ').skip(2).collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let (best, last) = (best.parse::<u32>().unwrap(), last.parse::<u32>().unwrap());
        assert!(last == best + 4 && last < 60, "{line}");

        // So does a training that ends there by itself.
        let epochs = ["--learning-rate", "0.03", "--epochs", &best.to_string()];
        let ended = success("ended", &[&epochs, more].concat());
        assert_eq!(parameters(&ended), parameters(&text));
    }
}

#[test]
fn every_optimizer_takes_every_option() {
    let options = "--optimizer all --quick --fraction 0.5 --schedule wsd --dropout --weight-decay --l1 \
                   --augment --ema --early-stopping";
    let text = success("everything", &options.split_whitespace().collect::<Vec<_>>());
    for entry in thalweg::catalog::<f32>() {
        let rows = text.lines().filter(|line| line.split_whitespace().next() == Some(entry.name));
        assert_eq!(rows.count(), 1, "{text}");
    }
    assert!(!text.contains("failed"), "{text}");
}

#[test]
fn the_regularizers_are_compared_in_a_table() {
    let options = ["--compare-regularizers", "--quick", "--fraction", "0.05", "--dropout", "0.4"];
    let output = digits(&options, &scratch("unused.png"));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> =
        text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.len(), 11, "{text}");
    assert!(rows.iter().all(|row| row.len() == 7), "{text}");
    assert_eq!(rows[5][1..4], ["dropout", "`--dropout 0.4`", "3"], "{text}");
    assert!(rows[2..].iter().all(|row| row[4].contains(" ± ")), "{text}");

    let message = failure("compare-all", 2, &["--compare-regularizers", "--optimizer", "all"]);
    assert!(message.contains("--compare-regularizers"), "{message}");
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
        let never = entry.name == "rprop" && epochs == "-";
        assert!(never || epochs.parse::<usize>().is_ok(), "{row}");
        // Rprop is for the gradient of all data: by the noise of small batches all of its steps shrink.
        let least = if entry.name == "rprop" { 70.0 } else { 95.0 };
        assert!(validation.parse::<f64>().unwrap() >= least, "{row}");
        assert!(test.parse::<f64>().unwrap() >= least, "{row}");
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
        ("--fraction", "0"),
        ("--fraction", "1.5"),
        ("--fraction", "nan"),
        ("--schedule", "cosin"),
        ("--dropout", "1"),
        ("--dropout", "-0.1"),
        ("--weight-decay", "-1"),
        ("--weight-decay", "inf"),
        ("--l1", "-1"),
        ("--l1", "nan"),
        ("--ema", "1"),
        ("--ema", "-0.5"),
        ("--early-stopping", "0"),
        ("--early-stopping", "1.5"),
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
    ] {
        let message = failure(name, 1, &arguments);
        assert!(message.contains("the gradient of `hidden.weight` is NaN"), "{message}");
        assert!(message.contains("--learning-rate below"), "{message}");
    }
    // Of all, Fromage goes on: its weights stay within a ball whatever the rate.
    let picture = scratch("race.png");
    let output = digits(&["--learning-rate", "1e38", "--optimizer", "all"], &picture);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("the gradient of `hidden.weight` is NaN"), "{message}");
    assert!(message.contains("--learning-rate below"), "{message}");
}

#[cfg(not(feature = "serde"))]
#[test]
fn checkpoints_name_the_feature_that_they_need() {
    for option in ["--checkpoint", "--resume"] {
        let message = failure("feature", 2, &[option, "run.checkpoint"]);
        assert!(message.contains(option) && message.contains("--features serde"), "{message}");
    }
}

#[cfg(feature = "serde")]
mod checkpoints {
    use std::process::Stdio;
    use std::thread::sleep;
    use std::time::Duration;

    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// The path of a file that is not there yet.
    fn new_file(name: &str) -> String {
        let file = scratch(name);
        let _ = fs::remove_file(&file);
        file.to_str().unwrap().to_owned()
    }

    /// What is printed at the end; the epochs of before an interruption are not printed again.
    fn end(text: &str) -> Vec<&str> {
        results(text).into_iter().filter(|line| !line.starts_with("epoch")).collect()
    }

    /// Runs it, kills it (`SIGKILL` where there is that) after an epoch or at any moment, and says
    /// whether that came before its end.
    fn kill(arguments: &[&str], file: &str, after_an_epoch: bool, rng: &mut StdRng) -> bool {
        let mut command = command(arguments, &scratch("killed.png"));
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        if after_an_epoch {
            let before = fs::read(file).ok();
            while child.try_wait().unwrap().is_none() && fs::read(file).ok() == before {
                sleep(Duration::from_millis(1));
            }
        }
        sleep(Duration::from_micros(rng.random_range(0..30_000)));
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }

    #[test]
    fn a_training_killed_at_any_moment_and_resumed_ends_with_the_same_bits() {
        let options = "--optimizer nadam --epochs 60 --fraction 0.5 --schedule one-cycle --dropout \
                       --weight-decay --l1 --augment --ema --early-stopping 50";
        let options: Vec<&str> = options.split_whitespace().collect();
        let with = |option, file| [&options[..], &[option, file]].concat();
        let (whole, broken) = (new_file("whole.checkpoint"), new_file("broken.checkpoint"));
        let expected = success("whole", &with("--checkpoint", &whole));

        let mut rng = StdRng::seed_from_u64(1);
        let mut kills = 0;
        for attempt in 0..16 {
            // Killed before its first checkpoint, it begins again.
            let option = if Path::new(&broken).exists() { "--resume" } else { "--checkpoint" };
            let killed = kill(&with(option, &broken), &broken, attempt % 4 != 0, &mut rng);
            kills += u32::from(killed);
        }
        assert!(kills >= 5, "{kills} interruptions");
        let resumed = success("broken", &with("--resume", &broken));
        assert_eq!(end(&resumed), end(&expected));
        for [name, other] in
            [["whole.png", "broken.png"], ["whole.checkpoint", "broken.checkpoint"]]
        {
            assert!(
                fs::read(scratch(name)).unwrap() == fs::read(scratch(other)).unwrap(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_training_that_is_over_can_be_resumed() {
        let ended = ["--quick"];
        let stopped = ["--learning-rate", "0.03", "--early-stopping", "2", "--ema", "0.9"];
        for (name, options) in [("ended", &ended[..]), ("stopped", &stopped)] {
            let file = new_file(&format!("{name}.checkpoint"));
            let first = success(name, &[options, &["--checkpoint", &file]].concat());
            let again = success(name, &[options, &["--resume", &file]].concat());
            assert_eq!(end(&again), end(&first));
        }
    }

    #[test]
    fn other_options_are_refused_by_name() {
        let file = new_file("options.checkpoint");
        success("options", &["--quick", "--checkpoint", &file]);
        let written = fs::read(&file).unwrap();
        let fewer: Vec<String> =
            fs::read_to_string(DATA).unwrap().lines().skip(1).map(str::to_owned).collect();
        let data = scratch("fewer.csv");
        fs::write(&data, fewer.join("\n")).unwrap();
        let data = format!("--data {}", data.display());
        for (other, then, now) in [
            ("--seed 2", "1", "2"),
            ("--batch-size 8", "16", "8"),
            ("--hidden 64", "128", "64"),
            ("--fraction 0.5", "1", "0.5"),
            ("--schedule cosine", "constant", "cosine"),
            ("--dropout", "off", "0.2"),
            ("--weight-decay 0.5", "off", "0.5"),
            ("--l1 0.5", "off", "0.5"),
            ("--augment", "off", "on"),
            ("--ema 0.9", "off", "0.9"),
            ("--early-stopping 7", "off", "7"),
            ("--optimizer yogi", "adam", "yogi"),
            ("--learning-rate 0.5", "0.001", "0.5"),
            (&data, "images", "images"),
        ] {
            let arguments: Vec<&str> =
                other.split(' ').chain(["--quick", "--resume", &file]).collect();
            let message = failure("other", 2, &arguments);
            let option = arguments[0];
            assert!(message.contains(&format!("{option} was {then}")), "{message}");
            assert!(message.contains(&format!("is {now}")), "{message}");
            assert_eq!(fs::read(&file).unwrap(), written);
        }
        // Not --quick.
        let message = failure("other", 2, &["--resume", &file]);
        assert!(message.contains("--epochs was 3") && message.contains("is 60"), "{message}");
    }

    #[test]
    fn files_that_cannot_serve_are_refused() {
        let missing = new_file("missing.checkpoint");
        let message = failure("no-file", 2, &["--resume", &missing]);
        assert!(message.contains(&missing), "{message}");

        let file = new_file("served.checkpoint");
        success("served", &["--quick", "--checkpoint", &file]);
        let message = failure("twice", 2, &["--quick", "--checkpoint", &file]);
        assert!(message.contains(&format!("--resume {file}")), "{message}");

        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let message = failure("half", 2, &["--quick", "--resume", &file]);
        assert!(message.contains(&file) && message.contains("truncated"), "{message}");
        fs::write(&file, "something else").unwrap();
        let message = failure("else", 2, &["--quick", "--resume", &file]);
        assert!(message.contains(&file) && message.contains("not a checkpoint"), "{message}");

        let message = failure("no-folder", 2, &["--checkpoint", "no/such/folder/file"]);
        assert!(message.contains("no/such/folder/file"), "{message}");
    }

    #[test]
    fn a_race_has_no_checkpoint() {
        for option in ["--checkpoint", "--resume"] {
            let file = new_file("race.checkpoint");
            let message = failure("race-file", 2, &["--optimizer", "all", option, &file]);
            assert!(message.contains(option), "{message}");
        }
        let message = failure("both", 2, &["--checkpoint", "a", "--resume", "a"]);
        assert!(message.contains("--checkpoint") && message.contains("--resume"), "{message}");
    }
}
