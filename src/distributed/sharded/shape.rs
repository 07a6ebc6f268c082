//! The shapes of parts.

use super::super::plan::{Plan, Split};

/// The shape of a rank's part of a leaf: a list of elements, or of pieces of rows, or the leaf itself or none of it.
pub(super) fn shape_of(plan: &Plan, leaf: usize, rank: usize, split: Split) -> Vec<usize> {
    let (part, whole) = (plan.places[leaf].of(rank), &plan.roster.entries()[leaf].shape);
    match split {
        Split::Elements => match plan.places[leaf].piece(whole) {
            1 => vec![part.len()],
            piece => vec![part.len() / piece, piece],
        },
        Split::Leaves if plan.places[leaf].len == part.len() && !whole.contains(&0) => {
            whole.clone()
        }
        Split::Leaves if whole.is_empty() => vec![0],
        Split::Leaves => [&[0], &whole[1..]].concat(),
    }
}
