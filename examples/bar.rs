//! How far it is, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many; what is printed beside it goes through `suspend`.
pub fn bar(count: usize, unit: &str) -> ProgressBar {
    let template = format!("{{bar:30.cyan}} {{pos}}/{{len}} {unit}");
    let style = ProgressStyle::with_template(&template).expect("the template is well-formed");
    let bar = ProgressBar::new(count as u64).with_style(style);
    bar.tick();
    bar
}
