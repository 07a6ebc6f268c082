//! Parameters, gradients and states brought together: each leaf becomes a job of the sweep.

use super::codes::Codes;
use super::leaf::LeafState;
use super::program::Stretch;
use super::rows;
use super::scratch::Lists;
use super::settings::Settings;
use super::sixteen::{Given, Held, Rounding};
use super::strided::{Strided, Units};
use super::sweep::Flat;
use super::view::Source;
use crate::error::{Error, Tree};
use crate::params::{Fit, Leaf, LeafMut, Params, ParamsMut, Roster};
use crate::scalar::Scalar;

/// Makes a job of each leaf that is not frozen, with the gradient of its name; where `some` says so, a
/// gradient may be left out.
///
/// # Errors
/// Unless parameters and gradients have the leaves of the roster, each once and in its shape;
/// there may be jobs all the same, which must not be done.
#[inline]
pub(super) fn pair<'a, 's, F: Scalar>(
    roster: &Roster,
    leaves: &'a mut [LeafState<F>],
    settings: &dyn Fn(usize) -> &'s Settings,
    params: &'a mut dyn ParamsMut<F>,
    grads: &'a dyn Params<F>,
    some: bool,
    lists: &mut Lists<'a, F>,
) -> Result<(), Error> {
    if let Some(gathered) = lists.gathered.as_deref_mut() {
        gathered.clear();
    }
    let paired = if some {
        pair_some(roster, leaves, settings, grads, lists)
    } else {
        roster.meet_gradients(grads, |index, g| {
            if index == lists.grads.len() {
                lists.grads.push(Some(g));
            } else {
                put(&mut lists.grads, index, g);
            }
        })
    };
    if let Err(error) = paired {
        // Of two mistakes, the parameters' is named.
        roster.meet_any(&*params, Tree::Parameters, |_, _| {})?;
        return Err(error);
    }
    let (mut states, mut next) = (leaves.iter_mut(), 0);
    roster.meet_any_mut(params, Tree::Parameters, |index, w| {
        if index == next
            && lists.late.is_empty()
            && let (Some(leaf), Some(&g)) = (states.next(), lists.grads.get(index))
        {
            next += 1;
            match g {
                Some(g) => job(leaf, w, g, index, settings, lists),
                None => rows::leave_out(leaf, w, index, settings(leaf.cohort), lists),
            }
        } else {
            lists.late.push((index, w));
        }
    })?;
    if !lists.late.is_empty() {
        lists.late.sort_unstable_by_key(|&(index, _)| std::cmp::Reverse(index));
        for leaf in states {
            if let Some((index, w)) = lists.late.pop() {
                match lists.grads[index] {
                    Some(g) => job(leaf, w, g, index, settings, lists),
                    None => rows::leave_out(leaf, w, index, settings(leaf.cohort), lists),
                }
            }
        }
    }
    let name = |index: usize| roster.entries()[index].name.clone();
    match lists.gathered.as_deref().and_then(|gathered| gathered.problem(name)) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Finds the gradients where some may be left out.
#[cold]
fn pair_some<'a, 's, F: Scalar>(
    roster: &Roster,
    leaves: &[LeafState<F>],
    settings: &dyn Fn(usize) -> &'s Settings,
    grads: &'a dyn Params<F>,
    lists: &mut Lists<'a, F>,
) -> Result<(), Error> {
    let list = &mut lists.grads;
    list.resize(leaves.len(), None);
    roster.meet_some(grads, |index, g| list[index].replace(g).is_none())?;
    lists.is_partial |= list.iter().any(Option::is_none);
    let is_missing =
        |&index: &usize| list[index].is_none() && !settings(leaves[index].cohort).sparse;
    let mut missing = (0..leaves.len()).filter(is_missing).peekable();
    if missing.peek().is_some() { Err(roster.missing(missing)) } else { Ok(()) }
}

#[cold]
fn put<'a, F: Scalar>(grads: &mut Vec<Option<&'a dyn Leaf<F>>>, index: usize, g: &'a dyn Leaf<F>) {
    if grads.len() <= index {
        grads.resize(index + 1, None);
    }
    grads[index] = Some(g);
}

/// Slices, where everything lies in one order without gaps and nothing asks for more.
#[inline]
fn job<'a, 's, F: Scalar>(
    leaf: &'a mut LeafState<F>,
    w: &'a mut dyn LeafMut<F>,
    g: &'a dyn Leaf<F>,
    index: usize,
    settings: &dyn Fn(usize) -> &'s Settings,
    lists: &mut Lists<'a, F>,
) {
    if leaf.is_direct
        && leaf.is_packed(w.strides())
        && leaf.is_packed(g.strides())
        && let Some(g) = g.as_slice()
        && !w.is_sixteen()
    {
        let w = w.as_slice_mut().unwrap_or_default();
        lists.flat.push(flat(leaf, w, g, false));
    } else {
        rarer(leaf, w, g, index, settings, lists);
    }
}

#[inline(always)]
fn flat<'a, F: Scalar>(
    leaf: &'a mut LeafState<F>,
    w: &'a mut [F],
    g: &'a [F],
    bounded: bool,
) -> Flat<'a, F> {
    let codes = match leaf.is_full() {
        true => Codes::default(),
        false => LeafState::<F>::codes(&mut leaf.codes, leaf.coding),
    };
    let slots = LeafState::slices(&mut leaf.slots);
    let average = if bounded { &mut [] } else { leaf.average.as_mut_slice() };
    let stretch = Stretch { w, g, slots, codes, average };
    Flat { cohort: leaf.cohort, constants: leaf.cohort, stretch }
}

/// A job in general, bringing the slots into the parameter's order where that has changed.
#[cold]
fn rarer<'a, 's, F: Scalar>(
    leaf: &'a mut LeafState<F>,
    w: &'a mut dyn LeafMut<F>,
    g: &'a dyn Leaf<F>,
    index: usize,
    settings: &dyn Fn(usize) -> &'s Settings,
    lists: &mut Lists<'a, F>,
) {
    let settings = settings(leaf.cohort);
    if settings.frozen {
        return;
    }
    leaf.settle(&*w, settings);
    leaf.keep_remainders(&*w, settings);
    if g.rows().is_some() {
        lists.is_partial = true;
        return rows::touch(leaf, w, g, index, settings, lists);
    }
    if leaf.is_empty() {
        return;
    }
    // The average of a bounded leaf waits for the bound.
    let bounded = settings.max_norm.is_some();
    let units = settings.clip_adaptive.and_then(|clip| clip.units.axis(leaf.shape.len()));
    let mut place = units.and_then(|axis| leaf.order.place_of(axis));
    let packed =
        |leaf: &LeafState<F>, shape, strides| leaf.order.fit(shape, strides) == Fit::Packed;
    let w_packed = packed(leaf, w.shape(), w.strides());
    let g_packed = packed(leaf, g.shape(), g.strides());
    let is_full = w.as_slice().is_some() && g.as_slice().is_some();
    let (w, g) = match place {
        None if w_packed && g_packed && is_full => {
            let w = w.as_slice_mut().unwrap_or_default();
            lists.flat.push(flat(leaf, w, g.as_slice().unwrap_or_default(), bounded));
            return;
        }
        None if w_packed && g_packed => {
            // One axis, in the order of both.
            let shape = [leaf.len()];
            (Held::packed(w, Some(&shape)), Given::packed(g, Some(&shape)))
        }
        None if w_packed => (Held::packed(w, None), Given::of(g, &leaf.order)),
        None if g_packed => (Held::of(w, &leaf.order), Given::packed(g, None)),
        Some(units) if w_packed && g_packed => {
            // All that is before the units' axis is one, and so is all that is after it.
            place = Some(1);
            let shape = leaf.order.around(units, &leaf.shape);
            (Held::packed(w, Some(&shape)), Given::packed(g, Some(&shape)))
        }
        _ => (Held::of(w, &leaf.order), Given::of(g, &leaf.order)),
    };
    let slots = LeafState::slices(&mut leaf.slots);
    let average = if bounded { &mut [] } else { leaf.average.as_mut_slice() };
    lists.strided.push(Strided {
        cohort: leaf.cohort,
        constants: leaf.cohort,
        w,
        g,
        slots,
        codes: LeafState::<F>::codes(&mut leaf.codes, leaf.coding),
        average,
        remainders: match settings.parameter_rounding {
            Rounding::Compensated => leaf.remainders.as_mut_slice(),
            _ => &mut [],
        },
        factors: Source::Slice(&[]),
        units: place.map(Units::along),
    });
}
