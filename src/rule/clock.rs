//! What a leaf counts, and what its rule carries from one of its steps to the next.

/// 1 - βᵗ: what an average of t terms that began at 0 falls short of.
///
/// Computed as -expm1(t·ln β): the difference itself loses all digits where β is close to 1.
///
/// ```
/// use thalweg::rule::bias_correction;
/// assert!((bias_correction(0.9, 2) - 0.19).abs() < 1e-15);
/// assert_eq!(bias_correction(0.0, 1), 1.0);
/// ```
#[inline]
pub fn bias_correction(beta: f64, step: u64) -> f64 {
    correction(beta, step, || beta.ln())
}

#[inline]
fn correction(beta: f64, step: u64, logarithm: impl FnOnce() -> f64) -> f64 {
    let t = step as f64;
    // βᵗ < exp(-t(1-β)): past 40 the correction is 1 to the last bit, and costs no exponential.
    if t * (1.0 - beta) > 40.0 { 1.0 } else { -(t * logarithm()).exp_m1() }
}

/// How many decays a rule may have corrected for.
const DECAYS: usize = 2;

/// The step of a leaf, and what is carried from one of its steps to the next.
///
/// A leaf has a clock of its own, which begins with its state. A leaf that is thawed after 5,000 steps
/// of the optimizer takes its first step then, and is corrected for averages that begin then. The
/// learning rate's schedule, and those of hyperparameters, go by the optimizer's step all the same.
///
/// ```
/// use thalweg::rule::Clock;
/// let mut clock = Clock::default();
/// clock.advance(7); // the optimizer's seventh step is the leaf's first
/// assert_eq!((clock.step(), clock.optimizer_step()), (1, 7));
/// assert!((clock.correction(0, 0.9) - 0.1).abs() < 1e-15); // 1 - 0.9
/// clock.advance(8);
/// assert!((clock.correction(0, 0.5) - 0.55).abs() < 1e-15); // 1 - 0.9·0.5
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    step: u64,
    now: u64,
    decays: [Decay; DECAYS],
    carried: [f64; 2],
    of_tree: [f64; 4],
}

/// ln Π βᵢ, as a run of equal factors and what was before it.
#[derive(Debug, Clone, Copy)]
struct Decay {
    beta: f64,
    run: u64,
    before: f64,
    /// ln β, which a step need not compute anew, and the β that it is of.
    logarithm: f64,
    logarithm_of: f64,
}

impl Default for Decay {
    fn default() -> Self {
        Self { beta: 0.0, run: 0, before: 0.0, logarithm: f64::NEG_INFINITY, logarithm_of: 0.0 }
    }
}

impl Clock {
    /// The step of the leaf that is about to be taken, counted from 1 at the first that its state knew.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The step of the optimizer that is about to be taken, which schedules go by.
    pub fn optimizer_step(&self) -> u64 {
        self.now
    }

    /// Goes on to the leaf's next step, which is that step of the optimizer. The engine calls it.
    pub fn advance(&mut self, optimizer_step: u64) {
        self.step += 1;
        self.now = optimizer_step;
    }

    /// 1 - Πβᵢ over the leaf's steps, of which the last is this one with `beta`: what an average that
    /// began at 0 falls short of.
    ///
    /// With one β throughout it is [`bias_correction`](β, step). `place` is 0 or
    /// 1, for each average whose decay differs; it is asked once a step. In place 0 and 1 alone are
    /// numbers kept; elsewhere `beta` is taken to have been the same all along.
    #[inline]
    pub fn correction(&mut self, place: usize, beta: f64) -> f64 {
        self.take(place, beta).correction(0)
    }

    /// As [`correction`](Clock::correction), and beside it that of the step to come if it has the same β.
    pub fn corrections(&mut self, place: usize, beta: f64) -> [f64; 2] {
        let decay = self.take(place, beta);
        [decay.correction(0), decay.correction(1)]
    }

    /// What [`correction`](Self::correction) has said of place 0 or 1 in this step; elsewhere 1.
    pub fn corrected(&self, place: usize) -> f64 {
        self.decays.get(place).map_or(1.0, |decay| decay.correction(0))
    }

    /// Πβᵢ over the leaf's steps, of which the last was told to [`correction`](Clock::correction).
    pub fn product(&self, place: usize) -> f64 {
        self.decays.get(place).map_or(0.0, |decay| decay.logarithm(0).exp())
    }

    #[inline]
    fn take(&mut self, place: usize, beta: f64) -> Decay {
        let step = self.step;
        let Some(decay) = self.decays.get_mut(place) else {
            let mut decay = Decay { beta, run: step, ..Decay::default() };
            decay.ready();
            return decay;
        };
        if decay.run == 0 || decay.beta.is_nan() {
            // The first step; or a state of which only the step is known.
            *decay = Decay { beta, run: step.max(1), ..Decay::default() };
        } else if decay.beta == beta {
            decay.run += 1;
        } else {
            *decay = Decay { beta, run: 1, before: decay.logarithm(0), ..Decay::default() };
        }
        decay.ready();
        *decay
    }

    /// Two numbers that the rule may keep from step to step, 0 before the leaf's first.
    pub fn carried(&mut self) -> &mut [f64; 2] {
        &mut self.carried
    }

    /// What the rule carries of the whole tree ([`Totals`](super::Totals)), as the last step left it; 0
    /// before the optimizer's first.
    pub fn of_tree(&self) -> [f64; 4] {
        self.of_tree
    }

    /// Tells what is carried of the whole tree.
    pub(crate) fn tell(&mut self, of_tree: [f64; 4]) {
        self.of_tree = of_tree;
    }

    /// The clock of a leaf that has taken so many steps, each with the β that the next one will have.
    ///
    /// ```
    /// use thalweg::rule::{Clock, bias_correction};
    /// let mut clock = Clock::after(41);
    /// clock.advance(42);
    /// assert_eq!(clock.correction(0, 0.9), bias_correction(0.9, 42));
    /// ```
    pub fn after(steps: u64) -> Self {
        Self::at(steps, [0.0; 2])
    }

    /// A clock of which a state of an earlier version tells the step and what was carried.
    pub(crate) fn at(step: u64, carried: [f64; 2]) -> Self {
        let run = if step == 0 { 0 } else { step };
        let decays = [Decay { beta: f64::NAN, run, ..Decay::default() }; DECAYS];
        let decays = if step == 0 { Default::default() } else { decays };
        Self { step, now: step, decays, carried, of_tree: [0.0; 4] }
    }

    /// What a state keeps of it: whole numbers and others, each with its name.
    pub(crate) fn entries(&mut self) -> (ClockCounts<'_>, ClockNumbers<'_>) {
        let [a, b] = &mut self.decays;
        let [first, second] = &mut self.carried;
        (
            [("step", &mut self.step), ("run.0", &mut a.run), ("run.1", &mut b.run)],
            [
                ("beta.0", &mut a.beta),
                ("before.0", &mut a.before),
                ("beta.1", &mut b.beta),
                ("before.1", &mut b.before),
                ("carried.0", first),
                ("carried.1", second),
            ],
        )
    }

    /// Whether a clock that was loaded can be: no run is longer than all, no product above 1.
    pub(crate) fn is_possible(&self) -> bool {
        let possible = |decay: &Decay| {
            decay.run <= self.step
                && (decay.beta.is_nan() || (0.0..1.0).contains(&decay.beta))
                && decay.before <= 0.0
        };
        self.decays.iter().all(possible) && self.carried.iter().all(|number| !number.is_nan())
    }

    /// Whether two leaves that have these clocks go on alike.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let bits = |clock: &Self| {
            let mut clock = *clock;
            let (counts, numbers) = clock.entries();
            (counts.map(|(_, n)| *n), numbers.map(|(_, x)| x.to_bits()))
        };
        bits(self) == bits(other)
    }
}

type ClockCounts<'a> = [(&'static str, &'a mut u64); 3];
type ClockNumbers<'a> = [(&'static str, &'a mut f64); 6];

impl Decay {
    /// Has the logarithm of its β at hand.
    #[inline]
    fn ready(&mut self) {
        if self.logarithm_of.to_bits() != self.beta.to_bits() {
            self.renew();
        }
    }

    // A call of its own: a logarithm that is in sight is computed before it is known to be wanted.
    #[cold]
    #[inline(never)]
    fn renew(&mut self) {
        (self.logarithm, self.logarithm_of) = (self.beta.ln(), self.beta);
    }

    /// ln of the product, and of so many factors more.
    fn logarithm(mut self, more: u64) -> f64 {
        self.ready();
        let run = (self.run + more) as f64;
        if run == 0.0 { self.before } else { self.before + run * self.logarithm }
    }

    #[inline]
    fn correction(&self, more: u64) -> f64 {
        if self.before == 0.0 {
            return correction(self.beta, self.run + more, || self.logarithm);
        }
        -self.logarithm(more).exp_m1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_is_one_less_the_product_of_all_betas() {
        let betas = [0.9, 0.9, 0.85, 0.99, 0.99, 0.0, 0.999, 0.5];
        let (mut clock, mut product) = (Clock::default(), 1.0);
        for (i, &beta) in betas.iter().enumerate() {
            clock.advance(100 + i as u64);
            product *= beta;
            let [now, next] = clock.corrections(1, beta);
            assert!((now - (1.0 - product)).abs() < 1e-15, "{i}");
            assert!((next - (1.0 - product * beta)).abs() < 1e-15, "{i}");
        }
    }

    #[test]
    fn one_beta_throughout_gives_the_bits_of_its_power() {
        let mut clock = Clock::default();
        for step in 1..100 {
            clock.advance(step);
            assert_eq!(clock.correction(0, 0.97), bias_correction(0.97, step));
        }
    }

    #[test]
    fn a_clock_of_an_earlier_state_goes_on() {
        let mut old = Clock::at(41, [0.0; 2]);
        old.advance(42);
        assert_eq!(old.correction(0, 0.9), bias_correction(0.9, 42));
        old.advance(43);
        assert_eq!(old.correction(0, 0.9), bias_correction(0.9, 43));
    }
}
