//! What is found out about the gradients before anything is written: their norms, and whether they
//! are finite.

use super::ledger::Cohort;
use super::plan::Course;
use super::rows;
use super::scale::{Norm, Scale};
use super::scratch::Lists;
use super::settings::{NonFinite, Settings};
use super::sweep;
use crate::reduce::{self, How, Square, Sum, Term};
use crate::scalar::Scalar;

/// The norm of the gradients, where it is wanted, and by what it scales them; `None` where they are
/// not as they must be.
#[inline]
pub(super) fn look<F: Scalar>(
    settings: &Settings,
    courses: &[Course<F>],
    cohorts: &[Cohort],
    lists: &Lists<'_, F>,
) -> Option<(Option<Norm>, Scale<F>)> {
    let how = settings.how();
    let norm = settings.wants_norm().then(|| norm(lists, how));
    let scale = Scale::of(settings.clip_norm, norm);
    if settings.non_finite == NonFinite::Propagate {
        return Some((norm, scale));
    }
    // No element is larger than the norm of all.
    let largest = match norm {
        Some(norm) if !norm.is_finite() => return None,
        Some(norm) => norm.value(),
        None => {
            let largest = largest(lists, how);
            if !reduce::is_finite_size::<F>(largest) {
                return None;
            }
            F::of_size(largest).into_f64()
        }
    };
    let limits = courses.iter().map(|course| course.traits.largest_gradient);
    let limit = limits.fold(f64::INFINITY, f64::min);
    if largest * scale.value() > limit && exceeds(courses, cohorts, lists, scale, how) {
        return None;
    }
    Some((norm, scale))
}

/// Whether a gradient is larger than the state of its leaf can keep.
#[cold]
pub(super) fn exceeds<F: Scalar>(
    courses: &[Course<F>],
    cohorts: &[Cohort],
    lists: &Lists<'_, F>,
    scale: Scale<F>,
    how: How,
) -> bool {
    let exceeds = |cohort: usize, largest: F::Size| {
        let limit = courses[cohorts[cohort].course].traits.largest_gradient;
        F::of_size(largest).into_f64() * scale.value() > limit
    };
    let flat = lists.flat.iter();
    let mut flat = flat.map(|leaf| (leaf.cohort, reduce::largest_slice(leaf.stretch.g, how)));
    let mut strided = lists.strided.iter().map(|leaf| (leaf.cohort, leaf.largest(how)));
    let rows = rows::gradients(lists);
    let mut rows = rows.map(|(cohort, g)| (cohort, reduce::largest_slice(g, how)));
    flat.any(|(cohort, largest)| exceeds(cohort, largest))
        || rows.any(|(cohort, largest)| exceeds(cohort, largest))
        || strided.any(|(cohort, largest)| exceeds(cohort, largest))
}

/// The largest |g|, as [`Scalar::size`] tells it.
pub(super) fn largest<F: Scalar>(lists: &Lists<'_, F>, how: How) -> F::Size {
    let strided = lists.strided.iter().rev().map(|leaf| leaf.largest(how));
    let strided = strided.fold(F::Size::default(), Ord::max);
    strided.max(sweep::largest(&lists.flat, how)).max(rows::largest(lists, how))
}

/// ‖g‖₂ over all leaves.
fn norm<F: Scalar>(lists: &Lists<'_, F>, how: How) -> Norm {
    fn sum<F: Scalar, T: Term>(lists: &Lists<'_, F>, term: T, how: How) -> f64 {
        let strided = lists.strided.iter().map(|leaf| leaf.sum(term, how));
        let sum = strided.fold(sweep::sum(&lists.flat, term, how), Sum::add);
        if lists.touched.is_empty() {
            sum.value()
        } else {
            sum.add(rows::sum(lists, term, how)).value()
        }
    }
    Norm::from_sums(sum(lists, Square, how), |term| sum(lists, term, how))
}
