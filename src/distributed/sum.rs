//! An objective whose terms lie on many ranks.

use std::ops::Range;

use ndarray::{Array2, ArrayViewMut2};

use super::agree::{agree, gather};
use super::around::shards_of;
use super::communicator::Communicator;
use crate::error::{Error, ErrorKind};
use crate::mean::{are_branches, joins, nodes_within};
use crate::scalar::Scalar;
use crate::solvers::{Flat, FlatMut, Objective};

/// f(w) = Σ fᵢ(w) over shards of the data, which lie on many ranks: an objective for every solver of
/// [`minimize`](crate::solvers::minimize()).
///
/// Each rank calls `minimize` with the same solver, from the same parameters; each evaluation adds up
/// the shards of all, along a binary tree over their number. So all ranks see one function and go one
/// way, and the bits depend on the number of shards, not on that of ranks. Products with the Hessian and
/// the Hessian are added up likewise, where each shard's objective has them.
///
/// An error of one rank is that of all. An L1 penalty goes around the sum, not into its terms. What ends a minimization must be the same on all ranks:
/// evaluations, tolerances, a target; not [`time`](crate::solvers::Stop::time), which is each rank's
/// own.
///
/// ```
/// use ndarray::{Array1, array};
/// use thalweg::distributed::{Sum, Threads};
/// use thalweg::solvers::{Lbfgs, Stop, minimize};
///
/// // A line through points, of which each shard has some.
/// let fit = |ranks| {
///     let mut objective = Sum::new(ranks, 4, |shard| {
///         let points = [(0.0, 1.0), (1.0, 3.0)].map(|(x, y)| (x + shard as f64, y + 2.0 * shard as f64));
///         move |w: &Array1<f64>| {
///             let (mut value, mut gradient) = (0.0, array![0.0, 0.0]);
///             for (x, y) in points {
///                 let r = w[0] + w[1] * x - y;
///                 value += r * r;
///                 gradient = gradient + array![2.0 * r, 2.0 * r * x];
///             }
///             (value, gradient)
///         }
///     });
///     let mut w = array![0.0, 0.0];
///     minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default())?;
///     Ok(w)
/// };
/// let alone = Threads::run(1, fit)?.remove(0);
/// assert!((&alone - &array![1.0, 2.0]).iter().all(|d| d.abs() < 1e-6));
/// assert!(Threads::run(4, fit)?.iter().all(|w| *w == alone)); // bit for bit
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sum<O, C> {
    ranks: C,
    shards: usize,
    /// Of each of this rank's shards.
    own: Vec<O>,
    /// How many sums there were: ranks that are not at the same one are told apart.
    sums: u64,
}

/// This rank's nodes of the tree: their shards, and what these add up to.
struct Node<F> {
    shards: Range<usize>,
    value: f64,
    terms: Vec<F>,
}

impl<O, C: Communicator> Sum<O, C> {
    /// The sum over so many shards, at least as many as ranks; `objective` makes that of one, and is
    /// asked for this rank's own.
    pub fn new(ranks: C, shards: usize, objective: impl FnMut(usize) -> O) -> Self {
        // Where there are too few shards, each rank has one, to say so.
        let few = shards < ranks.size();
        let own = if few { 0..1 } else { shards_of(ranks.rank(), ranks.size(), shards) };
        Self { own: own.map(objective).collect(), ranks, shards, sums: 0 }
    }

    /// The objectives of this rank's shards.
    pub fn own(&self) -> &[O] {
        &self.own
    }

    /// Adds up what `of` writes for each shard, and the values that it returns.
    fn add_up<F: Scalar>(
        &mut self,
        into: &mut [F],
        mut of: impl FnMut(&mut O, &mut [F]) -> Result<f64, Error>,
    ) -> Result<f64, Error> {
        let Self { ranks, shards, own, sums } = self;
        let (ranks, shards): (&dyn Communicator, usize) = (ranks, *shards);
        *sums += 1;
        let first = shards_of(ranks.rank(), ranks.size(), shards).start;
        let mut nodes: Vec<Node<F>> = Vec::new();
        // What a gradient has before it is written: where it is a number, that is looked for afterwards.
        let mark = into.first().copied().filter(|mark| !mark.is_nan());
        let mut unwritten = u64::MAX;
        let evaluate = || {
            if shards < ranks.size() {
                let allowed = "a number of at least that of the ranks";
                return Err(Error::hyperparameter("Sum", "shards", shards as f64, allowed));
            }
            for (i, objective) in (first..).zip(own) {
                let mut terms = into.to_vec();
                let value = of(objective, &mut terms)?;
                let is_left = |term: &F| mark == Some(*term);
                if let Some(at) = terms.iter().position(is_left) {
                    unwritten = unwritten.min(at as u64);
                }
                nodes.push(Node { shards: i..i + 1, value, terms });
                while let [.., left, right] = &mut nodes[..]
                    && are_branches(shards, &left.shards, &right.shards)
                {
                    left.value += right.value;
                    left.shards.end = right.shards.end;
                    add(&mut left.terms, &right.terms);
                    nodes.pop();
                }
            }
            Ok([
                ("the counts of shards", shards as u64),
                ("the counts of evaluations", *sums),
                ("the numbers of elements", into.len() as u64),
            ])
        };
        let marks = evaluate();
        let of = |rank| nodes_within(shards, shards_of(rank, ranks.size(), shards));
        let all: Vec<Vec<Range<usize>>> = (0..ranks.size()).map(of).collect();
        let counts: Vec<usize> = all.iter().map(Vec::len).collect();
        let mut values: Vec<f64> = nodes.iter().map(|node| node.value).collect();
        values.resize(counts[ranks.rank()], f64::NAN);
        let mut values = agree(ranks, marks, &values, &counts)?;
        let joins = joins(shards, &all.concat());
        for &(a, b) in &joins {
            values[a] += values[b];
        }
        let terms: Vec<&[F]> = nodes.iter().map(|node| &node.terms[..]).collect();
        sum_of_all(ranks, &terms, &counts, &joins, into)?;
        if let Some(mark) = mark {
            let all = gather(ranks, &[unwritten], &vec![1; ranks.size()])?;
            let first = all.into_iter().min().and_then(|at| usize::try_from(at).ok());
            if let Some(left) = first.and_then(|at| into.get_mut(at)) {
                *left = mark;
            }
        }
        values.first().copied().ok_or_else(|| ErrorKind::EmptyBatch { owner: "Sum" }.into())
    }
}

fn add<F: Scalar>(into: &mut [F], terms: &[F]) {
    into.iter_mut().zip(terms).for_each(|(a, &b)| *a = *a + b);
}

/// The sum of the nodes of all ranks: each adds up a part of every bucket, and gives it to all.
fn sum_of_all<F: Scalar>(
    ranks: &dyn Communicator,
    nodes: &[&[F]],
    counts: &[usize],
    joins: &[(usize, usize)],
    into: &mut [F],
) -> Result<(), Error> {
    const BUCKET: usize = 1 << 18;
    let (rank, size, width) = (ranks.rank(), ranks.size(), size_of::<F>());
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    let len = into.len();
    for (i, bucket) in into.chunks_mut(BUCKET).enumerate() {
        let start = i * BUCKET;
        let of = |rank| shards_of(rank, size, bucket.len());
        sent.clear();
        for part in (0..size).map(of) {
            nodes.iter().for_each(|node| {
                sent.extend_from_slice(&node[start + part.start..start + part.end]);
            });
        }
        let own = of(rank).len();
        received.resize(own * counts.iter().sum::<usize>(), F::zero());
        let to: Vec<usize> = (0..size).map(|rank| of(rank).len() * nodes.len() * width).collect();
        let from: Vec<usize> = counts.iter().map(|count| count * own * width).collect();
        ranks.all_to_all(F::bytes(&sent), &to, F::bytes_mut(&mut received), &from)?;
        for &(a, b) in joins {
            let (left, right) = received.split_at_mut(b * own);
            add(&mut left[a * own..(a + 1) * own], &right[..own]);
        }
        let lens: Vec<usize> = (0..size).map(|rank| of(rank).len() * width).collect();
        ranks.all_gather(F::bytes(&received[..own]), F::bytes_mut(bucket), &lens)?;
    }
    debug_assert!(len == 0 || !sent.is_empty());
    Ok(())
}

impl<F, P, O, C> Objective<F, P> for Sum<O, C>
where
    F: Scalar,
    P: ?Sized,
    O: Objective<F, P>,
    C: Communicator,
{
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        let flatten = gradient.flatten();
        self.add_up(gradient.as_mut_slice(), |objective, terms| {
            if objective.l1().is_some() {
                return Err(Error::other(
                    "the objective of a shard has an L1 penalty: put `WithL1` around the `Sum`",
                ));
            }
            objective.value_and_gradient(params, &mut FlatMut::new(flatten, terms))
        })
    }

    fn within(&mut self, bounds: Option<(Flat<'_, F>, Flat<'_, F>)>) {
        self.own.iter_mut().for_each(|objective| objective.within(bounds));
    }

    fn has_value(&self) -> bool {
        self.own.iter().all(Objective::has_value)
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        self.add_up::<F>(&mut [], |objective, _| objective.value(params))
    }

    fn has_hessian_vector(&self) -> bool {
        self.own.iter().all(Objective::has_hessian_vector)
    }

    fn hessian_vector(
        &mut self,
        params: &P,
        vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        let flatten = product.flatten();
        let sum = self.add_up(product.as_mut_slice(), |objective, terms| {
            objective.hessian_vector(params, vector, &mut FlatMut::new(flatten, terms))?;
            Ok(0.0)
        });
        sum.map(drop)
    }

    fn has_hessian(&self) -> bool {
        self.own.iter().all(Objective::has_hessian)
    }

    fn hessian(&mut self, params: &P, mut hessian: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        let shape = hessian.raw_dim();
        let mut all = Array2::from_elem(shape, F::nan());
        let sum = self.add_up(all.as_slice_mut().unwrap_or_default(), |objective, terms| {
            if let Ok(terms) = ArrayViewMut2::from_shape(shape, terms) {
                objective.hessian(params, terms)?;
            }
            Ok(0.0)
        });
        sum.map(|_| hessian.assign(&all))
    }
}
