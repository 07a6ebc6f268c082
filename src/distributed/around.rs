//! What a training loop needs around the steps: rows, metrics, and parameters that are the same.

use std::ops::Range;

use super::agree::{Hash, agree, gather};
use super::communicator::Communicator;
use super::plan::{Plan, Split, kind_of};
use crate::error::{Error, ErrorKind};
use crate::mean;
use crate::params::{Params, ParamsMut, Path, Roster};
use crate::scalar::Scalar;
use crate::sixteen::{Format, Sixteen};

/// The shards of a batch that a rank computes the gradients of, of so many in all.
///
/// ```
/// use thalweg::distributed::shards_of;
/// assert_eq!([0, 1, 2].map(|rank| shards_of(rank, 3, 8)), [0..2, 2..5, 5..8]);
/// ```
pub fn shards_of(rank: usize, ranks: usize, shards: usize) -> Range<usize> {
    let at = |rank: usize| (shards as u128 * rank as u128 / ranks.max(1) as u128) as usize;
    at(rank)..at(rank + 1)
}

/// The rows of a batch that are a shard's, of so many shards.
///
/// Where there are fewer rows than shards, some shards have none: their weight is 0.
///
/// ```
/// use thalweg::distributed::rows_of;
/// assert_eq!([0, 1, 2].map(|shard| rows_of(10, shard, 3)), [0..3, 3..6, 6..10]);
/// ```
pub fn rows_of(rows: usize, shard: usize, shards: usize) -> Range<usize> {
    shards_of(shard, shards, rows)
}

/// The mean Σ wᵢxᵢ/Σ wᵢ of a metric over all shards: the same number on all ranks, whatever their number.
///
/// `own` has value and weight of each of this rank's own shards, in order. What stops a training, or
/// lowers its learning rate, must see one number on all ranks.
///
/// ```
/// use thalweg::distributed::{Communicator, Threads, mean, shards_of};
/// let losses = [1.0, 3.0, 2.0, 2.0];
/// for size in [1, 2, 4] {
///     let means = Threads::run(size, |ranks| {
///         let own = shards_of(ranks.rank(), ranks.size(), 4);
///         let own: Vec<_> = own.map(|shard| (losses[shard], 16.0)).collect();
///         mean(&ranks, 4, &own)
///     })?;
///     assert_eq!(means, vec![2.0; size]);
/// }
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Size`] for another number of shards, [`ErrorKind::EmptyBatch`] where all weights are 0,
/// [`ErrorKind::Hyperparameter`] for a weight that is negative or not finite, on all ranks alike.
pub fn mean<C: Communicator + ?Sized>(
    ranks: &C,
    shards: usize,
    own: &[(f64, f64)],
) -> Result<f64, Error> {
    let ranks: &dyn Communicator = &ranks;
    let of = |rank| shards_of(rank, ranks.size(), shards);
    let expected = of(ranks.rank()).len();
    let checked = if own.len() == expected {
        own.iter().try_for_each(|&(_, weight)| check_weight(weight))
    } else {
        let (what, found) = ("the list of own shards' metrics", own.len());
        Err(ErrorKind::Size { what, found, expected }.into())
    };
    let marks = checked.map(|()| [("the counts of shards", shards as u64)]);
    let numbers: Vec<f64> = own.iter().flat_map(|&(value, weight)| [value, weight]).collect();
    let counts: Vec<usize> = (0..ranks.size()).map(|rank| 2 * of(rank).len()).collect();
    let all = agree(ranks, marks, &numbers, &counts)?;
    let (pairs, _) = all.as_chunks::<2>();
    let mut pairs = pairs.to_vec();
    let single: Vec<Range<usize>> = (0..shards).map(|shard| shard..shard + 1).collect();
    for (a, b) in mean::joins(shards, &single) {
        let [[x, u], [y, v]] = [pairs[a], pairs[b]];
        pairs[a] = [mean::between(x, y, mean::share(u, v)), u + v];
    }
    match pairs.first() {
        Some(&[mean, weight]) if weight > 0.0 => Ok(mean),
        _ => Err(ErrorKind::EmptyBatch { owner: "mean" }.into()),
    }
}

pub(super) fn check_weight(weight: f64) -> Result<(), Error> {
    if weight >= 0.0 && weight.is_finite() {
        return Ok(());
    }
    Err(Error::hyperparameter("distributed", "weight", weight, "a finite number >= 0"))
}

/// Runs `work` on rank 0 alone; its error is that of all ranks.
///
/// For what is to be done once, as writing a file is.
///
/// ```
/// use thalweg::distributed::{Threads, on_first};
/// let error = Threads::run(3, |ranks| on_first(&ranks, || Err(thalweg::Error::other("disk full"))));
/// assert_eq!(error.unwrap_err().to_string(), "rank 0: disk full");
/// ```
///
/// # Errors
/// That of `work`, on all ranks.
pub fn on_first<C: Communicator + ?Sized>(
    ranks: &C,
    work: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let ranks: &dyn Communicator = &ranks;
    let done = if ranks.rank() == 0 { work() } else { Ok(()) };
    agree::<0>(ranks, done.map(|()| []), &[], &vec![0; ranks.size()]).map(|_| ())
}

/// Gives all ranks the parameters of rank 0.
///
/// # Errors
/// [`ErrorKind::RanksDiffer`] where the leaves differ; nothing is then changed.
///
/// ```
/// use ndarray::array;
/// use thalweg::distributed::{Communicator, Threads, broadcast, verify};
/// Threads::run(3, |ranks| {
///     let mut w = array![ranks.rank() as f32, 1.0];
///     assert!(verify(&ranks, &w).is_err());
///     broadcast(&ranks, &mut w)?;
///     assert_eq!(w, array![0.0, 1.0]);
///     verify(&ranks, &w)
/// })?;
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn broadcast<F: Scalar, C: Communicator + ?Sized>(
    ranks: &C,
    params: &mut dyn ParamsMut<F>,
) -> Result<(), Error> {
    const BUCKET: usize = 1 << 18;
    let ranks: &dyn Communicator = &ranks;
    let plan = Plan::in_order(&*params, 1, Split::Elements, true);
    let marks = plan.as_ref().map(|_| [("the leaves", mark_of_leaves(&*params))]);
    agree(ranks, marks.map_err(Clone::clone), &[], &vec![0; ranks.size()])?;
    let plan = plan?;
    let is_first = ranks.rank() == 0;
    let mut counts = vec![0; ranks.size()];
    for (leaf, place) in plan.leaves_mut(params)?.into_iter().zip(&plan.places) {
        let mut numbers = vec![F::zero(); BUCKET.min(place.len)];
        for start in (0..place.len).step_by(BUCKET) {
            let range = start..place.len.min(start + BUCKET);
            let numbers = &mut numbers[..range.len()];
            place.read(&*leaf, range.clone(), numbers);
            let own = if is_first { numbers.to_vec() } else { Vec::new() };
            counts[0] = size_of_val(numbers);
            ranks.all_gather(F::bytes(&own), F::bytes_mut(numbers), &counts)?;
            place.write(&mut *leaf, range, numbers);
        }
    }
    Ok(())
}

/// A number that tells the leaves of a tree from others.
fn mark_of_leaves<F: Scalar>(params: &dyn Params<F>) -> u64 {
    let mut hash = Hash::new();
    params.visit(Path::ROOT, &mut |path, leaf| {
        let shape = leaf.shape().iter().map(|&n| n as u64);
        hash = hash.bytes(path.to_string().as_bytes()).numbers(shape).number(u64::MAX);
        hash = hash.number(kind_of(leaf));
    });
    hash.value()
}

/// That all ranks have the same parameters, bit for bit.
///
/// Steps keep them so; call it now and then where ranks are not all of one kind of machine.
///
/// # Errors
/// [`ErrorKind::RanksDiffer`], on all ranks, which names the first that has others than rank 0.
pub fn verify<F: Scalar, C: Communicator + ?Sized>(
    ranks: &C,
    params: &dyn Params<F>,
) -> Result<(), Error> {
    let ranks: &dyn Communicator = &ranks;
    let marks = Roster::of_any(params).map(|_| {
        [("the leaves", mark_of_leaves(params)), ("the parameters", mark_of_values(params))]
    });
    agree(ranks, marks, &[], &vec![0; ranks.size()]).map(|_| ())
}

/// A number that tells the values of a tree from others.
pub(super) fn mark_of_values<F: Scalar>(params: &dyn Params<F>) -> u64 {
    let mut hash = Hash::new();
    params.visit(Path::ROOT, &mut |_, leaf| {
        let view = leaf.view();
        let numbers = |codes: &mut dyn Iterator<Item = u16>| hash.numbers(codes.map(u64::from));
        hash = match (leaf.sixteen_view(), view.as_slice()) {
            (Some(Sixteen::BFloat16(codes)), _) => numbers(&mut codes.iter().map(|x| x.code())),
            (Some(Sixteen::Float16(codes)), _) => numbers(&mut codes.iter().map(|x| x.code())),
            (None, Some(slice)) => hash.bytes(F::bytes(slice)),
            (None, None) => hash.bytes(F::bytes(&view.iter().copied().collect::<Vec<F>>())),
        };
    });
    hash.value()
}

/// The largest of a number of each rank.
pub(super) fn largest(ranks: &dyn Communicator, own: u64) -> Result<u64, Error> {
    let all = gather(ranks, &[own], &vec![1; ranks.size()])?;
    Ok(all.into_iter().max().unwrap_or(own))
}
