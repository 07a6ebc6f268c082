//! Runs random programs of optimizers in several ways that must give the same bits:
//! `differential [SECONDS [SEED]]`.
//!
//! A program is an optimizer with settings, wrappers around it, and steps with freezing, thawing, errors,
//! swaps of the average and saving in between, in `f32` or `f64`. It is run on row-major arrays, on other
//! layouts, on another instruction set with many threads, and saved and loaded on the way. What fails is
//! cut down to the fewest operations that still fail, and printed.

mod model;
mod subject;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use model::{LEAVES, Model, Way, finite};
use subject::{Kind, Subject};
use thalweg::regularize::{AdaptiveClip, Decay, GradientNoise, MaxNorm, Penalty, Units};
use thalweg::{Average, Change, Scalar, Schedule, Settings};

/// A generator of numbers: splitmix64.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn number(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Step(u64),
    /// A gradient that is not finite, in that leaf.
    NotFinite(usize),
    /// A gradient of another shape.
    Misshapen,
    Freeze(usize, bool),
    /// Another factor, or a rate of its own, for a leaf.
    Factor(usize, f64),
    Own(usize),
    Rate(f64),
    Scale(f64),
    Swap,
    Save,
    Reset,
}

#[derive(Debug, Clone)]
struct Program {
    single: bool,
    kind: Kind,
    settings: Settings,
    wrappers: Vec<Wrapper>,
    ops: Vec<Op>,
}

/// From the innermost on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrapper {
    Lookahead(u64),
    Accumulate(u64),
    Averaged,
    Sam { adaptive: bool },
}

fn settings(random: &mut Random) -> Settings {
    let mut settings = Settings::default();
    settings.clip_norm = random.chance(15).then_some(0.7);
    settings.clip_value = random.chance(20).then_some(0.5);
    settings.clip_leaf_norm = random.chance(10).then_some(0.6);
    settings.clip_adaptive = random.chance(10).then_some(AdaptiveClip::new(0.05));
    settings.cautious = random.chance(10);
    settings.maximize = random.chance(10);
    settings.centralized = random.chance(10).then_some(Units::FirstAxis);
    let noise = GradientNoise::annealed(0.1, 0.55);
    settings.gradient_noise = random.chance(10).then_some(noise);
    if random.chance(20) {
        settings.penalty = Penalty::elastic_net(0.01, 0.02);
    }
    settings.decoupled_decay = random.chance(20).then_some(Decay::Relative(0.05));
    if random.chance(10) {
        settings.shrink = 0.99;
    }
    if random.chance(10) {
        settings.proximal_l1 = 0.01;
    }
    settings.max_norm = random.chance(10).then(|| MaxNorm::whole(2.5));
    settings.average = match random.below(6) {
        0 => Some(Average::ema(0.9)),
        1 => Some(Average::swa().start(2).every(2)),
        2 => Some(Average::ema(0.8).debiased()),
        _ => None,
    };
    settings
}

impl Program {
    fn random(random: &mut Random) -> Self {
        let leaf = |random: &mut Random| random.below(LEAVES.len());
        let op = |random: &mut Random| match random.below(24) {
            0 => Op::NotFinite(leaf(random)),
            1 => Op::Misshapen,
            2 | 3 => Op::Freeze(leaf(random), random.chance(50)),
            4 => Op::Rate(0.05 + 0.01 * random.below(5) as f64),
            5 => Op::Scale(0.5 + 0.25 * random.below(3) as f64),
            6 => Op::Swap,
            7 | 8 => Op::Save,
            9 if random.chance(20) => Op::Reset,
            10 => Op::Factor(leaf(random), 0.5 + 0.5 * random.below(3) as f64),
            11 if random.chance(30) => Op::Own(leaf(random)),
            _ => Op::Step(random.next()),
        };
        let wrapper = |random: &mut Random| match random.below(5) {
            0 | 1 => Wrapper::Lookahead(1 + random.below(3) as u64),
            2 => Wrapper::Accumulate(1 + random.below(3) as u64),
            3 => Wrapper::Averaged,
            _ => Wrapper::Sam { adaptive: random.chance(50) },
        };
        let kind = Kind::random(random);
        let mut wrappers: Vec<Wrapper> = Vec::new();
        for _ in 0..random.below(4) {
            let next = wrapper(random);
            let is_sam = |wrapper: &Wrapper| matches!(wrapper, Wrapper::Sam { .. });
            // One inside another is refused.
            if !(is_sam(&next) && wrappers.iter().any(is_sam)) {
                wrappers.push(next);
            }
        }
        let count = 3 + random.below(20);
        Self {
            single: random.chance(40),
            kind,
            settings: settings(random),
            wrappers,
            ops: (0..count).map(|_| op(random)).collect(),
        }
    }

    /// Whether a sum over elements decides, whose last bits depend on the layout.
    fn sums(&self) -> bool {
        let Settings { clip_norm, clip_leaf_norm, clip_adaptive, max_norm, .. } = &self.settings;
        let is_sam = |wrapper: &Wrapper| matches!(wrapper, Wrapper::Sam { .. });
        (clip_norm.is_some() || clip_leaf_norm.is_some() || clip_adaptive.is_some())
            || max_norm.is_some()
            || self.kind.couples()
            || self.wrappers.iter().any(is_sam)
    }

    /// The bits of the parameters after each operation.
    fn run<F: Scalar>(&self, way: Way) -> Vec<Vec<u64>> {
        let build = || Subject::<F>::build(self, way);
        let (mut optimizer, mut model) = (build(), Model::<F>::new(way));
        let mut trace = Vec::new();
        let may_fail = self.kind.goes_by_a_function();
        for op in &self.ops {
            optimizer.observe(&mut model);
            let before = (optimizer.state(), model.bits());
            let trained = |leaf: usize| {
                let (name, shape) = LEAVES[leaf];
                optimizer.get().treatment(name, shape).trained
            };
            match *op {
                Op::Step(seed) => {
                    if let Err(error) = optimizer.step(&mut model, seed, finite) {
                        assert!(may_fail, "a good step is refused: {error}");
                        assert_eq!(
                            before,
                            (optimizer.state(), model.bits()),
                            "an error changed it"
                        );
                    }
                }
                Op::NotFinite(leaf) if trained(leaf) => {
                    let spoil = |i: usize, array: &mut ndarray::ArrayD<F>| {
                        if i == leaf {
                            let bad = if leaf == 0 { F::nan() } else { F::infinity() };
                            array.iter_mut().last().into_iter().for_each(|x| *x = bad);
                        }
                    };
                    // What searches along a line takes it for a trial too far away.
                    match optimizer.step(&mut model, 7, spoil) {
                        Ok(()) => assert!(may_fail, "it is not finite, and is taken"),
                        Err(_) => {
                            let after = (optimizer.state(), model.bits());
                            assert_eq!(before, after, "an error changed it");
                        }
                    }
                }
                Op::NotFinite(_) => {}
                Op::Misshapen => {
                    let cut = |i: usize, array: &mut ndarray::ArrayD<F>| {
                        if i == 1 {
                            *array = ndarray::ArrayD::zeros(vec![2]);
                        }
                    };
                    optimizer.step(&mut model, 7, cut).expect_err("a wrong shape");
                    assert_eq!(before, (optimizer.state(), model.bits()), "an error changed it");
                }
                Op::Freeze(leaf, frozen) => {
                    change(&mut optimizer, leaf, Change::new().frozen(frozen));
                }
                Op::Factor(leaf, factor) => {
                    change(&mut optimizer, leaf, Change::new().rate_factor(factor));
                }
                Op::Own(leaf) if self.kind.may_have_own_rate(LEAVES[leaf].1.len()) => {
                    let rate = Schedule::linear(0.05, 0.01, 12);
                    change(&mut optimizer, leaf, Change::new().schedule(rate));
                }
                Op::Own(_) => {}
                Op::Rate(rate) => {
                    let set = optimizer.get_mut().set_learning_rate(rate);
                    assert!(set.is_ok() || optimizer.state() == before.0, "an error changed it");
                }
                Op::Scale(factor) => {
                    let scaled = optimizer.get_mut().scale_rate(factor);
                    assert!(scaled.is_ok() || optimizer.state() == before.0, "an error changed it");
                }
                Op::Swap if optimizer.get().has_ascended() == Some(true) => {}
                Op::Swap => {
                    if optimizer.swap_average(&mut model).is_ok() {
                        optimizer.step(&mut model, 7, finite).expect_err("the average is in place");
                        trace.push(model.bits());
                        optimizer.swap_average(&mut model).unwrap();
                    }
                    assert_eq!(before.1, model.bits(), "swapped to and fro");
                }
                Op::Save if way == Way::Saved => {
                    // Built as at the beginning: what was changed since is part of the state.
                    let mut loaded = build();
                    loaded.get_mut().load_state(&before.0).unwrap();
                    assert_eq!(loaded.state(), before.0, "what was loaded is not what was saved");
                    optimizer = loaded;
                }
                Op::Save => {}
                Op::Reset if optimizer.get().has_ascended() == Some(true) => {}
                Op::Reset => optimizer.get_mut().reset(),
            }
            trace.push(model.bits());
        }
        trace
    }

    /// Whether all ways agree; what they say where they do not.
    fn check(&self) -> Result<(), String> {
        let run = |way| {
            let run = || if self.single { self.run::<f32>(way) } else { self.run::<f64>(way) };
            catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
                let text = payload.downcast_ref::<String>().cloned();
                let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&s| s.to_owned()));
                format!(
                    "{way:?}: {}",
                    text.unwrap_or_default().chars().take(2000).collect::<String>()
                )
            })
        };
        let expected = run(Way::Plain)?;
        for way in Way::OTHERS {
            let found = run(way)?;
            // The layout may move the last bits of a sum, and what follows from them.
            if found != expected && !(self.sums() && way.is_layout()) {
                return Err(format!("{way:?} has other bits"));
            }
        }
        Ok(())
    }

    /// The shortest program by leaving out operations, wrappers and settings that still fails.
    fn shrunk(mut self) -> Self {
        let mut at = 0;
        while at < self.ops.len() {
            let mut shorter = self.clone();
            shorter.ops.remove(at);
            if shorter.check().is_err() { self = shorter } else { at += 1 }
        }
        let mut at = 0;
        while at < self.wrappers.len() {
            let mut shorter = self.clone();
            shorter.wrappers.remove(at);
            if shorter.check().is_err() { self = shorter } else { at += 1 }
        }
        let plain = Self { settings: Settings::default(), ..self.clone() };
        if plain.check().is_err() { plain } else { self }
    }
}

fn change<F: Scalar>(optimizer: &mut Subject<F>, leaf: usize, change: Change) {
    let before = optimizer.state();
    let changed = optimizer.get_mut().change_group(LEAVES[leaf].0.into(), change);
    assert!(changed.is_ok() || optimizer.state() == before, "an error changed it");
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let (seconds, seed) = (arguments.next().unwrap_or(60), arguments.next().unwrap_or(1));
    let (begun, mut random) = (Instant::now(), Random(seed));
    let mut count = 0_u64;
    std::panic::set_hook(Box::new(|_| {}));
    while begun.elapsed() < Duration::from_secs(seconds) {
        let program = Program::random(&mut random);
        if program.check().is_err() {
            let program = program.shrunk();
            println!("program {count} of seed {seed}: {:?}", program.check());
            println!("{program:#?}");
            std::process::exit(1);
        }
        count += 1;
    }
    println!(
        "{count} programs of seed {seed} in {seconds} s, each in {} ways: no difference",
        1 + Way::OTHERS.len()
    );
}
