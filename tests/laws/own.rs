//! The rules in their own types: what an optimizer of the catalog, which has forgotten its rule, can't be asked.
//!
//! Only what is here is compiled for each rule; the laws, which reach it through objects, for each scalar.

use ndarray::{ArrayD, CowArray};
use thalweg::rule::Clock;
use thalweg::{Elementwise, Entry, Optimizer, Rule, Scalar, Schedule, Settings, catalog};

/// A rule of the catalog.
pub struct Own<F: Scalar> {
    pub entry: &'static Entry<F>,
    pub slots: &'static [&'static str],
    pub sums: &'static [&'static str],
    pub norms: bool,
    pub loss: bool,
    pub leaf_clocks: bool,
    pub optimizer: fn() -> Box<dyn Typed<F>>,
    pub literal: fn() -> Box<dyn Literal<F>>,
}

/// An optimizer that knows its rule.
pub trait Typed<F: Scalar>: Optimizer<F> {
    fn copy(&self) -> Box<dyn Typed<F>>;
    fn with(self: Box<Self>, settings: Settings) -> Box<dyn Typed<F>>;
    fn at(self: Box<Self>, learning_rate: Schedule) -> Box<dyn Typed<F>>;
    /// Of a lone array.
    fn slot_of_array(&self, slot: &str) -> Option<ArrayD<F>>;
    fn average_of_array(&self) -> Option<ArrayD<F>>;
}

impl<F: Scalar, R: Rule<F>> Typed<F> for Elementwise<F, R> {
    fn copy(&self) -> Box<dyn Typed<F>> {
        Box::new(self.clone())
    }

    fn with(self: Box<Self>, settings: Settings) -> Box<dyn Typed<F>> {
        Box::new(self.with_settings(settings))
    }

    fn at(self: Box<Self>, learning_rate: Schedule) -> Box<dyn Typed<F>> {
        Box::new(self.schedule(learning_rate))
    }

    fn slot_of_array(&self, slot: &str) -> Option<ArrayD<F>> {
        self.slot("", slot).map(CowArray::into_owned)
    }

    fn average_of_array(&self) -> Option<ArrayD<F>> {
        self.average_of("").map(|average| average.to_owned())
    }
}

/// A rule by itself, without an engine: constants of a step, and the update of one element after another.
pub trait Literal<F: Scalar> {
    fn begin(&mut self, clock: &mut Clock, learning_rate: f64);
    /// The element of that number, which has a state of its own.
    fn update(&mut self, element: usize, w: F, g: F) -> F;
    fn rests(&self) -> bool;
}

struct OfRule<F: Scalar, R: Rule<F>> {
    rule: R,
    constants: Option<R::Step>,
    state: Vec<R::State>,
}

impl<F: Scalar, R: Rule<F>> Literal<F> for OfRule<F, R> {
    fn begin(&mut self, clock: &mut Clock, learning_rate: f64) {
        self.constants = Some(self.rule.begin(clock, learning_rate));
    }

    fn update(&mut self, element: usize, w: F, g: F) -> F {
        while self.state.len() <= element {
            self.state.push(self.rule.initial());
        }
        let (w, state) = R::update(self.constants.as_ref().unwrap(), w, g, self.state[element]);
        self.state[element] = state;
        w
    }

    fn rests(&self) -> bool {
        self.rule.rests()
    }
}

/// The update of a rule that has not taken a step yet.
pub fn literal<F: Scalar, R: Rule<F>>(rule: &R) -> Box<dyn Literal<F>> {
    Box::new(OfRule { rule: rule.clone(), constants: None, state: Vec::new() })
}

/// What `each_rule!` makes a list of.
pub fn own<F: Scalar, R: Rule<F> + Default>() -> Own<F>
where
    Elementwise<F, R>: Default,
{
    let entry = catalog::<F>().iter().find(|entry| entry.title == R::NAME);
    Own {
        entry: entry.unwrap(),
        slots: R::SLOTS,
        sums: R::SUMS,
        norms: R::NORMS,
        loss: R::LOSS,
        leaf_clocks: R::LEAF_CLOCKS,
        optimizer: || Box::new(Elementwise::<F, R>::default()),
        literal: || literal(&R::default()),
    }
}
