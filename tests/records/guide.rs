//! What the guide shows of programs that are built by themselves is in them.

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
