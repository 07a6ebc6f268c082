//! Programs that `mpirun` launches, each under a time limit: what waits for good is a failure.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than one at a time would be more ranks than cores.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An example, which `cargo test` has built.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name)
}

fn launch(ranks: usize, program: &str, arguments: &[&str]) -> Output {
    let launcher = std::env::var("MPIRUN").unwrap_or_else(|_| "mpirun".to_owned());
    // Open MPI refuses more ranks than cores, and to run as root, unless told; others do not look.
    Command::new("timeout")
        .args(["--kill-after=5", "60", &launcher, "-n", &ranks.to_string()])
        .arg(example(program))
        .args(arguments)
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
        .output()
        .expect("`timeout` and `mpirun` are installed: see the README")
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

#[track_caller]
fn line(output: &Output, start: &str) -> String {
    let text = text(output);
    let line = text.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("{}: no line `{start}`\n{text}", output.status)).to_owned()
}

/// So it is compiled with the examples.
#[test]
fn the_program_of_the_docs_is_an_example() {
    let example = include_str!("../examples/first_ranks.rs");
    assert!(include_str!("../README.md").contains(&format!("```rust,no_run\n{example}```\n")));
    let lines = example.lines().map(|line| format!("//! {line}").trim_end().to_owned() + "\n");
    let docs = format!("//! ```no_run\n{}//! ```\n", lines.collect::<String>());
    assert!(include_str!("../src/lib.rs").contains(&docs));
}

#[test]
fn what_must_be_right_is() {
    let _alone = alone();
    for ranks in [1, 2, 3, 4] {
        let output = launch(ranks, "check", &["right"]);
        assert!(output.status.success(), "{}", text(&output));
        // The launcher is that of the MPI that the program was built for.
        line(&output, &format!("all is well on {ranks} ranks"));
    }
}

#[test]
fn digits_have_the_bits_of_one_process() {
    let _alone = alone();
    let run = |ranks: usize, wrapper| {
        let output = launch(ranks, "digits_on_ranks", &["--steps", "30", "--wrapper", wrapper]);
        line(&output, &format!("ranks: {ranks}"));
        line(&output, "parameters: ")
    };
    let expected = run(1, "data");
    for ranks in [2, 3] {
        for wrapper in ["data", "elements", "leaves"] {
            assert_eq!(run(ranks, wrapper), expected, "{wrapper} on {ranks}");
        }
    }
}

#[test]
fn a_run_that_lost_a_rank_goes_on_from_its_checkpoint_on_fewer() {
    let _alone = alone();
    let file = std::env::temp_dir().join(format!("thalweg-mpi-{}.thw", std::process::id()));
    let path = file.to_str().unwrap();
    let whole = launch(1, "digits_on_ranks", &["--steps", "50"]);
    let expected = line(&whole, "parameters: ");
    for (wrapper, other) in [("elements", "leaves"), ("leaves", "data"), ("data", "elements")] {
        let lost = ["--steps", "50", "--wrapper", wrapper, "--save", path, "--lose", "33"];
        let output = launch(3, "digits_on_ranks", &lost);
        assert!(!output.status.success(), "{}", text(&output));
        assert_ne!(output.status.code(), Some(124), "a killed rank ends the job");
        let resumed =
            launch(2, "digits_on_ranks", &["--steps", "50", "--wrapper", other, "--resume", path]);
        assert_eq!(line(&resumed, "parameters: "), expected, "{wrapper}, then {other}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_panic_an_error_or_an_exit_of_one_ends_all() {
    let _alone = alone();
    let cases = [
        ("panic", "rank 1 of 3: panicked: lost at step 3"),
        ("error", "rank 1 of 3: out of data"),
        // What the launcher says of it is its own.
        ("exit", ""),
    ];
    for (case, said) in cases {
        let output = launch(3, "check", &[case]);
        let code = output.status.code();
        assert!(!output.status.success() && code != Some(124), "{case}: {}", text(&output));
        assert!(text(&output).contains(said), "{case}: {}", text(&output));
    }
}

#[test]
fn a_program_of_another_mpi_is_refused() {
    let _alone = alone();
    // As the launcher of another MPI would start it.
    let output = Command::new(example("check")).arg("right").env("PMI_SIZE", "4").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output);
    assert!(said.contains("is alone, and its launcher has started 4 (PMI_SIZE)"), "{said}");
    // Without any launcher it is one rank.
    let output = Command::new(example("check")).arg("right").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}
