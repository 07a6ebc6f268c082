//! Links of the pages that a forge shows lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// All pages of the repository, but for what is built or hidden.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The lines outside blocks of code, and without code between backticks.
fn prose(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push(line.split('`').step_by(2).collect::<Vec<_>>().join("`"));
        }
    }
    assert!(!inside, "a block of code has no end");
    lines
}

/// What the links and pictures of a page lead to.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        targets.extend(definition(&line).map(|(_, target)| target.to_owned()));
        for rest in line.split("](").skip(1) {
            let end = rest.split(')').next().unwrap();
            // A function's path has parentheses of its own.
            let call = rest[end.len()..].starts_with("))") && end.ends_with('(');
            targets.push(if call { format!("{end})") } else { end.to_owned() });
        }
    }
    targets
}

/// `[name]: target`
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ")
}

/// The anchors that a forge and rustdoc make of headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let slug = |heading: String| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(slug).collect()
}

#[test]
fn no_link_is_dead_on_a_forge() {
    let root = root();
    let mut files = Vec::new();
    pages(&root, &mut files);
    let (mut checked, mut dead) = (0, Vec::new());
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let in_guide = file.starts_with(root.join("src/guide"));
        for target in targets(&text) {
            // Items are rustdoc's to find; it is what the guide is written for.
            if target.starts_with("http") || (in_guide && target.contains("::")) {
                continue;
            }
            checked += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let to = if path.is_empty() { file.clone() } else { file.with_file_name(path) };
            let found = to.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&to).unwrap()).contains(&anchor.to_owned()));
            if !found {
                dead.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(checked > 50, "{checked} links");
    assert!(dead.is_empty(), "{dead:#?}");
}

/// A page links to another by a name, which is defined at its end for a forge and in `links.md` for rustdoc.
#[test]
fn a_page_of_the_guide_is_the_same_on_a_forge_and_in_rustdoc() {
    let guide = root().join("src/guide");
    let (mut files, mut pairs) = (Vec::new(), 0);
    pages(&guide, &mut files);
    let for_rustdoc = fs::read_to_string(guide.join("links.md")).unwrap();
    let code = fs::read_to_string(guide.join("mod.rs")).unwrap();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "links.md" {
            continue;
        }
        assert!(!text.contains("](crate::guide::"), "{name}: link to a page by its name");
        let defined: Vec<_> = text.lines().filter_map(definition).collect();
        for (page, target) in &defined {
            assert_eq!(*target, format!("{page}.md"), "{name}");
            let line = format!("[{page}]: crate::guide::{page}");
            assert!(for_rustdoc.lines().any(|known| known == line), "{name}: {line}");
            pairs += 1;
        }
        let included: Vec<&str> = code
            .lines()
            .filter_map(|line| line.split_once("include_str!(\"")?.1.split('"').next())
            .collect();
        let both = included.windows(2).any(|pair| pair == ["links.md", name]);
        assert_eq!(both, !defined.is_empty(), "{name}: links.md before it");
    }
    assert!(pairs >= for_rustdoc.lines().count());
}
