//! Holds the library's public API to `docs/public-api.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const UPDATE: &str = "cargo run --manifest-path tests/public-api/Cargo.toml -- --update";

fn main() -> ExitCode {
    let update = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--update" => true,
        _ => return fail("usage: thalweg-public-api [--update]"),
    };
    match check(update) {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

fn check(update: bool) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = root.join("docs/public-api.txt");
    let now = listing(&rustdoc_json(&root)?)?;
    if update {
        fs::write(&file, &now).map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(format!("docs/public-api.txt has {} lines", now.lines().count()));
    }
    let committed = fs::read_to_string(&file)
        .map_err(|error| format!("docs/public-api.txt: {error}; make it: {UPDATE}"))?;
    let difference = difference(&committed, &now);
    if difference.is_empty() {
        return Ok(format!("docs/public-api.txt is up to date: {} lines", now.lines().count()));
    }
    Err(format!(
        "the public API is not that of docs/public-api.txt:\n{difference}\n\
         If this is meant, write it down, and say in CHANGELOG.md what users must do:\n    {UPDATE}"
    ))
}

/// What rustdoc knows of the library with all its features.
fn rustdoc_json(root: &Path) -> Result<PathBuf, String> {
    let target = root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        // Allows what is unstable to rustdoc alone: crates that look at RUSTC_BOOTSTRAP would be built again
        // there and back.
        .env("RUSTDOC", Path::new(env!("CARGO_MANIFEST_DIR")).join("rustdoc"))
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints allow")
        .args(["doc", "--locked", "--lib", "--no-deps", "--all-features", "--target-dir"])
        .arg(&target)
        .status()
        .map_err(|error| format!("cargo doc: {error}"))?;
    if !status.success() {
        return Err("cargo doc failed; its messages are above".to_owned());
    }
    Ok(target.join("doc/thalweg.json"))
}

/// What a user can't call, implemented beside a derived `PartialEq`.
const INTERNAL: &str = "core::marker::StructuralPartialEq for";

/// One line an item that somebody wrote: without what is implemented for every type, follows from a
/// type's fields (`Send`, `Unpin`), or is derived (`Clone`, `Debug`).
fn listing(json: &Path) -> Result<String, String> {
    let text = fs::read_to_string(json).map_err(|error| format!("{}: {error}", json.display()))?;
    check_format(&text)?;
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| format!("{}: {error}", json.display()))?;
    let lines = api.items().map(|item| format!("{item}\n"));
    Ok(lines.filter(|line| !line.contains(INTERNAL)).collect())
}

/// The format of rustdoc's JSON changes with the toolchain.
fn check_format(json: &str) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Format {
        format_version: u32,
    }
    let read = rustdoc_types::FORMAT_VERSION;
    let Format { format_version: written } =
        serde_json::from_str(json).map_err(|error| format!("rustdoc's JSON: {error}"))?;
    if read == written {
        return Ok(());
    }
    Err(format!(
        "this toolchain's rustdoc writes format {written} of its JSON, and tests/public-api reads \
         {read}.\nUse the Rust that tests/public-api/Cargo.toml names, or raise `public-api` and \
         `rustdoc-types` there to versions that read format {written}."
    ))
}

/// The lines that only one of them has, `-` of the first and `+` of the second.
fn difference(committed: &str, now: &str) -> String {
    let mut counts = BTreeMap::<&str, i64>::new();
    committed.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
    now.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    let mut lines = String::new();
    for (line, count) in counts {
        let sign = if count < 0 { '-' } else { '+' };
        for _ in 0..count.abs() {
            lines.push_str(&format!("{sign} {line}\n"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_api_is_that_of_the_committed_file() {
        if let Err(message) = check(false) {
            panic!("{message}");
        }
    }

    #[test]
    fn a_line_that_is_gone_new_or_changed_is_shown() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), "");
        assert_eq!(difference("a\nb\n", "b\nc\nb\n"), "- a\n+ b\n+ c\n");
    }

    #[test]
    fn another_format_says_what_to_do() {
        let message = check_format(r#"{"format_version": 1}"#).unwrap_err();
        assert!(message.contains("writes format 1 "), "{message}");
        assert!(check_format("{}").is_err());
    }
}
