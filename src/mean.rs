//! The mean of many gradients along a binary tree that depends on their number alone.
//!
//! Of n, the first 2ᵏ < n are one branch and the rest the other. So it is the same mean whoever adds up
//! which part of it: one after another as a binary counter carries, or ranks their own at once.

use std::ops::Range;

use crate::scalar::Scalar;
use crate::simd::{Simd, Work};

/// The number at that part of the way from one to another.
#[inline(always)]
pub(crate) fn between<F: Scalar>(from: F, to: F, share: f64) -> F {
    if share == 0.5 {
        // Exact but for one rounding, and never too large.
        let half = F::from_f64(0.5);
        return half * from + half * to;
    }
    if share == 1.0 || share == 0.0 {
        return if share == 1.0 { to } else { from };
    }
    let (from, to) = (from.into_f64(), to.into_f64());
    let way = to - from;
    F::from_f64(if way.is_finite() {
        from + way * share
    } else {
        // The two are far apart, on either side of 0.
        from * (1.0 - share) + to * share
    })
}

/// The part of the way from a mean of that weight to one of the other: where the mean of all is.
pub(crate) fn share(from: f64, to: f64) -> f64 {
    if to == 0.0 { 0.0 } else { to / (from + to) }
}

/// [`between`] of each two elements, in the place of the first.
pub(crate) fn blend<F: Scalar>(from: &mut [F], to: &[F], share: f64) {
    Simd::default().run(Blend { from, to, share });
}

/// [`between`] of each two elements, in the place of the second.
pub(crate) fn blend_into<F: Scalar>(from: &[F], to: &mut [F], share: f64) {
    Simd::default().run(BlendInto { from, to, share });
}

/// [`between`] of each two elements, in a third place.
pub(crate) fn blend_to<F: Scalar>(from: &[F], to: &[F], into: &mut [F], share: f64) {
    Simd::default().run(BlendTo { from, to, into, share });
}

struct Blend<'a, F> {
    from: &'a mut [F],
    to: &'a [F],
    share: f64,
}

impl<F: Scalar> Work for Blend<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (share, pairs) = (self.share, self.from.iter_mut().zip(self.to));
        if share == 0.5 {
            pairs.for_each(|(a, b)| *a = between(*a, *b, 0.5));
        } else {
            pairs.for_each(|(a, b)| *a = between(*a, *b, share));
        }
    }
}

struct BlendInto<'a, F> {
    from: &'a [F],
    to: &'a mut [F],
    share: f64,
}

impl<F: Scalar> Work for BlendInto<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (share, pairs) = (self.share, self.from.iter().zip(self.to));
        if share == 0.5 {
            pairs.for_each(|(a, b)| *b = between(*a, *b, 0.5));
        } else {
            pairs.for_each(|(a, b)| *b = between(*a, *b, share));
        }
    }
}

struct BlendTo<'a, F> {
    from: &'a [F],
    to: &'a [F],
    into: &'a mut [F],
    share: f64,
}

impl<F: Scalar> Work for BlendTo<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (share, pairs) = (self.share, self.from.iter().zip(self.to));
        let all = self.into.iter_mut().zip(pairs);
        if share == 0.5 {
            all.for_each(|(x, (a, b))| *x = between(*a, *b, 0.5));
        } else {
            all.for_each(|(x, (a, b))| *x = between(*a, *b, share));
        }
    }
}

/// Where a node of the tree, of more than one, divides.
fn middle(node: &Range<usize>) -> usize {
    node.start + node.len().next_power_of_two() / 2
}

/// Whether two neighbours are the branches of a node of the tree over `total`.
pub(crate) fn are_branches(total: usize, left: &Range<usize>, right: &Range<usize>) -> bool {
    let mut node = 0..total;
    while node.len() > 1 && node.start <= left.start && right.end <= node.end {
        let at = middle(&node);
        if node == (left.start..right.end) {
            return at == left.end && at == right.start;
        }
        node = if right.end <= at { node.start..at } else { at..node.end };
    }
    false
}

/// The largest nodes of the tree over `total` that lie within a range, in order.
pub(crate) fn nodes_within(total: usize, range: Range<usize>) -> Vec<Range<usize>> {
    fn visit(node: Range<usize>, range: &Range<usize>, found: &mut Vec<Range<usize>>) {
        if node.is_empty() || node.end <= range.start || range.end <= node.start {
            return;
        }
        if range.start <= node.start && node.end <= range.end {
            found.push(node);
        } else {
            let at = middle(&node);
            visit(node.start..at, range, found);
            visit(at..node.end, range, found);
        }
    }
    let mut found = Vec::new();
    visit(0..total, &range, &mut found);
    found
}

/// How nodes that follow each other become the whole tree over `total`: a list of pairs of places, of which
/// the first takes the second in.
pub(crate) fn joins(total: usize, nodes: &[Range<usize>]) -> Vec<(usize, usize)> {
    let (mut joins, mut stack) = (Vec::new(), Vec::<(usize, Range<usize>)>::new());
    for (place, node) in nodes.iter().enumerate() {
        stack.push((place, node.clone()));
        while let [.., (a, left), (b, right)] = &stack[..]
            && are_branches(total, left, right)
        {
            joins.push((*a, *b));
            let joined = (*a, left.start..right.end);
            stack.truncate(stack.len() - 2);
            stack.push(joined);
        }
    }
    joins
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree written out: what each node is made of.
    fn tree(range: Range<usize>) -> String {
        if range.len() == 1 {
            return range.start.to_string();
        }
        let half = (0..).map(|k| 1 << k).take_while(|&n| n < range.len()).last().unwrap();
        let at = range.start + half;
        format!("({} {})", tree(range.start..at), tree(at..range.end))
    }

    #[test]
    fn ranks_with_any_parts_make_the_same_tree() {
        assert_eq!(tree(0..7), "(((0 1) (2 3)) ((4 5) 6))");
        for total in 1..40 {
            for ranks in 1..=total {
                let own = |rank: usize| total * rank / ranks..total * (rank + 1) / ranks;
                let nodes: Vec<_> =
                    (0..ranks).flat_map(|rank| nodes_within(total, own(rank))).collect();
                let mut made: Vec<String> = nodes.iter().cloned().map(tree).collect();
                for (a, b) in joins(total, &nodes) {
                    made[a] = format!("({} {})", made[a], made[b]);
                }
                assert_eq!(made[0], tree(0..total), "{total} {ranks}");
            }
        }
    }

    #[test]
    fn a_counter_makes_the_same_tree() {
        for total in 1..40 {
            let mut stack: Vec<(Range<usize>, String)> = Vec::new();
            for i in 0..total {
                stack.push((i..i + 1, i.to_string()));
                while let [.., (left, a), (right, b)] = &stack[..]
                    && (are_branches(total, left, right))
                {
                    let joined = (left.start..right.end, format!("({a} {b})"));
                    stack.truncate(stack.len() - 2);
                    stack.push(joined);
                }
            }
            assert_eq!(stack, [(0..total, tree(0..total))]);
        }
    }

    #[test]
    fn a_mean_of_two_is_between_them() {
        assert_eq!(between(f32::MAX, f32::MAX, 0.5), f32::MAX);
        assert_eq!(between(-f64::MAX, f64::MAX, 0.5), 0.0);
        let quarter = between(-f64::MAX, f64::MAX, 0.25) / f64::MAX;
        assert!((quarter + 0.5).abs() < 1e-15);
        assert_eq!(between(1.0_f32, 5.0, share(3.0, 1.0)), 2.0);
        let nan = f64::NAN;
        assert_eq!(
            (between(nan, 1.0, share(0.0, 2.0)), between(1.0, nan, share(2.0, 0.0))),
            (1.0, 1.0)
        );
    }
}
