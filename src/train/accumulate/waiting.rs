//! Gradients that wait for a step: means of 1, 2, 4, … of them, as a binary counter carries.

use super::super::leaves::non_finite;
use crate::error::{Error, ErrorKind};
use crate::mean::{between, share};
use crate::optimizer::Treatment;
use crate::params::{Gradients, Params, Room, Snapshot, Taken};
use crate::scalar::Scalar;
use crate::state::{Record, invalid, missing};

/// The mean of some gradients.
#[derive(Debug, Clone)]
struct Node<F: Scalar> {
    mean: Gradients<F>,
    /// What has gone into it, leaf by leaf.
    weights: Vec<f64>,
    count: u64,
    loss: Option<MeanLoss>,
}

/// The mean of the losses, where all have one, and what has gone into it.
#[derive(Debug, Clone, Copy)]
struct MeanLoss {
    mean: f64,
    weight: f64,
}

impl MeanLoss {
    fn with(self, after: Self) -> Self {
        let share = share(self.weight, after.weight);
        Self { mean: between(self.mean, after.mean, share), weight: self.weight + after.weight }
    }

    fn joined(before: Option<Self>, after: Option<Self>) -> Option<Self> {
        Some(before?.with(after?))
    }
}

/// What a gradient weighs, and its loss, where that is known.
type Weighed = (f64, Option<f64>);

fn loss_of((weight, loss): Weighed) -> Option<MeanLoss> {
    loss.map(|mean| MeanLoss { mean, weight })
}

impl<F: Scalar> Node<F> {
    fn of(mean: Gradients<F>) -> Self {
        Self { weights: vec![0.0; mean.leaves().entries().len()], mean, count: 0, loss: None }
    }

    /// Becomes that gradient; of leaves that are frozen it is 0.
    fn take(
        &mut self,
        grads: &dyn Params<F>,
        taken: &Taken<F>,
        treatments: &[Treatment],
        weighed: Weighed,
    ) -> Result<(), Error> {
        let weight = weighed.0;
        self.mean.take(grads, taken, |leaf| treatments[leaf].trained)?;
        let weight_of = |t: &Treatment| if t.trained { weight } else { 0.0 };
        self.weights.clear();
        self.weights.extend(treatments.iter().map(weight_of));
        (self.count, self.loss) = (1, loss_of(weighed));
        Ok(())
    }

    /// Becomes the mean of itself and a gradient.
    fn add(
        &mut self,
        grads: &dyn Params<F>,
        taken: &mut Taken<F>,
        treatments: &[Treatment],
        weighed: Weighed,
    ) -> Result<(), Error> {
        let weight = weighed.0;
        let Self { mean, weights, count, loss } = self;
        let share_of = |leaf: usize| share(weights[leaf], weight);
        mean.add(grads, taken, |leaf| treatments[leaf].trained.then(|| share_of(leaf)))?;
        let trained = weights.iter_mut().zip(treatments).filter(|(_, t)| t.trained);
        trained.for_each(|(total, _)| *total += weight);
        *count += 1;
        *loss = MeanLoss::joined(*loss, loss_of(weighed));
        Ok(())
    }

    /// Becomes the mean of itself and another, which came after it or, where `before`, before it.
    fn join(&mut self, other: &Self, before: bool, room: &mut Room<F>) {
        let Self { mean, weights, count, loss } = self;
        let losses = if before { [other.loss, *loss] } else { [*loss, other.loss] };
        *loss = MeanLoss::joined(losses[0], losses[1]);
        for (leaf, (own, theirs)) in weights.iter_mut().zip(&other.weights).enumerate() {
            let share = if before { share(*theirs, *own) } else { share(*own, *theirs) };
            mean.blend(leaf, &other.mean, share, before, room);
            *own += theirs;
        }
        *count += other.count;
    }
}

/// The gradients that wait, and the memory for them, which is kept.
#[derive(Debug, Clone)]
pub(super) struct Waiting<F: Scalar> {
    /// The first has the most gradients.
    nodes: Vec<Node<F>>,
    free: Vec<Node<F>>,
    /// The mean of all.
    all: Node<F>,
    /// Rows of the gradients of a call.
    taken: Taken<F>,
}

impl<F: Scalar> Waiting<F> {
    pub(super) fn of(params: &dyn Params<F>) -> Result<Self, Error> {
        let all = Node::of(Gradients::of(Snapshot::zeros_of(params)?));
        Ok(Self { nodes: Vec::new(), free: Vec::new(), all, taken: Taken::default() })
    }

    /// The leaves; their values are anything.
    pub(super) fn leaves(&self) -> &Snapshot<F> {
        self.all.mean.leaves()
    }

    /// Takes the gradients of a call, and says what is wrong with those of trained leaves; that they are finite
    /// where it `looks`.
    pub(super) fn check(
        &mut self,
        grads: &dyn Params<F>,
        treatments: &[Treatment],
        looks: bool,
    ) -> Result<(), Error> {
        let Self { all, taken, .. } = self;
        let leaves = all.mean.leaves();
        taken.take(leaves.roster(), grads, |leaf| treatments[leaf].trained)?;
        if !looks {
            return Ok(());
        }
        let mut first = None;
        leaves.each_gradient(grads, |index, g| {
            if first.is_none() && treatments[index].trained {
                let found = match taken.rows(index) {
                    Some(rows) => rows.first_non_finite(),
                    None => non_finite(g),
                };
                first = found.map(|found| (index, found));
            }
        })?;
        let Some((leaf, (index, value))) = first else { return Ok(()) };
        let leaf = leaves.entries()[leaf].name.clone();
        Err(ErrorKind::NonFiniteGradient { leaf, index, value }.into())
    }

    pub(super) fn clear(&mut self) {
        self.free.append(&mut self.nodes);
    }

    /// Whether a weight can be added to all that wait.
    pub(super) fn has_room_for(&self, weight: f64) -> bool {
        let total = |leaf: usize| self.nodes.iter().map(|node| node.weights[leaf]).sum::<f64>();
        (0..self.all.weights.len()).all(|leaf| (total(leaf) + weight).is_finite())
    }

    /// Adds gradients that were checked.
    pub(super) fn add(
        &mut self,
        grads: &dyn Params<F>,
        treatments: &[Treatment],
        weighed: Weighed,
    ) -> Result<(), Error> {
        match self.nodes.last_mut() {
            Some(last) if last.count == 1 => {
                last.add(grads, &mut self.taken, treatments, weighed)?;
            }
            _ => {
                let new = || Node::of(self.all.mean.zeros_like());
                let mut node = self.free.pop().unwrap_or_else(new);
                node.take(grads, &self.taken, treatments, weighed)?;
                self.nodes.push(node);
            }
        }
        while let [.., left, right] = &mut self.nodes[..]
            && left.count == right.count
        {
            left.join(right, false, &mut self.taken.room);
            self.free.extend(self.nodes.pop());
        }
        Ok(())
    }

    /// The mean of all that wait, and of gradients that were checked, and that of their losses; those that
    /// wait still do.
    pub(super) fn mean_with(
        &mut self,
        last: Option<(&dyn Params<F>, Weighed)>,
        treatments: &[Treatment],
    ) -> Result<(&Gradients<F>, Option<f64>), Error> {
        let mut before = self.nodes.iter().rev();
        match (last, before.len()) {
            (Some((grads, weighed)), _) => {
                self.all.take(grads, &self.taken, treatments, weighed)?;
            }
            (None, 0) => self.all.mean.clear(),
            (None, _) => {
                if let Some(node) = before.next() {
                    self.all.mean.copy_from(&node.mean);
                    self.all.weights.clone_from(&node.weights);
                    self.all.loss = node.loss;
                }
            }
        }
        before.for_each(|node| self.all.join(node, true, &mut self.taken.room));
        Ok((&self.all.mean, self.all.loss.map(|loss| loss.mean)))
    }

    pub(super) fn save(&self, record: &mut Record) {
        let several = self.nodes.len() > 1;
        if several {
            record.count("means", self.nodes.len() as u64);
        }
        for (i, node) in self.nodes.iter().enumerate() {
            let entries = node.mean.leaves().entries().iter();
            for (leaf, (entry, &weight)) in entries.zip(&node.weights).enumerate() {
                record.array(&entry.name, &name("mean", i), node.mean.to_array(leaf).view());
                record.leaf_number(&entry.name, &entry.shape, &name("weight", i), weight);
                if let Some(rows) = node.mean.rows(leaf) {
                    let mut touched = vec![F::zero(); entry.shape[0]];
                    rows.rows().iter().for_each(|&row| touched[row] = F::one());
                    let shape = Some(&entry.shape[..1]);
                    record.put_shaped(&entry.name, &name("touched", i), shape, &touched);
                }
            }
            if let Some(MeanLoss { mean, weight }) = node.loss {
                record.number(name("loss", i), mean);
                record.number(name("loss.weight", i), weight);
            }
            if several {
                record.count(name("gradients", i), node.count);
            }
        }
    }

    /// What waits in a record; in one of the first version it is a sum. The leaves must be those of
    /// `known`.
    pub(super) fn load(
        record: &Record,
        version: u32,
        added: u64,
        known: Option<&Snapshot<F>>,
    ) -> Result<Option<Self>, Error> {
        if version == 1 {
            let Some(mut mean) = record.get_snapshot("sum", known)? else { return Ok(None) };
            let weights = vec![added as f64; mean.entries().len()];
            mean.scale(1.0 / added.max(1) as f64);
            return Ok(Some(Self::from_nodes(vec![Node {
                mean: Gradients::of(mean),
                weights,
                count: added,
                loss: None,
            }])));
        }
        let count = record.get_count_or("means", 1);
        let mut nodes = Vec::new();
        // A list that is longer than the counter has digits ends at the first that is not there.
        for i in 0..count.min(64) as usize {
            let array = name("mean", i);
            let Some(mean) = record.get_snapshot::<F>(&array, known)? else {
                if count == 1 {
                    return Ok(None);
                }
                return Err(missing(&array));
            };
            let of_leaf = name("weight", i);
            let weight = |place| match record.get_leaf_number(place, &of_leaf) {
                Ok(weight) if weight >= 0.0 && weight.is_finite() => Ok(weight),
                Ok(weight) => {
                    let leaf = &mean.entries()[place].name;
                    Err(invalid(format!("`{of_leaf}` of leaf `{leaf}`"), format!("is {weight}")))
                }
                Err(error) => Err(error),
            };
            let weights = (0..mean.entries().len()).map(weight).collect::<Result<_, _>>()?;
            let of_node = name("gradients", i);
            let gradients = if count == 1 { added } else { record.get_counter(&of_node)? };
            let mean = load_rows(record, &name("touched", i), mean)?;
            nodes.push(Node { mean, weights, count: gradients, loss: load_loss(record, i)? });
        }
        let falls = nodes.windows(2).all(|pair| pair[0].count > pair[1].count);
        let sum = nodes.iter().try_fold(0_u64, |sum, node| sum.checked_add(node.count));
        if !falls || sum != Some(added) || count as usize != nodes.len() {
            let problem = format!("does not fit {added} gradients");
            return Err(invalid("`means`".to_owned(), problem));
        }
        Ok(Some(Self::from_nodes(nodes)))
    }

    fn from_nodes(nodes: Vec<Node<F>>) -> Self {
        let all = Node::of(nodes[0].mean.zeros_like());
        Self { nodes, free: Vec::new(), all, taken: Taken::default() }
    }

    pub(super) fn has_weight(&self) -> bool {
        self.nodes.iter().any(|node| node.weights.iter().any(|&weight| weight != 0.0))
    }
}

/// The means of which those of some leaves are of rows.
fn load_rows<F: Scalar>(
    record: &Record,
    touched: &str,
    mean: Snapshot<F>,
) -> Result<Gradients<F>, Error> {
    let mut rows = Vec::new();
    for (place, entry) in mean.entries().iter().enumerate() {
        if record.has_array(place, touched) {
            let Some(&len) = entry.shape.first() else {
                let problem = "is of a number, which has no rows".to_owned();
                return Err(invalid(format!("`{touched}` of leaf `{}`", entry.name), problem));
            };
            let touched = record.get_shaped::<F>(place, touched, Some(&[len]), true)?;
            rows.push((place, touched.iter().map(|&is| is != F::zero()).collect::<Vec<_>>()));
        }
    }
    let mut mean = Gradients::of(mean);
    for (leaf, touched) in rows {
        mean.set_rows(leaf, &touched);
    }
    Ok(mean)
}

fn load_loss(record: &Record, i: usize) -> Result<Option<MeanLoss>, Error> {
    let Ok(mean) = record.get_number(&name("loss", i)) else { return Ok(None) };
    let of_loss = name("loss.weight", i);
    match record.get_number(&of_loss)? {
        weight if weight > 0.0 && weight.is_finite() => Ok(Some(MeanLoss { mean, weight })),
        weight => Err(invalid(format!("`{of_loss}`"), format!("is {weight}"))),
    }
}

/// The first has the name that it has where it is the only one.
fn name(what: &str, i: usize) -> String {
    if i == 0 { what.to_owned() } else { format!("{what}.{i}") }
}
