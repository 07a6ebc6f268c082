//! A training in a file, to go on from after an interruption.

use std::path::Path;

use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use thalweg::params::Snapshot;
use thalweg::train::EarlyStopping;
use thalweg::{Error, State, checkpoint};

use crate::fingerprint::fingerprint;
use crate::train::{Epoch, Training};

/// All that an epoch changes, and what the training was started with.
#[derive(Serialize, Deserialize)]
struct Saved {
    options: Vec<(String, String)>,
    epochs: Vec<Epoch>,
    stopped: bool,
    parameters: Snapshot<f32>,
    optimizer: State,
    rng: Vec<u8>,
    early_stopping: Option<EarlyStopping<f32>>,
}

/// Writes the file, whole or not at all.
pub fn save(training: &Training<'_>, file: &Path) -> Result<(), Error> {
    let saved = Saved {
        options: options(training),
        epochs: training.epochs.clone(),
        stopped: training.stopped,
        parameters: Snapshot::of(&training.model)?,
        optimizer: training.optimizer.state(),
        rng: training.rng.serialize_state().to_vec(),
        early_stopping: training.early_stopping.clone(),
    };
    checkpoint::save(file, &saved)
}

/// Brings a new training to where the one in the file stood; its options must be the same.
pub fn resume(training: &mut Training<'_>, file: &Path) -> Result<(), String> {
    let name = file.display();
    let explain = |error: Error| format!("cannot resume from {name}: {error}");
    let saved: Saved = checkpoint::load(file).map_err(explain)?;
    for (option, now) in options(training) {
        let then = saved.options.iter().find(|(saved, _)| *saved == option);
        let then = then.map_or("unknown", |(_, then)| then);
        if then != now {
            return Err(format!(
                "cannot resume from {name}: {option} was {then} when it was written and is {now} now; \
                 resume with the options that the training was started with"
            ));
        }
    }
    let state: Result<&[u8; 49], _> = saved.rng.as_slice().try_into();
    let rng = state.map(ChaCha8Rng::deserialize_state);
    let rng = rng.map_err(|_| format!("cannot resume from {name}: no state of its generator"))?;
    saved.optimizer.check_leaves(&training.model).map_err(explain)?;
    saved.parameters.restore(&mut training.model).map_err(explain)?;
    training.optimizer.load_state(&saved.optimizer).map_err(explain)?;
    training.rng = rng;
    training.early_stopping = saved.early_stopping;
    training.epochs = saved.epochs;
    training.stopped = saved.stopped;
    Ok(())
}

/// What the result depends on.
fn options(training: &Training<'_>) -> Vec<(String, String)> {
    let Training { entry, learning_rate, plan, training, validation, test, .. } = training;
    let images = [training, *validation, *test].into_iter().flat_map(|digits| {
        digits.images.iter().copied().chain(digits.classes.iter().map(|&class| class as f32))
    });
    let mut options = plan.options();
    options.push(("--optimizer".to_owned(), entry.name.to_owned()));
    options.push(("--learning-rate".to_owned(), learning_rate.to_string()));
    options.push((
        "--data".to_owned(),
        format!("images with the fingerprint {}", fingerprint(images)),
    ));
    options
}
