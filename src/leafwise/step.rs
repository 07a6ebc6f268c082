//! One step, of the leaves that are this rank's where there are others.

use std::sync::Arc;

use super::core::{Engine, Scratch};
use super::groups::Own;
use super::ledger::{LeafState, Ledger};
use super::pairs::{Sources, is_row_major, largest, pair};
use super::rule::{LeafStep, Step, room};
use crate::engine::{Alteration, Known, NonFinite, Norm, Scale};
use crate::error::{Error, ErrorKind};
use crate::optimizer::{Call, OtherRanks, Partwise, StepInfo, Wholes};
use crate::params::{Leaf, LeafMut, Params, ParamsMut, Path, Roster};
use crate::reduce::{self, How, ScaledSquare, Square, Sum, Term};
use crate::scalar::Scalar;
use crate::state::State;

/// What a look at the gradients finds.
enum Look<F> {
    /// All is well; the norm, where it is wanted, and what scales the gradients.
    Fine(Option<f64>, Scale<F>),
    /// A gradient is not finite, or too large for the state.
    Bad(Scale<F>),
}

/// The gradients of the leaves that are trained.
struct Looked<'l, 'a, F: Scalar> {
    ledger: &'l Ledger<F>,
    gs: &'l Sources<'a, F>,
    /// Whether there is a loss, and it is not finite.
    is_lost: bool,
    how: How,
}

impl<F: Scalar> Looked<'_, '_, F> {
    fn trained(&self) -> impl Iterator<Item = (usize, &Own<F>)> {
        self.ledger.own.iter().enumerate().filter(|(_, own)| !own.frozen)
    }

    fn here(&self) -> impl Iterator<Item = (&dyn Leaf<F>, &Own<F>)> {
        let is_here = |i: &usize| self.ledger.leaves[*i].is_here;
        let own = self.trained().filter(move |(i, _)| is_here(i));
        own.filter_map(|(i, own)| self.gs[i].map(|g| (g, own)))
    }

    /// The sum over all leaves, those of others included.
    fn sum<T: Term>(
        &self,
        term: T,
        others: &mut Option<&mut dyn OtherRanks>,
    ) -> Result<f64, Error> {
        let of_leaf = |(g, _): (&dyn Leaf<F>, &Own<F>)| match g.as_slice() {
            Some(slice) if is_row_major(g.shape(), g.strides()) => {
                reduce::sum_slice(slice, term, self.how)
            }
            _ => reduce::sum_view(g.view(), term, self.how),
        };
        let add_up = |sums: &mut dyn Iterator<Item = Sum>| sums.fold(Sum::default(), Sum::add);
        let Some(others) = others else {
            return Ok(add_up(&mut self.here().map(of_leaf)).value());
        };
        let own: Vec<f64> = self.here().flat_map(|leaf| of_leaf(leaf).parts()).collect();
        // Each leaf is one rank's: the first whose part is not empty, or nobody's.
        let names = || self.trained().map(|(i, _)| &*self.ledger.roster.entries()[i].name);
        let owner = |others: &dyn OtherRanks, name: &str| {
            let bounds = others.bounds(name);
            (0..bounds.len().saturating_sub(1)).find(|&rank| bounds[rank] < bounds[rank + 1])
        };
        let owners: Vec<Option<usize>> = names().map(|name| owner(&**others, name)).collect();
        let ranks = names().next().map_or(0, |name| others.bounds(name).len().saturating_sub(1));
        let count = |rank| 2 * owners.iter().filter(|owner| **owner == Some(rank)).count();
        let counts: Vec<usize> = (0..ranks).map(count).collect();
        let all = others.gather(&own, &counts)?;
        let mut starts: Vec<usize> = counts
            .iter()
            .scan(0, |start, count| {
                *start += count;
                Some(*start - count)
            })
            .collect();
        let mut sums = owners.into_iter().flatten().map(|rank| {
            let start = starts[rank];
            starts[rank] += 2;
            Sum::of_parts([all[start], all[start + 1]])
        });
        Ok(add_up(&mut sums).value())
    }

    fn norm(&self, others: &mut Option<&mut dyn OtherRanks>) -> Result<Norm, Error> {
        let plain = self.sum(Square, others)?;
        let mut failed = None;
        let norm = Norm::from_sums(plain, |term: ScaledSquare| {
            self.sum(term, others).unwrap_or_else(|error| {
                failed = Some(error);
                f64::NAN
            })
        });
        failed.map_or(Ok(norm), Err)
    }

    fn look(
        &self,
        limit: Option<f64>,
        guards: bool,
        others: &mut Option<&mut dyn OtherRanks>,
    ) -> Result<Look<F>, Error> {
        let norm = match limit {
            Some(_) => Some(self.norm(others)?),
            None => None,
        };
        let scale = Scale::of(limit, norm);
        if guards {
            let is_bad = |(g, own): (&dyn Leaf<F>, &Own<F>)| {
                let size = largest(g, self.how);
                let limit = own.rule.largest_gradient();
                !reduce::is_finite_size::<F>(size)
                    || F::of_size(size).into_f64() * scale.value() > limit
            };
            let mut bad = self.is_lost || self.here().any(is_bad);
            if let Some(others) = others {
                bad = others.largest(u64::from(bad))? > 0;
            }
            if bad || norm.is_some_and(|norm| !norm.is_finite()) {
                return Ok(Look::Bad(scale));
            }
        }
        Ok(Look::Fine(norm.map(Norm::value), scale))
    }
}

impl<F: Scalar> Engine<F> {
    pub(super) fn take_step(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        loss: Option<f64>,
        mut others: Option<&mut dyn OtherRanks>,
    ) -> Result<StepInfo, Error> {
        if !self.checked {
            self.check()?;
            self.reassign()?;
            self.checked = true;
        }
        let step = self.steps + 1;
        let base = self.rates.checked::<F>(step)?;
        let fresh = match self.ledger {
            Some(_) => None,
            None => Some(self.open(Roster::of(&*params)?)?),
        };
        let how = self.how();
        let wholes = self.wholes.clone();
        let Self { settings, rates, ledger, scratch, scheduled, .. } = self;
        let mut opened = fresh;
        let Some(ledger) = ledger.as_mut().or(opened.as_mut()) else {
            return Err(ErrorKind::NoLeaves.into());
        };
        scratch.rates.clear();
        for own in &mut ledger.own {
            if !scheduled.is_empty() {
                own.follow(scheduled, step)?;
            }
            scratch.rates.push(rates.checked_of::<F>(step, own.schedule.as_ref(), own.factor)?);
        }

        let alters = settings.centralized.is_some() || settings.gradient_noise.is_some();
        if alters {
            let known = |index: usize| {
                let (entry, own) = (&ledger.roster.entries()[index], &ledger.own[index]);
                let whole = wholes.as_ref().and_then(|wholes| wholes.get(&entry.name));
                let noise = settings.gradient_noise;
                let noise = noise.map(|noise| (noise, step, scratch.rates[index]));
                let alteration = Alteration { centralized: settings.centralized, noise };
                let alteration = if own.frozen { Alteration::default() } else { alteration };
                let shape = whole.unwrap_or(&entry.shape);
                Known { name: &entry.name, shape, alteration }
            };
            scratch.altered.alter(grads, ledger.own.len(), &known, others.as_deref())?;
        }
        let Scratch { lists, altered, rates: by_leaf, w: of_w, g: of_g, workspace } = scratch;
        let given = grads;
        let changed = altered.tree(given);
        let grads: &dyn Params<F> = if alters { &changed } else { given };
        let (mut ws, mut gs) = lists.lend();
        let paired = pair(&ledger.roster, params, grads, &mut ws, &mut gs);
        let lost = loss.filter(|loss| !loss.is_finite());
        let attempt = || {
            match &mut others {
                Some(others) => others.agree(paired)?,
                None => paired?,
            }
            let guards = settings.non_finite != NonFinite::Propagate;
            let looked = Looked { ledger, gs: &gs, is_lost: lost.is_some(), how };
            looked.look(settings.clip_norm, guards, &mut others)
        };
        let norm = match attempt() {
            Ok(Look::Fine(norm, scale)) => {
                let scale = if settings.maximize { scale.negated() } else { scale };
                let leaves = ledger.leaves.iter_mut().zip(&mut ledger.own);
                for (leaf, own) in leaves.filter(|(_, own)| own.turned) {
                    leaf.conform(&*own.rule);
                    own.turned = false;
                }
                for (index, w) in &mut ws {
                    let (leaf, own) = (&mut ledger.leaves[*index], &ledger.own[*index]);
                    if let (false, Some(g)) = (own.frozen, gs[*index]) {
                        let rate = by_leaf[*index];
                        update(
                            leaf,
                            own,
                            rate,
                            scale,
                            &mut **w,
                            g,
                            how,
                            Buffers { w: &mut *of_w, g: &mut *of_g, workspace: &mut *workspace },
                        );
                    }
                }
                Ok(Some(norm))
            }
            Ok(Look::Bad(_)) if settings.non_finite == NonFinite::Skip => Ok(None),
            Ok(Look::Bad(scale)) => {
                let limit = |path: Path<'_>| {
                    let own = &ledger.own[ledger.roster.index_of(&path.to_string())?];
                    let limit = own.rule.largest_gradient() / scale.value();
                    (!own.frozen).then_some(limit)
                };
                let of_loss = || Some(ErrorKind::NonFiniteLoss { value: lost? }.into());
                let error = reduce::find_beyond(given, limit);
                let error = error.or_else(|| reduce::find_beyond(grads, limit)).or_else(of_loss);
                Err(match &mut others {
                    Some(others) => others.refusal(error),
                    None => error.unwrap_or_else(|| ErrorKind::NoLeaves.into()),
                })
            }
            Err(error) => Err(error),
        };
        lists.take_back((ws, gs));
        let norm = norm?;
        if norm.is_some() {
            self.steps = step;
            if opened.is_some() {
                self.ledger = opened;
            }
        } else {
            self.skipped += 1;
        }
        Ok(StepInfo {
            step: self.steps,
            learning_rate: base,
            skipped: norm.is_none(),
            grad_norm: norm.flatten(),
            ..StepInfo::default()
        })
    }
}

/// Memory of a step.
struct Buffers<'s, F> {
    w: &'s mut Vec<F>,
    g: &'s mut Vec<F>,
    workspace: &'s mut super::rule::Workspace<F>,
}

/// Updates a leaf, whatever its layout.
#[expect(clippy::too_many_arguments, reason = "they are of one call")]
fn update<F: Scalar>(
    leaf: &mut LeafState<F>,
    own: &Own<F>,
    learning_rate: f64,
    scale: Scale<F>,
    w: &mut dyn LeafMut<F>,
    g: &dyn Leaf<F>,
    how: How,
    buffers: Buffers<'_, F>,
) {
    leaf.steps += 1;
    leaf.begun(&*own.rule);
    let LeafState { shape, is_here, steps, slots: Some(slots) } = leaf else { return };
    if !*is_here {
        return;
    }
    let len = shape.iter().product();
    let decay = own.decay.fraction(learning_rate);
    let step = Step { step: *steps, learning_rate, decay };
    let as_it_is = g.as_slice().filter(|_| scale.is_one() && is_row_major(g.shape(), g.strides()));
    let g = match as_it_is {
        Some(slice) => slice,
        None => {
            let list = room(buffers.g, len);
            list.iter_mut().zip(&g.view()).for_each(|(to, &g)| *to = scale.apply(g));
            list
        }
    };
    let workspace = buffers.workspace;
    if is_row_major(w.shape(), w.strides())
        && let Some(w) = w.as_slice_mut()
    {
        return own.rule.update(&step, LeafStep { shape, w, g, slots, workspace, how });
    }
    let list = room(buffers.w, len);
    list.iter_mut().zip(&w.view()).for_each(|(to, &w)| *to = w);
    own.rule.update(&step, LeafStep { shape, w: list, g, slots, workspace, how });
    w.view_mut().iter_mut().zip(list).for_each(|(w, from)| *w = *from);
}

impl<F: Scalar> Partwise<F> for Engine<F> {
    fn assert_splittable(&self) -> Result<(), Error> {
        Err(ErrorKind::NeedsWholeLeaves { what: "an update of whole leaves" }.into())
    }

    fn set_wholes(&mut self, wholes: Option<Arc<Wholes>>) {
        self.wholes = wholes;
    }

    fn load_parts(&mut self, state: &State) -> Result<(), Error> {
        let mut fresh = self.clone();
        fresh.ledger = None;
        fresh.load(state)?;
        *self = fresh;
        Ok(())
    }

    fn step_parts(
        &mut self,
        params: &mut dyn ParamsMut<F>,
        grads: &dyn Params<F>,
        call: Call,
        others: &mut dyn OtherRanks,
    ) -> Result<StepInfo, Error> {
        self.take_step(params, grads, call.loss, Some(others))
    }
}
