//! Counts and settings in words, for what is printed.

/// "1 step", "2 steps".
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What `Debug` wrote of a setting, as one reads it: "kind exponential 0.99, start 1" for
/// `Some(Average { kind: Exponential(0.99), start: 1 })`.
///
/// The text may be of a file: it may be anything, and of any depth. So what it has in brackets is not read by
/// recursion.
pub(crate) fn in_words(debug: &str) -> String {
    let ends = |c: char| !(c.is_alphanumeric() || "_.-+".contains(c));
    let mut words = String::with_capacity(debug.len());
    // What each bracket that is open is closed by.
    let mut open: Vec<&str> = Vec::new();
    let mut rest = debug;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(ends).filter(|&length| length > 0).unwrap_or(match ends(first) {
            true => first.len_utf8(),
            false => rest.len(),
        });
        let (token, after) = rest.split_at(length);
        rest = after;
        if token == "[" || token == "(" {
            words.push_str(token);
            open.push(if token == "[" { "]" } else { ")" });
        } else if [")", "]", "}"].contains(&token) {
            words.truncate(words.trim_end().len());
            words.push_str(open.pop().unwrap_or(token));
        } else if !first.is_alphabetic() {
            words.push_str(token);
        } else if let Some(after) = rest.strip_prefix('(') {
            if token != "Some" {
                words.push_str(&lowered(token));
                words.push(' ');
            }
            open.push("");
            rest = after;
        } else if let Some(after) = rest.strip_prefix(" {") {
            // A struct's name says what the setting's says.
            open.push("");
            rest = after.trim_start();
        } else if let Some(after) = rest.strip_prefix(": ") {
            words.push_str(&token.replace('_', " "));
            words.push(' ');
            rest = after;
        } else {
            words.push_str(&lowered(token));
        }
    }
    words
}

/// `FirstAxis` is "first axis"; a number in letters stays.
fn lowered(name: &str) -> String {
    if ["NaN", "inf"].contains(&name) {
        return name.to_owned();
    }
    let mut words = String::with_capacity(name.len() + 2);
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_told_without_the_signs_of_rust() {
        for (debug, words) in [
            ("1.0", "1.0"),
            ("-1e-5", "-1e-5"),
            ("None", "none"),
            ("Some(1.0)", "1.0"),
            ("NaN", "NaN"),
            ("Some(FirstAxis)", "first axis"),
            ("Some(Relative(0.1))", "relative 0.1"),
            (
                "Some(Average { kind: Exponential(0.99), start: 1, every: 1 })",
                "kind exponential 0.99, start 1, every 1",
            ),
            (
                "Step { from: 0.1, milestones: [1, 2], by_two: Some(Pair(1, (2, 3))) }",
                "from 0.1, milestones [1, 2], by two pair 1, (2, 3)",
            ),
            ("a name", "a name"),
            ("", ""),
            (")}é{(", ")}é{("),
        ] {
            assert_eq!(in_words(debug), words);
        }
        let deep = "A(".repeat(100_000);
        assert!(in_words(&deep).len() < deep.len() * 2);
    }
}
