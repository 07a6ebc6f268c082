//! The optimizers of other libraries by name: each is here, a composition that the guide names, or left
//! out with a reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use thalweg::catalog;

/// Library and version, a line; then a name a line with what is in its place.
const LIST: &str = include_str!("../golden/names.tsv");

/// What is no rule of the catalog.
const BESIDE: [&str; 4] = ["Muon", "Lbfgs", "Adafactor", "Sm3"];

fn rows() -> Vec<[&'static str; 4]> {
    let rows = LIST.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        cells.try_into().unwrap_or_else(|_| panic!("{line:?} has not four cells"))
    })
    .collect()
}

#[test]
fn every_optimizer_of_other_libraries_is_here_or_left_out_for_a_reason() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/guide/migration.md");
    let guide = fs::read_to_string(guide).unwrap();
    let rules: BTreeSet<_> = catalog::<f64>().iter().map(|entry| entry.title).collect();
    let mut seen = BTreeSet::new();
    for [library, name, kind, what] in rows() {
        assert!(seen.insert((library, name)), "{library}.{name} twice");
        match kind {
            "here" => {
                assert!(
                    rules.contains(what) || BESIDE.contains(&what),
                    "{library}.{name}: there is no {what}"
                );
                let link = format!("{what}::");
                assert!(
                    guide.contains(&link) || guide.contains(&format!("`{what}")),
                    "{library}.{name}: the guide to migration does not have {what}"
                );
            }
            "composition" => assert!(guide.contains(what), "{library}.{name}: no {what:?}"),
            "left out" => assert!(what.len() > 15, "{library}.{name}: why?"),
            other => panic!("{library}.{name}: {other}"),
        }
    }
    // What each library has is told by `tests/golden/names.py`; a list of another length is another version's.
    for (library, count) in [("torch", 15), ("optax", 31), ("optax.contrib", 27), ("keras", 17)] {
        let found = rows().iter().filter(|row| row[0] == library).count();
        assert_eq!(found, count, "{library}");
    }
}

#[test]
fn the_list_names_the_versions_that_the_goldens_are_of() {
    for (library, file) in [("torch", "torch"), ("optax", "optax"), ("keras", "keras")] {
        let version = super::book::book(file).version;
        let line = format!("# {library} {version}");
        assert!(LIST.lines().any(|l| l == line), "{line:?} is not in the list");
    }
}
