//! Which leaves a group is of.

use std::fmt;
use std::sync::Arc;

/// Leaves by their names or their shapes: a glob, a rank, or a predicate.
///
/// In a glob `*` stands for any text, dots included, and `?` for one character; anything else
/// stands for itself, and the whole name must match.
///
/// ```
/// use thalweg::Pattern;
/// let biases = Pattern::from("layers.*.bias");
/// assert!(biases.matches("layers.0.bias", &[3]) && !biases.matches("layers.0.weight", &[3, 2]));
/// let first = Pattern::from(|leaf: &str| leaf.starts_with("layers.0."));
/// assert!(first.matches("layers.0.bias", &[3]));
/// let vectors = Pattern::rank_at_most(1); // biases and gains, whatever they are called
/// assert!(vectors.matches("scale", &[3]) && !vectors.matches("weight", &[3, 2]));
/// let wide = Pattern::of(|_, shape| shape.iter().any(|&len| len > 1000));
/// assert!(wide.matches("embedding", &[5000, 8]));
/// ```
#[derive(Clone)]
pub struct Pattern(Kind);

#[derive(Clone)]
enum Kind {
    Glob(String),
    RankAtMost(usize),
    Predicate(Arc<Predicate>),
}

type Predicate = dyn Fn(&str, &[usize]) -> bool + Send + Sync;

impl Pattern {
    /// The leaves of which a predicate holds, by name and shape.
    pub fn of(predicate: impl Fn(&str, &[usize]) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::Predicate(Arc::new(predicate)))
    }

    /// The leaves with at most so many axes: with 1, biases and gains, which are often spared from
    /// weight decay.
    pub fn rank_at_most(rank: usize) -> Self {
        Self(Kind::RankAtMost(rank))
    }

    /// What a state keeps beside its text, the rank where it goes by it; `None` for a predicate, which no
    /// state can keep.
    pub(crate) fn kept(&self) -> Option<Option<usize>> {
        match self.0 {
            Kind::Glob(_) => Some(None),
            Kind::RankAtMost(rank) => Some(Some(rank)),
            Kind::Predicate(_) => None,
        }
    }

    /// Whether a leaf of that name and shape is meant.
    pub fn matches(&self, leaf: &str, shape: &[usize]) -> bool {
        match &self.0 {
            Kind::Glob(glob) => matches(glob.as_bytes(), leaf.as_bytes()),
            Kind::RankAtMost(rank) => shape.len() <= *rank,
            Kind::Predicate(predicate) => predicate(leaf, shape),
        }
    }
}

/// Whether a text matches a glob: each `*` first takes nothing, and one byte more whenever the rest
/// does not fit.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut i) = (0, 0);
    let mut star = None;
    while i < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, i));
                at += 1;
            }
            Some(b'?') => {
                // One character may be several bytes.
                i += 1;
                while text.get(i).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    i += 1;
                }
                at += 1;
            }
            Some(&byte) if byte == text[i] => (at, i) = (at + 1, i + 1),
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, i) = (star_at + 1, taken + 1);
            }
        }
    }
    glob[at..].iter().all(|&byte| byte == b'*')
}

impl From<&str> for Pattern {
    fn from(glob: &str) -> Self {
        Self(Kind::Glob(glob.to_owned()))
    }
}

impl From<String> for Pattern {
    fn from(glob: String) -> Self {
        Self(Kind::Glob(glob))
    }
}

impl<P: Fn(&str) -> bool + Send + Sync + 'static> From<P> for Pattern {
    fn from(predicate: P) -> Self {
        Self::of(move |leaf, _| predicate(leaf))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Glob(glob) => f.write_str(glob),
            Kind::RankAtMost(rank) => write!(f, "rank at most {rank}"),
            Kind::Predicate(_) => f.write_str("a predicate"),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_the_whole_name() {
        for (glob, yes, no) in [
            ("a.b", vec!["a.b"], vec!["a.bc", "xa.b", "a", ""]),
            ("*", vec!["", "a.b.c"], vec![]),
            ("*.bias", vec!["0.bias", "layers.1.bias"], vec!["bias", "0.bias.x"]),
            ("a*b*c", vec!["abc", "aXbbYc", "abcbc"], vec!["ab", "acb", "abcd"]),
            ("layers.?.w", vec!["layers.3.w", "layers.é.w"], vec!["layers.10.w", "layers..w"]),
            ("", vec![""], vec!["a"]),
            ("**a", vec!["a", "ba"], vec!["ab"]),
        ] {
            let pattern = Pattern::from(glob);
            assert!(yes.iter().all(|name| pattern.matches(name, &[])), "{glob}");
            assert!(no.iter().all(|name| !pattern.matches(name, &[])), "{glob}");
        }
    }
}
