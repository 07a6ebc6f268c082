//! Handwritten digits on many ranks: the bits of one process.
//!
//! ```text
//! mpirun -n 2 target/release/examples/digits_on_ranks
//! mpirun -n 4 target/release/examples/digits_on_ranks --wrapper elements --save run.thw
//! ```
//!
//! `--wrapper data|elements|leaves`, `--shards N` (8), `--steps N` (100), `--save FILE` every 20 steps and at the
//! end, `--resume FILE`, `--lose STEP` (rank 1 is killed there).

use std::path::PathBuf;
use std::process::ExitCode;

use ndarray::{Array1, Array2, Axis};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use thalweg::distributed::{
    Communicator, DataParallel, Sharded, Split, mean, on_first, rows_of, verify,
};
use thalweg::params::{Path, Snapshot};
use thalweg::{AdamW, Error, Optimizer, Params, State, StepInfo, checkpoint, loss};
use thalweg_mpi::Mpi;

/// 64 pixels → 128 units → ReLU → 10 scores.
struct Mlp {
    hidden: Array2<f32>,
    hidden_bias: Array1<f32>,
    output: Array2<f32>,
    output_bias: Array1<f32>,
}
thalweg::params!(Mlp { hidden, hidden_bias, output, output_bias });

impl Mlp {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut weight = |rows: usize, columns| {
            let limit = (6.0 / rows as f32).sqrt();
            Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-limit..limit))
        };
        Self {
            hidden: weight(64, 128),
            hidden_bias: Array1::zeros(128),
            output: weight(128, 10),
            output_bias: Array1::zeros(10),
        }
    }

    fn active(&self, images: &Array2<f32>) -> Array2<f32> {
        (images.dot(&self.hidden) + &self.hidden_bias).mapv(|x| x.max(0.0))
    }

    /// The mean cross-entropy of some images, and its gradient.
    fn loss_and_gradient(
        &self,
        images: &Array2<f32>,
        classes: &[usize],
    ) -> Result<(f64, Self), Error> {
        let active = self.active(images);
        let scores = active.dot(&self.output) + &self.output_bias;
        let (loss, by_scores) = loss::softmax_cross_entropy(&scores, classes)?;
        let mut by_hidden = by_scores.dot(&self.output.t());
        by_hidden.zip_mut_with(&active, |d, &a| *d = if a > 0.0 { *d } else { 0.0 });
        let gradient = Self {
            hidden: images.t().dot(&by_hidden),
            hidden_bias: by_hidden.sum_axis(Axis(0)),
            output: active.t().dot(&by_scores),
            output_bias: by_scores.sum_axis(Axis(0)),
        };
        Ok((loss, gradient))
    }

    fn errors(&self, images: &Array2<f32>, classes: &[usize]) -> usize {
        let scores = self.active(images).dot(&self.output) + &self.output_bias;
        let best = |row: ndarray::ArrayView1<'_, f32>| {
            (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0)
        };
        scores.outer_iter().zip(classes).filter(|(row, class)| best(row.view()) != **class).count()
    }

    /// A number that tells parameters from others, by the 64-bit FNV-1a hash of their bits.
    fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        self.visit(Path::ROOT, &mut |_, leaf| {
            for byte in leaf.view().iter().flat_map(|x| x.to_le_bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        });
        hash
    }
}

fn read() -> Result<(Array2<f32>, Vec<usize>), Error> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/data/optdigits.csv");
    let text = std::fs::read_to_string(path).map_err(Error::other)?;
    let (mut pixels, mut classes) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let numbers: Vec<u8> = line.split(',').filter_map(|x| x.trim().parse().ok()).collect();
        let [row @ .., class] = &numbers[..] else { continue };
        pixels.extend(row.iter().map(|&x| f32::from(x) / 16.0));
        classes.push(usize::from(*class));
    }
    let images = Array2::from_shape_vec((classes.len(), 64), pixels).map_err(Error::other)?;
    Ok((images, classes))
}

/// Either wrapper.
enum Many {
    Data(DataParallel<f32, AdamW<f32>, Mpi>),
    Parts(Sharded<f32, AdamW<f32>, Mpi>),
}

impl Many {
    fn own(&self) -> std::ops::Range<usize> {
        match self {
            Self::Data(data) => data.own(),
            Self::Parts(parts) => parts.own(),
        }
    }

    fn step(&mut self, w: &mut Mlp, g: &Mlp, weight: f64) -> Result<StepInfo, Error> {
        match self {
            Self::Data(data) => data.step_weighted(w, g, weight),
            Self::Parts(parts) => parts.step_weighted(w, g, weight),
        }
    }

    fn refuse(&mut self, w: &mut Mlp, error: Error) -> Result<StepInfo, Error> {
        match self {
            Self::Data(data) => data.refuse(w, error),
            Self::Parts(parts) => parts.refuse(w, error),
        }
    }

    fn steps(&self) -> u64 {
        match self {
            Self::Data(data) => data.steps(),
            Self::Parts(parts) => parts.steps(),
        }
    }

    fn state(&self) -> Result<State, Error> {
        match self {
            Self::Data(data) => Ok(data.state()),
            Self::Parts(parts) => parts.gather_state(),
        }
    }

    fn load(&mut self, state: &State) -> Result<(), Error> {
        match self {
            Self::Data(data) => data.load_state(state),
            Self::Parts(parts) => parts.load_state(state),
        }
    }
}

struct Options {
    wrapper: String,
    shards: usize,
    steps: u64,
    save: Option<PathBuf>,
    resume: Option<PathBuf>,
    lose: Option<u64>,
}

fn options() -> Result<Options, Error> {
    let (wrapper, shards, steps) = ("data".to_owned(), 8, 100);
    let mut options = Options { wrapper, shards, steps, save: None, resume: None, lose: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| Error::other(format!("{word} takes a value")))?;
        let number = || value.parse::<usize>().map_err(Error::other);
        match word.as_str() {
            "--wrapper" => options.wrapper = value,
            "--shards" => options.shards = number()?,
            "--steps" => options.steps = number()? as u64,
            "--save" => options.save = Some(value.into()),
            "--lose" => options.lose = Some(number()? as u64),
            "--resume" => options.resume = Some(value.into()),
            _ => return Err(Error::other(format!("{word} is not known"))),
        }
    }
    Ok(options)
}

fn train(mpi: Mpi) -> Result<(), Error> {
    let options = options()?;
    let (images, classes) = read()?;
    let trained = images.nrows() * 4 / 5;
    let shards = options.shards;
    let adamw = AdamW::new(5e-3).clip_norm(1.0).group("*_bias", |bias| bias.weight_decay(0.0));
    let mut optimizer = match options.wrapper.as_str() {
        "data" => Many::Data(DataParallel::new(adamw, mpi).shards(shards)),
        "elements" => Many::Parts(Sharded::new(adamw, mpi).shards(shards).split(Split::Elements)),
        "leaves" => Many::Parts(Sharded::new(adamw, mpi).shards(shards).split(Split::Leaves)),
        other => return Err(Error::other(format!("there is no wrapper `{other}`"))),
    };
    let mut w = Mlp::new();
    if mpi.rank() == 0 {
        let (ranks, wrapper) = (mpi.size(), &options.wrapper);
        println!("ranks: {ranks}; wrapper: {wrapper}; shards of a batch: {shards}");
    }
    if let Some(file) = &options.resume {
        let (parameters, state): (Snapshot<f32>, State) = checkpoint::load(file)?;
        parameters.restore(&mut w)?;
        optimizer.load(&state)?;
    }
    let save = |w: &Mlp, state: &State| match &options.save {
        Some(file) => checkpoint::save(file, &(Snapshot::of(w)?, state)),
        None => Ok(()),
    };
    while optimizer.steps() < options.steps {
        if mpi.rank() == 1 && options.lose == Some(optimizer.steps()) {
            let own = std::process::id().to_string();
            let _ = std::process::Command::new("kill").args(["-9", &own]).status();
        }
        // The batch of a step is the same whatever the ranks.
        let mut rng = ChaCha8Rng::seed_from_u64(optimizer.steps());
        let batch: Vec<usize> = (0..256).map(|_| rng.random_range(0..trained)).collect();
        let mut losses = Vec::new();
        for shard in optimizer.own() {
            let rows = &batch[rows_of(batch.len(), shard, shards)];
            let of: Vec<usize> = rows.iter().map(|&row| classes[row]).collect();
            let weight = rows.len() as f64;
            match w.loss_and_gradient(&images.select(Axis(0), rows), &of) {
                Ok((loss, gradient)) => {
                    losses.push((loss, weight));
                    optimizer.step(&mut w, &gradient, weight)?;
                }
                Err(error) => _ = optimizer.refuse(&mut w, error)?,
            }
        }
        if optimizer.steps() % 25 == 0 {
            let loss = mean(&mpi, shards, &losses)?;
            if mpi.rank() == 0 {
                println!("step {}: loss {loss:.6}", optimizer.steps());
            }
        }
        if options.save.is_some() && optimizer.steps() % 20 == 0 {
            let state = optimizer.state()?;
            on_first(&mpi, || save(&w, &state))?;
        }
    }
    verify(&mpi, &w)?;
    let state = optimizer.state()?;
    on_first(&mpi, || {
        save(&w, &state)?;
        let tested: Vec<usize> = (trained..images.nrows()).collect();
        let wrong = w.errors(&images.select(Axis(0), &tested), &classes[trained..]);
        println!("errors: {wrong} of {}", tested.len());
        println!("parameters: {:016x}", w.fingerprint());
        Ok(())
    })
}

fn main() -> ExitCode {
    thalweg_mpi::run(train)
}
