//! Where a leaf stands in its tree.

use std::fmt;

/// The name of a leaf, built on the stack while a tree is visited: keys joined by dots.
///
/// ```
/// use thalweg::params::Path;
/// let layers = Path::ROOT.name("layers");
/// let first = layers.index(0);
/// let weight = first.name("weight");
/// assert_eq!(weight.to_string(), "layers.0.weight");
/// assert!(weight.is("layers.0.weight"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    key: Key<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Key<'p> {
    Root,
    Name(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The tree itself. A tree that is one array has this path, and the empty name.
    pub const ROOT: Path<'static> = Path { parent: None, key: Key::Root };

    /// The path of this node's child of that name.
    pub fn name<'q>(&'q self, name: &'q str) -> Path<'q> {
        Path { parent: Some(self), key: Key::Name(name) }
    }

    /// The path of this node's child at that index.
    pub fn index(&self, index: usize) -> Path<'_> {
        Path { parent: Some(self), key: Key::Index(index) }
    }

    /// Whether this path, written out, is `name`. Allocates nothing.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        // A loop: a tree may be deeper than the stack has room for.
        let (mut node, mut name) = (self, name);
        loop {
            let Some(parent) = node.parent else { return name.is_empty() };
            let rest = match node.key {
                Key::Root => return name.is_empty(),
                Key::Name(key) => name.strip_suffix(key),
                Key::Index(index) => strip_number(name, index),
            };
            match (rest, parent.parent) {
                (None, _) => return false,
                (Some(rest), None) => return rest.is_empty(),
                (Some(rest), Some(_)) => match rest.strip_suffix('.') {
                    Some(rest) => (node, name) = (parent, rest),
                    None => return false,
                },
            }
        }
    }

    /// The keys from this node up to the root.
    fn upwards(&self) -> impl Iterator<Item = Key<'p>> {
        let nodes = std::iter::successors(Some(*self), |node| node.parent.copied());
        nodes.take_while(|node| node.parent.is_some()).map(|node| node.key)
    }
}

/// `name` without the decimal digits of `number` at its end.
fn strip_number(name: &str, mut number: usize) -> Option<&str> {
    let bytes = name.as_bytes();
    let mut end = bytes.len();
    loop {
        end = end.checked_sub(1)?;
        if bytes[end] != b'0' + (number % 10) as u8 {
            return None;
        }
        number /= 10;
        if number == 0 {
            return name.get(..end);
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<Key<'_>> = self.upwards().collect();
        for (i, key) in keys.iter().rev().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            match key {
                Key::Root => {}
                Key::Name(name) => f.write_str(name)?,
                Key::Index(index) => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_its_own_text_and_no_other() {
        let root = Path::ROOT;
        let layers = root.name("layers");
        let tenth = layers.index(10);
        let weight = tenth.name("w.x");
        for (path, text) in
            [(root, ""), (layers, "layers"), (tenth, "layers.10"), (weight, "layers.10.w.x")]
        {
            assert_eq!(path.to_string(), text);
            assert!(path.is(text));
            for other in
                ["", "layer", "layers.0", "layers.110", "layers10", "10", "x.layers.10", "."]
            {
                assert_eq!(path.is(other), text == other, "{text:?} against {other:?}");
            }
        }
    }
}
