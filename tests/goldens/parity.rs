//! The table of who agrees with whom, and how closely: `src/guide/parity.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use thalweg::catalog;

use super::{factored, kronecker, leaves, muon, tables, trees};

/// Worst deviation and cases of each optimizer of a library and what it was compared with.
#[derive(Default)]
pub struct Measured(BTreeMap<Key, Row>);

/// Library and version, its optimizer, ours.
type Key = (String, String, String);

#[derive(Default)]
struct Row {
    cases: BTreeSet<String>,
    worst: f64,
}

impl Measured {
    pub fn add(&mut self, library: &str, theirs: &str, ours: &str, case: &str, worst: f64) {
        let key = (library.to_owned(), theirs.to_owned(), ours.to_owned());
        let row = self.0.entry(key).or_default();
        row.cases.insert(case.to_owned());
        row.worst = row.worst.max(worst);
    }

    pub fn cases(&self) -> usize {
        self.0.values().map(|row| row.cases.len()).sum()
    }

    fn merge(&mut self, other: Measured) {
        for ((library, theirs, ours), row) in other.0 {
            for case in &row.cases {
                self.add(&library, &theirs, &ours, case, row.worst);
            }
        }
    }
}

const COLUMNS: [(&str, &str); 3] = [("torch", "PyTorch"), ("optax", "Optax"), ("keras", "Keras")];

/// Library, rule, constructor; the others are `new`.
const CONSTRUCTORS: &[(&str, &str, &str)] = &[
    ("torch", "Momentum", "torch"),
    ("torch", "Nesterov", "torch"),
    ("torch", "RmsProp", "torch"),
    ("torch", "RmsPropMomentum", "torch"),
    ("torch", "CenteredRmsProp", "torch"),
    ("torch", "AdaDelta", "torch"),
    ("torch", "Muon", "torch"),
    ("optax", "Adafactor", "optax"),
    ("optax", "Sm3", "optax"),
    ("optax", "Momentum", "torch"),
    ("optax", "Nesterov", "torch"),
    ("optax", "AdaGrad", "optax"),
    ("optax", "RmsProp", "optax"),
    ("optax", "RmsPropMomentum", "optax"),
    ("optax", "CenteredRmsProp", "optax"),
    ("optax", "AdaDelta", "optax"),
    ("optax", "AdamW", "optax"),
    ("optax", "AmsGrad", "optax"),
    ("optax", "NAdam", "optax"),
    ("optax", "RAdam", "optax"),
    ("optax", "Yogi", "optax"),
    ("optax", "Lion", "optax"),
    ("optax", "Lars", "optax"),
    ("optax", "Muon", "optax"),
    ("optax", "Fromage", "optax"),
    ("optax", "NovoGrad", "optax"),
    ("optax", "Prodigy", "optax"),
    ("optax", "DAdaptAdam", "optax"),
    ("optax", "PolyakStep", "optax"),
    ("pytorch_optimizer", "NovoGrad", "pytorch_optimizer"),
    ("keras", "Ftrl", "keras"),
    ("keras", "AdaGrad", "keras"),
    ("keras", "RmsProp", "keras"),
    ("keras", "RmsPropMomentum", "keras"),
    ("keras", "CenteredRmsProp", "keras"),
    ("keras", "AdaDelta", "keras"),
    ("keras", "Adam", "keras"),
    ("keras", "AdamW", "keras"),
    ("keras", "AmsGrad", "keras"),
    ("keras", "AdaMax", "keras"),
    ("keras", "NAdam", "keras"),
    ("timm", "Lars", "timm"),
    ("timm", "Lamb", "timm"),
    ("pytorch_optimizer", "Yogi", "optax"),
    ("pytorch_optimizer", "Mars", "pytorch_optimizer"),
    ("pytorch_optimizer", "Lars", "pytorch_optimizer"),
    ("pytorch_optimizer", "Lamb", "pytorch_optimizer"),
    ("pytorch_optimizer", "Muon", "torch"),
    ("pytorch_optimizer", "Shampoo", "paper"),
];

/// What is no rule of the catalog.
const BESIDE: [&str; 5] = ["Muon", "Adafactor", "Sm3", "Shampoo", "Soap"];

/// Rules that no other library's numbers are there for, and why.
const BY_FORMULA_ALONE: &[(&str, &str)] = &[(
    "GpaAdamW",
    "the authors' code keeps its averages in single precision, to which the two agree; it is held to its definition",
)];

/// What is not a rule: theirs, or how it begins, and ours.
const AROUND: &[(&str, &str)] = &[
    ("optax.clip_by_global_norm", "`clip_norm`"),
    ("torch.nn.utils.clip_grad_norm_", "`clip_norm`; of each leaf `clip_leaf_norm`"),
    ("optax.clip_by_block_rms", "`clip_leaf_norm` of √n times the threshold"),
    ("optax.adaptive_grad_clip", "`clip_adaptive`"),
    ("pytorch_optimizer.optimizer.agc.agc", "`clip_adaptive`, `Units::FirstAxis`"),
    ("optax.clip", "`clip_value`"),
    ("torch.nn.utils.clip_grad_value_", "`clip_value`"),
    ("optax.ema", "`Average::ema(d).debiased()`"),
    ("torch.optim.swa_utils.get_ema_multi_avg_fn", "`Average::ema`"),
    ("torch.optim.swa_utils.AveragedModel", "`Average::swa`"),
    ("optax.lookahead", "`train::Lookahead`"),
    ("pytorch_optimizer.Lookahead", "`train::Lookahead`"),
    ("pytorch_optimizer.SAM", "`train::Sam`"),
];

fn around(theirs: &str) -> Option<&'static str> {
    AROUND.iter().find(|(start, _)| theirs.starts_with(start)).map(|(_, ours)| *ours)
}

/// A deviation to one digit; rounding differs between machines, so less than 1e-16 is not told apart.
fn digits(worst: f64) -> String {
    format!("{:.0e}", worst.max(1e-16))
}

fn name(library: &str) -> &str {
    library.split(' ').next().unwrap()
}

fn cell(library: &str, ours: &str, row: &Row) -> String {
    let constructor =
        CONSTRUCTORS.iter().find(|(of, rule, _)| (*of, *rule) == (name(library), ours));
    let constructor = constructor.map_or("new", |(_, _, constructor)| constructor);
    format!("`{constructor}` {} ({})", digits(row.worst), row.cases.len())
}

/// The comparisons of one rule, by column: library, theirs, and the cell.
fn comparisons<'a>(
    measured: &'a Measured,
    rule: &str,
) -> BTreeMap<&'static str, Vec<(&'a str, &'a str, String)>> {
    let mut columns: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((library, theirs, ours), row) in &measured.0 {
        if ours == rule && around(theirs).is_none() {
            let column = COLUMNS.iter().find(|column| column.0 == name(library));
            let column = column.map_or("others", |column| column.0);
            let theirs = theirs.rsplit('.').next().unwrap();
            columns.entry(column).or_default().push((
                name(library),
                theirs,
                cell(library, ours, row),
            ));
        }
    }
    columns
}

fn page(measured: &Measured) -> String {
    let mut page = String::new();
    let versions: BTreeMap<&str, &str> =
        measured.0.keys().filter_map(|(library, ..)| library.split_once(' ')).collect();

    page.push_str("| |");
    for (library, title) in COLUMNS {
        write!(page, " {title} {} |", versions[library]).unwrap();
    }
    page.push_str(" others |\n|---|---|---|---|---|\n");
    let rules = catalog::<f64>().iter().map(|entry| entry.title).chain(BESIDE);
    for rule in rules {
        let columns = comparisons(measured, rule);
        let alone = BY_FORMULA_ALONE.iter().any(|(name, _)| *name == rule);
        assert_eq!(alone, columns.is_empty(), "what was compared with {rule}");
        write!(page, "| [`{rule}`](crate::{rule}) |").unwrap();
        for column in ["torch", "optax", "keras", "others"] {
            let cells = columns.get(column).map_or(&[][..], Vec::as_slice);
            let lines: Vec<String> = cells
                .iter()
                .map(|(library, theirs, cell)| match (column, cells.len()) {
                    ("others", _) => format!("{library}: {cell}"),
                    (_, 1) => cell.clone(),
                    _ => format!("{theirs}: {cell}"),
                })
                .collect();
            write!(page, " {} |", lines.join("<br>")).unwrap();
        }
        page.push('\n');
    }

    page.push_str(
        "\nThe constructor here, the worst relative deviation, and in how many cases; theirs is named where \
         two of them are one here. Less than 1e-16 is written so.\n\nOther versions: ",
    );
    let others =
        versions.iter().filter(|(library, _)| COLUMNS.iter().all(|column| column.0 != **library));
    let others: Vec<String> =
        others.map(|(library, version)| format!("{library} {version}")).collect();
    writeln!(page, "{}.\n", others.join(", ")).unwrap();

    for (rule, reason) in BY_FORMULA_ALONE {
        writeln!(page, "`{rule}`: {reason}.\n").unwrap();
    }

    page.push_str(
        "## Around the step\n\n| theirs | here | deviation | cases |\n|---|---|---|---|\n",
    );
    let mut beside = BTreeMap::<&str, (&str, f64, usize)>::new();
    for ((_, theirs, _), row) in &measured.0 {
        if let Some(ours) = around(theirs) {
            let (_, worst, cases) = beside.entry(theirs).or_insert((ours, 0.0, 0));
            *worst = worst.max(row.worst);
            *cases += row.cases.len();
        }
    }
    for (theirs, (ours, worst, cases)) in beside {
        writeln!(page, "| `{theirs}` | {ours} | {} | {cases} |", digits(worst)).unwrap();
    }
    page.push_str(
        "\n`clip_grad_norm_` scales by limit/(‖g‖ + 1e-6), and where ‖g‖ is just below the limit: that is its \
         deviation.\n\n## No counterpart\n\n| library | case | because |\n|---|---|---|\n",
    );
    let mut without = [tables::NOT_OURS, leaves::NOT_OURS, muon::NOT_OURS].concat();
    without.sort();
    for (library, case, reason) in without {
        writeln!(page, "| {library} | `{case}` | {reason} |").unwrap();
    }
    page
}

/// A text in which each deviation is replaced by a mark, and the deviations.
fn apart(page: &str) -> (String, Vec<f64>) {
    let (mut text, mut numbers) = (String::new(), Vec::new());
    for word in page.split_inclusive([' ', '\n']) {
        let bare = word.trim_end();
        match bare.parse() {
            Ok(number) if bare.contains("e-") => {
                numbers.push(number);
                text.push('#');
                text.push_str(&word[bare.len()..]);
            }
            _ => text.push_str(word),
        }
    }
    (text, numbers)
}

fn measure() -> Measured {
    let mut measured = super::measure().0;
    measured.merge(leaves::measure().0);
    measured.merge(muon::measure().0);
    measured.merge(trees::measure().0);
    measured.merge(factored::measure().0);
    measured.merge(kronecker::measure().0);
    measured
}

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/guide/parity.md")
}

const COMMAND: &str = "cargo test --test goldens write_the_parity_page -- --ignored";

#[test]
fn the_parity_page_is_what_was_measured() {
    let (committed, measured) = (fs::read_to_string(file()).unwrap(), page(&measure()));
    let ((text, numbers), (text_now, numbers_now)) = (apart(&committed), apart(&measured));
    for (line, now) in text.lines().zip(text_now.lines()) {
        assert_eq!(line, now, "src/guide/parity.md is out of date: {COMMAND}");
    }
    assert_eq!((text.len(), numbers.len()), (text_now.len(), numbers_now.len()), "{COMMAND}");
    for (said, now) in numbers.into_iter().zip(numbers_now) {
        let factor = now / said;
        // Another processor's logarithms round otherwise.
        let same_order = (0.1..=10.0).contains(&factor) || said.max(now) < 3e-15;
        assert!(same_order, "src/guide/parity.md says {said:e}, it is {now:e}: {COMMAND}");
    }
}

#[test]
#[ignore = "writes src/guide/parity.md"]
fn write_the_parity_page() {
    fs::write(file(), page(&measure())).unwrap();
}

#[test]
fn every_name_in_the_tables_is_of_a_comparison() {
    let measured = measure();
    for (library, rule, constructor) in CONSTRUCTORS {
        let is = |(of, _, ours): &Key| name(of) == *library && ours == rule;
        assert!(measured.0.keys().any(is), "{library} {rule} {constructor}");
    }
    for (start, ours) in AROUND {
        assert!(measured.0.keys().any(|key| around(&key.1) == Some(ours)), "{start}: {ours}");
    }
}

#[test]
fn deviations_are_told_from_text() {
    assert_eq!(apart("a 2e-15 (3)\nb 1e-6\n"), ("a # (3)\nb #\n".to_owned(), vec![2e-15, 1e-6]));
}
