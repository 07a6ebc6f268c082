//! Runs random programs of optimizers in several ways that must give the same bits:
//! `differential [SECONDS [SEED]]`.
//!
//! A program is an optimizer of the catalog with settings, wrappers around it, and steps with freezing,
//! thawing, errors, swaps of the average and saving in between. It is run on row-major arrays, on
//! other layouts, on another instruction set, and saved and loaded on the way. What fails is cut down
//! to the fewest operations that still fail, and printed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, ArrayViewMut1, ArrayViewMut2, Axis, ShapeBuilder, Slice};
use thalweg::regularize::{Decay, Penalty};
use thalweg::train::{Accumulate, Lookahead, Sam};
use thalweg::{Average, Change, Optimizer, Settings, Simd, State, catalog};

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
    Rate(f64),
    Scale(f64),
    Swap,
    Save,
    Reset,
}

#[derive(Debug, Clone)]
struct Program {
    optimizer: usize,
    settings: Settings,
    wrapper: usize,
    ops: Vec<Op>,
}

/// One of the ways to run a program.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Plain,
    ColumnMajor,
    Gaps,
    Baseline,
    Saved,
}

impl Program {
    fn random(random: &mut Random) -> Self {
        let mut settings = Settings::default();
        settings.clip_norm = random.chance(20).then_some(0.7);
        settings.clip_value = random.chance(20).then_some(0.5);
        settings.clip_leaf_norm = random.chance(10).then_some(0.6);
        settings.cautious = random.chance(10);
        settings.maximize = random.chance(10);
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
        settings.average = match random.below(6) {
            0 => Some(Average::ema(0.9)),
            1 => Some(Average::swa().start(2).every(2)),
            2 => Some(Average::ema(0.8).debiased()),
            _ => None,
        };
        let op = |random: &mut Random| match random.below(20) {
            0 => Op::NotFinite(random.below(2)),
            1 => Op::Misshapen,
            2 | 3 => Op::Freeze(random.below(2), random.chance(50)),
            4 => Op::Rate(0.05 + 0.01 * random.below(5) as f64),
            5 => Op::Scale(0.5 + 0.25 * random.below(3) as f64),
            6 => Op::Swap,
            7 | 8 => Op::Save,
            9 if random.chance(20) => Op::Reset,
            _ => Op::Step(random.next()),
        };
        let count = 3 + random.below(20);
        Self {
            optimizer: random.below(catalog::<f64>().len()),
            settings,
            wrapper: random.below(6),
            ops: (0..count).map(|_| op(random)).collect(),
        }
    }

    /// Whether a sum over elements decides, whose last bits depend on the layout.
    fn sums(&self) -> bool {
        let Settings { clip_norm, clip_leaf_norm, .. } = &self.settings;
        let couples = catalog::<f64>()[self.optimizer].couples;
        clip_norm.is_some() || clip_leaf_norm.is_some() || couples || self.wrapper == 3
    }

    fn build(&self, way: Way) -> Any {
        let mut settings = self.settings.clone();
        if way == Way::Baseline {
            settings.simd = Simd::BASELINE;
            settings.parallel_above = 1;
        }
        let inner = catalog::<f64>()[self.optimizer].build(0.05, settings);
        match self.wrapper {
            1 => Any::Plain(Box::new(Lookahead::new(inner).period(3))),
            2 => Any::Plain(Box::new(Accumulate::new(inner, 2))),
            3 => Any::Sam(Sam::new(inner, 0.05)),
            4 => Any::Plain(Box::new(Lookahead::new(Accumulate::new(inner, 2)).period(2))),
            _ => Any::Plain(inner),
        }
    }

    /// The bits of the parameters after each operation.
    fn run(&self, way: Way) -> Vec<Vec<u64>> {
        let (mut optimizer, mut model) = (self.build(way), Model::new(way));
        let (mut changes, mut trace) = (Vec::new(), Vec::new());
        for op in &self.ops {
            let before = (optimizer.state(), model.bits());
            let frozen =
                |leaf: usize| !optimizer.get().treatment(NAMES[leaf], SHAPES[leaf]).trained;
            match *op {
                Op::Step(seed) => {
                    let (a, b) = gradients(seed);
                    if let Err(error) = optimizer.step(&mut model, &a, &b) {
                        panic!("a good step is refused: {error}");
                    }
                }
                Op::NotFinite(leaf) if !frozen(leaf) => {
                    let (mut a, mut b) = gradients(7);
                    if leaf == 0 {
                        a[[1, 2]] = f64::NAN
                    } else {
                        b[3] = f64::INFINITY
                    }
                    optimizer.step(&mut model, &a, &b).expect_err("it is not finite");
                    assert_eq!(before, (optimizer.state(), model.bits()), "an error changed it");
                }
                Op::Misshapen => {
                    let (a, _) = gradients(7);
                    optimizer.step(&mut model, &a, &Array1::zeros(2)).expect_err("a wrong shape");
                    assert_eq!(before, (optimizer.state(), model.bits()), "an error changed it");
                }
                Op::NotFinite(_) => {}
                Op::Freeze(leaf, frozen) => {
                    changes.push((leaf, frozen));
                    freeze(&mut optimizer, leaf, frozen);
                }
                Op::Rate(rate) => optimizer.get_mut().set_learning_rate(rate).unwrap(),
                Op::Scale(factor) => optimizer.get_mut().scale_rate(factor).unwrap(),
                Op::Swap if self.settings.average.is_some() => {
                    model.swap_average(&mut optimizer);
                    let (a, b) = gradients(7);
                    optimizer.step(&mut model, &a, &b).expect_err("the average is in place");
                    trace.push(model.bits());
                    model.swap_average(&mut optimizer);
                    assert_eq!(before.1, model.bits(), "swapped to and fro");
                }
                Op::Swap => {}
                Op::Save if way == Way::Saved => {
                    let mut loaded = self.build(way);
                    changes.iter().for_each(|&(leaf, frozen)| freeze(&mut loaded, leaf, frozen));
                    loaded.get_mut().load_state(&before.0).unwrap();
                    assert_eq!(loaded.state(), before.0, "what was loaded is not what was saved");
                    optimizer = loaded;
                }
                Op::Save => {}
                Op::Reset => optimizer.get_mut().reset(),
            }
            trace.push(model.bits());
        }
        trace
    }

    /// Whether all ways agree; what they say where they do not.
    fn check(&self) -> Result<(), String> {
        let run = |way| {
            catch_unwind(AssertUnwindSafe(|| self.run(way))).map_err(|payload| {
                let text = payload.downcast_ref::<String>().cloned();
                let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&s| s.to_owned()));
                format!("{way:?}: {}", text.unwrap_or_default())
            })
        };
        let expected = run(Way::Plain)?;
        let ways = [Way::Baseline, Way::Saved, Way::ColumnMajor, Way::Gaps];
        for way in ways.into_iter().take(if self.sums() { 2 } else { 4 }) {
            if run(way)? != expected {
                return Err(format!("{way:?} has other bits"));
            }
        }
        Ok(())
    }

    /// The shortest program by leaving out operations that still fails.
    fn shrunk(mut self) -> Self {
        let mut at = 0;
        while at < self.ops.len() {
            let mut shorter = self.clone();
            shorter.ops.remove(at);
            if shorter.check().is_err() { self = shorter } else { at += 1 }
        }
        self
    }
}

const NAMES: [&str; 2] = ["0", "1"];
const SHAPES: [&[usize]; 2] = [&[5, 7], &[19]];

enum Any {
    Plain(Box<dyn Optimizer<f64>>),
    Sam(Sam<f64, Box<dyn Optimizer<f64>>>),
}

impl Any {
    fn get(&self) -> &dyn Optimizer<f64> {
        match self {
            Any::Plain(optimizer) => &**optimizer,
            Any::Sam(sam) => sam,
        }
    }

    fn get_mut(&mut self) -> &mut dyn Optimizer<f64> {
        match self {
            Any::Plain(optimizer) => &mut **optimizer,
            Any::Sam(sam) => sam,
        }
    }

    fn state(&self) -> State {
        self.get().state()
    }

    fn step(
        &mut self,
        model: &mut Model,
        a: &Array2<f64>,
        b: &Array1<f64>,
    ) -> Result<(), thalweg::Error> {
        let (mut w, mut v) = model.views();
        if let Any::Sam(sam) = self {
            sam.ascend(&mut (&mut w, &mut v), &(a, b))?;
        }
        self.get_mut().step(&mut (&mut w, &mut v), &(a, b)).map(drop)
    }
}

fn freeze(optimizer: &mut Any, leaf: usize, frozen: bool) {
    let change = Change::new().frozen(frozen);
    optimizer.get_mut().change_group(NAMES[leaf].into(), change).unwrap();
}

fn gradients(seed: u64) -> (Array2<f64>, Array1<f64>) {
    let mut random = Random(seed);
    let a = Array2::from_shape_simple_fn((5, 7), || random.number());
    (a, Array1::from_shape_simple_fn(19, || random.number()))
}

/// A matrix and a vector, as they lie in memory.
struct Model {
    way: Way,
    w: Array2<f64>,
    v: Array1<f64>,
}

impl Model {
    fn new(way: Way) -> Self {
        let (w, v) = match way {
            Way::ColumnMajor => (Array2::zeros((5, 7).f()), Array1::zeros(19)),
            Way::Gaps => (Array2::zeros((5, 21)), Array1::zeros(38)),
            _ => (Array2::zeros((5, 7)), Array1::zeros(19)),
        };
        let mut model = Self { way, w, v };
        let (a, b) = gradients(1);
        let (mut w, mut v) = model.views();
        w.assign(&a);
        v.assign(&b);
        model
    }

    fn views(&mut self) -> (ArrayViewMut2<'_, f64>, ArrayViewMut1<'_, f64>) {
        if self.way == Way::Gaps {
            let w = self.w.slice_axis_mut(Axis(1), Slice::new(0, None, 3));
            (w, self.v.slice_axis_mut(Axis(0), Slice::new(0, None, -2)))
        } else {
            (self.w.view_mut(), self.v.view_mut())
        }
    }

    fn bits(&mut self) -> Vec<u64> {
        let (w, v) = self.views();
        w.iter().chain(v.iter()).map(|x| x.to_bits()).collect()
    }

    fn swap_average(&mut self, optimizer: &mut Any) {
        let (mut w, mut v) = self.views();
        optimizer.get_mut().swap_average(&mut (&mut w, &mut v)).unwrap();
    }
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
            let name = catalog::<f64>()[program.optimizer].name;
            println!("program {count} of seed {seed}, {name}: {:?}", program.check());
            println!("{program:#?}");
            std::process::exit(1);
        }
        count += 1;
    }
    println!(
        "{count} programs of seed {seed} in {seconds} s, each in up to five ways: no difference"
    );
}
