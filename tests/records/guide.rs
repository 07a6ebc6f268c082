//! The programs of the guide: whole, or those of packages that are built by themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_lines_of_the_guide_for_candle_and_burn_are_those_of_the_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let guide = read("src/guide/gradients.md");
    let section = guide.split_once("# Tensors of candle and burn").unwrap().1;
    let blocks: Vec<&str> = section.split("```text\n").skip(1).take(2).collect();
    let programs =
        ["examples/bridges/src/bin/candle.rs", "examples/bridges/burn/src/main.rs"].map(read);
    for (block, program) in blocks.iter().zip(&programs) {
        let known: BTreeSet<&str> = program.lines().map(str::trim).collect();
        let lines: Vec<&str> = block.split_once("```").unwrap().0.lines().map(str::trim).collect();
        assert!(lines.len() > 10, "{block}");
        for line in lines {
            assert!(known.contains(line), "{line}");
        }
    }
    assert_eq!(blocks.len(), 2);
}

/// On a forge the lines are shown that rustdoc hides, and whoever copies a block copies them.
#[test]
fn a_program_of_a_page_can_be_copied_as_it_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guide = fs::read_dir(root.join("src/guide")).unwrap().map(|entry| entry.unwrap().path());
    let pages = guide.chain(["README.md", "docs/tour.md"].map(|page| root.join(page)));
    let mut programs = 0;
    for page in pages.filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        let mut blocks = text.split("\n```");
        blocks.next();
        // What opens one block is followed by what closes it.
        for block in blocks.step_by(2) {
            let (language, program) = block.split_once('\n').unwrap_or((block, ""));
            if !matches!(language, "" | "rust") {
                continue;
            }
            programs += 1;
            let page = page.display();
            assert!(program.contains("fn main()"), "{page}: {program}");
            let hidden = program.lines().find(|line| line.starts_with("# ") || *line == "#");
            if !page.to_string().ends_with("distributed.md") {
                assert_eq!(hidden, None, "{page}: {program}");
            }
        }
    }
    assert!(programs > 30, "{programs}");
}
