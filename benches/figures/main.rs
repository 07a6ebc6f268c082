//! The figures of the README, each a ratio measured in one run: `cargo bench --bench figures`.
//!
//! The two sides of a ratio take turns, so that whatever else the machine does falls on both; each
//! side's time is the best of its turns. Each row is measured in a process of its own: in memory
//! that has been used and freed, pages lie scattered, and the same loop is up to 1.5 times slower.
//!
//! Words after `--` choose sections by name; with `--features rayon` there is one on threads.

mod around;
mod compact;
#[cfg(feature = "half")]
mod half;
mod layouts;
mod loops;
mod measure;
#[cfg(feature = "linalg")]
mod push_through;
mod rows;
mod small;
#[cfg(feature = "rayon")]
mod threads;

use std::process::Command;

use measure::Section;

fn main() {
    let sections: Vec<Section> = vec![
        loops::against_hand_written(),
        loops::guard(),
        loops::penalty(),
        loops::denormal(),
        around::around(),
        compact::compact(),
        #[cfg(feature = "half")]
        half::half(),
        layouts::layouts(),
        rows::rows(),
        small::small(),
        #[cfg(feature = "linalg")]
        push_through::push_through(),
        #[cfg(feature = "rayon")]
        threads::threads(),
    ];
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, row] = &words[..]
        && flag == "--row"
    {
        let section = sections.iter().find(|section| section.name == name);
        let row = row.parse().ok().and_then(|row: usize| section?.rows.get(row));
        return row.expect("a row that the table has").print();
    }
    let chosen: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    for section in &sections {
        if chosen.is_empty() || chosen.iter().any(|name| *name == section.name) {
            print(section);
        }
    }
}

fn print(section: &Section) {
    println!("### {}\n", section.title);
    println!("| what | ours, ns/element | other, ns/element | ratio | limit |");
    println!("|---|---|---|---|---|");
    let program = std::env::current_exe().expect("a program knows its own path");
    for (i, row) in section.rows.iter().enumerate() {
        let child = Command::new(&program).args(["--row", section.name, &i.to_string()]).output();
        let printed = child.expect("a program can run itself").stdout;
        println!("{}", row.report(&String::from_utf8_lossy(&printed)));
    }
    println!();
}
