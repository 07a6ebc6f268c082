//! Counts in words, for what is printed.

/// "1 step", "2 steps".
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
