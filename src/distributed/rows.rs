//! Gradients of rows, of all ranks to all.

use super::communicator::Communicator;
use crate::error::Error;
use crate::params::Summed;
use crate::scalar::Scalar;

/// Gives all ranks the rows of all: of each leaf those of each node, of which a rank has as many as `counts` says.
///
/// `own` has this rank's, leaf after leaf; `shapes` are those of the tables.
pub(super) fn gather_rows<F: Scalar>(
    ranks: &dyn Communicator,
    counts: &[usize],
    shapes: &[&[usize]],
    own: &[Summed<F>],
) -> Result<Vec<Vec<Summed<F>>>, Error> {
    if shapes.is_empty() {
        return Ok(Vec::new());
    }
    // How many rows each has, which rows, and their values.
    let lens: Vec<u64> = own.iter().map(|rows| rows.rows().len() as u64).collect();
    let per_rank: Vec<usize> = counts.iter().map(|count| count * shapes.len()).collect();
    let lens = numbers(ranks, &lens, &per_rank)?;
    let (mut rows_of, mut values_of, mut at) = (Vec::new(), Vec::new(), 0);
    for &count in counts {
        let (mut rows, mut values) = (0, 0);
        for shape in shapes {
            let len: usize = lens[at..at + count].iter().map(|&len| len as usize).sum();
            rows += len;
            values += len * width(shape);
            at += count;
        }
        rows_of.push(rows);
        values_of.push(values);
    }
    let rows: Vec<u64> = own.iter().flat_map(|of| of.rows()).map(|&row| row as u64).collect();
    let rows = numbers(ranks, &rows, &rows_of)?;
    let values: Vec<F> = own.iter().flat_map(Summed::values).copied().collect();
    let mut all = vec![F::zero(); values_of.iter().sum()];
    let bytes: Vec<usize> = values_of.iter().map(|len| len * size_of::<F>()).collect();
    ranks.all_gather(F::bytes(&values), F::bytes_mut(&mut all), &bytes)?;
    let rows: Vec<usize> = rows.into_iter().map(|row| row as usize).collect();
    let mut nodes = vec![Vec::new(); shapes.len()];
    let (mut lens, mut rows, mut values) = (&lens[..], &rows[..], &all[..]);
    for &count in counts {
        for (shape, nodes) in shapes.iter().zip(&mut nodes) {
            for _ in 0..count {
                let len = take(&mut lens, 1)[0] as usize;
                let mut node = Summed::default();
                let of_values = take(&mut values, len * width(shape));
                node.assign(shape, take(&mut rows, len), of_values);
                nodes.push(node);
            }
        }
    }
    Ok(nodes)
}

fn width(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}

/// The first elements of what is left.
fn take<'a, T>(rest: &mut &'a [T], len: usize) -> &'a [T] {
    let (first, after) = rest.split_at(len);
    *rest = after;
    first
}

/// Whole numbers of all ranks, of each as many as `counts` says.
fn numbers(ranks: &dyn Communicator, own: &[u64], counts: &[usize]) -> Result<Vec<u64>, Error> {
    let own: Vec<u8> = own.iter().flat_map(|number| number.to_le_bytes()).collect();
    let bytes: Vec<usize> = counts.iter().map(|count| count * size_of::<u64>()).collect();
    let mut all = vec![0; bytes.iter().sum()];
    ranks.all_gather(&own, &mut all, &bytes)?;
    let (numbers, _) = all.as_chunks::<{ size_of::<u64>() }>();
    Ok(numbers.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect())
}
