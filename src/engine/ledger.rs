//! The state of every leaf, kept by its name and shape.

use ndarray::ArrayViewD;

use super::Settings;
use super::plan::{Course, Group, Plan};
use crate::error::{Error, ErrorKind, Tree};
use crate::params::{Entry, Fit, Leaf, Order, Params, Path, Roster};
use crate::rule::{Rule, Slot, Slots};
use crate::scalar::Scalar;

/// What is kept of one leaf.
#[derive(Clone)]
pub(super) struct LeafState<F: Scalar, S: Slots<F>> {
    pub(super) shape: Vec<usize>,
    /// The order that the slots are in: the parameter's own.
    pub(super) order: Order,
    /// Empty where the leaf is frozen.
    pub(super) slots: S::Storage,
    /// Empty where no average is kept.
    pub(super) average: Slot<F>,
    /// The place of its course.
    pub(super) course: usize,
    /// Whether nothing but its layout can keep it from being swept as slices.
    pub(super) is_direct: bool,
    /// The strides of an array in this order without gaps.
    packed: Vec<isize>,
    /// Whether large slots lie where the parameter's place wants them.
    is_placed: bool,
}

impl<F: Scalar, S: Slots<F>> LeafState<F, S> {
    /// The state of a leaf that has taken no step.
    fn new(shape: &[usize], order: Order) -> Self {
        Self {
            packed: order.packed(shape),
            shape: shape.to_vec(),
            order,
            slots: S::zeros().filled(0, 0),
            average: Slot::filled(F::zero(), 0, 0),
            course: 0,
            is_direct: false,
            is_placed: true,
        }
    }

    /// Whether an array of this shape and of those strides is in this order without gaps; an empty
    /// one need not be known.
    #[inline]
    pub(super) fn is_packed(&self, strides: &[isize]) -> bool {
        let axes = strides.iter().zip(&self.packed).zip(&self.shape);
        strides.len() == self.packed.len()
            && axes.into_iter().all(|((stride, packed), &len)| stride == packed || len == 1)
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Makes room for the slots and the average where there is none, for a parameter at `address`.
    pub(super) fn make_room(&mut self, initial: S, averages: bool, address: usize) {
        let len = self.len();
        if self.slots.as_ref().iter().any(|slot| slot.as_slice().len() != len) {
            self.slots = initial.filled(len, address);
        }
        if averages && self.average.as_slice().len() != len {
            self.average = Slot::filled(F::zero(), len, address);
        }
    }

    /// Brings the slots into the order of the parameter, and to its place. A parameter rarely
    /// changes its layout, but it may.
    pub(super) fn settle(&mut self, w: &dyn Leaf<F>, settings: &Settings) {
        if !self.is_placed {
            let address = w.as_slice().map_or(0, |slice| slice.as_ptr().addr());
            let slots = self.slots.as_mut().iter_mut().chain([&mut self.average]);
            slots.for_each(|slot| slot.place(address));
            self.is_placed = true;
            self.find_direct(settings);
        }
        if self.order.fit(w.shape(), w.strides()) == Fit::Differs {
            self.reorder(Order::of(w.shape(), w.strides()));
        }
    }

    fn reorder(&mut self, order: Order) {
        for slot in self.slots.as_mut().iter_mut().chain([&mut self.average]) {
            let mut reordered = slot.clone();
            if let Some(view) = self.order.logical(slot.as_slice(), &self.shape) {
                let from = order.arrange(view);
                reordered.as_mut_slice().iter_mut().zip(&from).for_each(|(to, &from)| *to = from);
            }
            *slot = reordered;
        }
        self.packed = order.packed(&self.shape);
        self.order = order;
    }

    fn find_direct(&mut self, settings: &Settings) {
        let more = settings.frozen || settings.max_norm.is_some();
        self.is_direct = self.is_placed && !more && settings.clip_adaptive.is_none();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// A slot in the leaf's logical shape; `None` where the leaf is frozen.
    pub(super) fn slot(&self, index: usize) -> Option<ArrayViewD<'_, F>> {
        self.order.logical(self.slots.as_ref().get(index)?.as_slice(), &self.shape)
    }

    /// The average in the leaf's logical shape, where it is kept.
    pub(super) fn average(&self) -> Option<ArrayViewD<'_, F>> {
        self.order.logical(self.average.as_slice(), &self.shape)
    }
}

/// The leaves of the first step, in its order, and how each is treated.
pub(super) struct Ledger<F: Scalar, R: Rule<F>> {
    pub(super) roster: Roster,
    pub(super) leaves: Vec<LeafState<F, R::State>>,
    /// How leaves are treated: one course for each set of groups that a leaf is of.
    pub(super) courses: Vec<Course<R>>,
}

impl<F: Scalar, R: Rule<F>> Clone for Ledger<F, R> {
    fn clone(&self) -> Self {
        Self {
            roster: self.roster.clone(),
            leaves: self.leaves.clone(),
            courses: self.courses.clone(),
        }
    }
}

impl<F: Scalar, R: Rule<F>> Default for Ledger<F, R> {
    fn default() -> Self {
        Self { roster: Roster::default(), leaves: Vec::new(), courses: Vec::new() }
    }
}

impl<F: Scalar, R: Rule<F>> Ledger<F, R> {
    /// The ledger of a model that has taken no step.
    pub(super) fn open(
        params: &dyn Params<F>,
        plan: &Plan<R>,
        groups: &[Group<F, R>],
    ) -> Result<Self, Error> {
        let mut ledger = Self { roster: Roster::of(params)?, ..Self::default() };
        params.visit(Path::ROOT, &mut |_, leaf| {
            let order = Order::of(leaf.shape(), leaf.strides());
            ledger.leaves.push(LeafState::new(leaf.shape(), order));
        });
        ledger.assign(plan, groups)?;
        ledger.make_room(params)?;
        Ok(ledger)
    }

    /// The ledger of leaves known by name and shape alone, as a saved state has them.
    pub(super) fn of_entries(
        entries: Vec<Entry>,
        plan: &Plan<R>,
        groups: &[Group<F, R>],
    ) -> Result<Self, Error> {
        let roster = Roster::from_entries(entries)?;
        let leaf =
            |entry: &Entry| LeafState::new(&entry.shape, Order::row_major(entry.shape.len()));
        let leaves = roster.entries().iter().map(leaf).collect();
        let mut ledger = Self { roster, leaves, courses: Vec::new() };
        ledger.assign(plan, groups)?;
        Ok(ledger)
    }

    /// Assigns each leaf its course anew; what the courses carry stays with their leaves.
    pub(super) fn assign(&mut self, plan: &Plan<R>, groups: &[Group<F, R>]) -> Result<(), Error> {
        let names: Vec<&str> =
            self.roster.entries().iter().map(|entry| entry.name.as_str()).collect();
        for group in groups {
            if !names.iter().any(|name| group.pattern.matches(name)) {
                let group = group.pattern.to_string();
                return Err(ErrorKind::GroupMatchesNothing { group }.into());
            }
        }
        let mut courses: Vec<(Vec<usize>, Course<R>)> = Vec::new();
        let mut places = Vec::new();
        for (name, leaf) in names.iter().zip(&self.leaves) {
            let of: Vec<usize> =
                (0..groups.len()).filter(|&i| groups[i].pattern.matches(name)).collect();
            let known = courses.iter().position(|(groups, _)| *groups == of);
            places.push(match known {
                Some(place) => place,
                None => {
                    let plan = plan.changed(of.iter().map(|&i| &groups[i]))?;
                    plan.check::<F>()?;
                    let mut course = Course::new(plan, of.is_empty());
                    if let Some(before) = self.courses.get(leaf.course) {
                        course.carried = before.carried;
                        course.learning_rate = before.learning_rate;
                        if !course.plan.scheduled.is_empty() {
                            course.rule.clone_from(&before.rule);
                        }
                    }
                    courses.push((of, course));
                    courses.len() - 1
                }
            });
        }
        for ((name, leaf), &place) in names.iter().zip(&self.leaves).zip(&places) {
            if let Some(bound) = courses[place].1.settings.max_norm {
                bound.check_leaf(Path::ROOT.name(name), &leaf.shape)?;
            }
        }
        self.courses = courses.into_iter().map(|(_, course)| course).collect();
        for (leaf, place) in self.leaves.iter_mut().zip(places) {
            leaf.course = place;
            leaf.find_direct(&self.courses[place].settings);
        }
        Ok(())
    }

    /// Makes room for the state of each leaf that has none and needs one.
    pub(super) fn make_room(&mut self, params: &dyn Params<F>) -> Result<(), Error> {
        let Self { roster, leaves, courses } = self;
        roster.meet(params, Tree::Parameters, |index, leaf| {
            let Course { plan, .. } = &courses[leaves[index].course];
            if !plan.settings.frozen {
                let address = leaf.as_slice().map_or(0, |slice| slice.as_ptr().addr());
                let averages = plan.settings.average.is_some();
                leaves[index].make_room(plan.rule.initial(), averages, address);
            }
        })
    }

    /// As [`make_room`](Self::make_room), wherever the parameters may be.
    pub(super) fn make_room_anywhere(&mut self) {
        let Self { leaves, courses, .. } = self;
        for leaf in leaves {
            let plan = &courses[leaf.course].plan;
            if !plan.settings.frozen {
                leaf.make_room(plan.rule.initial(), plan.settings.average.is_some(), 0);
                leaf.is_placed = false;
                leaf.is_direct = false;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The leaf of that name.
    pub(super) fn leaf(&self, name: &str) -> Option<&LeafState<F, R::State>> {
        self.leaves.get(self.roster.index_of(name)?)
    }

    /// Whether a leaf of that name is updated.
    pub(super) fn is_trained(&self, name: &str) -> bool {
        self.leaf(name).is_none_or(|leaf| !self.courses[leaf.course].settings.frozen)
    }
}
