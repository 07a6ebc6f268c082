//! Runs that PyTorch began go on here, and its files are ours: goldens by `tests/golden/safetensors.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayD, array};
use serde_json::Value;
use thalweg::params::Snapshot;
use thalweg::regularize::Penalty;
use thalweg::{
    AdaDelta, AdaGrad, AdaMax, Adam, AdamW, AmsGrad, Average, CenteredRmsProp, Error, ErrorKind,
    Momentum, Nesterov, Optimizer, RAdam, RmsProp, RmsPropMomentum, Schedule, Sgd, safetensors,
};

#[derive(Debug, Clone, PartialEq)]
struct Model {
    weight: Array2<f64>,
    bias: Array1<f64>,
}
thalweg::params!(Model: f64 { weight, bias });

fn start() -> Model {
    Model { weight: array![[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], bias: array![0.1, -0.2, 0.3] }
}

/// As in the script.
fn gradient(model: &Model, step: u64) -> Model {
    let of = |i: usize, w: f64| ((37 * i as u64 + 101 * step) % 64) as f64 / 32.0 - 1.0 + w / 4.0;
    let mut gradient = model.clone();
    gradient.weight.iter_mut().enumerate().for_each(|(i, w)| *w = of(i, *w));
    gradient.bias.iter_mut().enumerate().for_each(|(i, w)| *w = of(i, *w));
    gradient
}

fn step_once(optimizer: &mut dyn Optimizer<f64>, model: &mut Model, step: u64) {
    let gradient = gradient(model, step);
    optimizer.step(model, &gradient).unwrap();
}

/// The script's cases, as they are built here.
fn cases() -> Vec<(&'static str, Box<dyn Optimizer<f64>>)> {
    vec![
        ("sgd_momentum", Box::new(Momentum::torch(0.1).momentum(0.9))),
        ("sgd_dampened", Box::new(Momentum::torch(0.1).momentum(0.9).dampening(0.25))),
        ("sgd_nesterov", Box::new(Nesterov::torch(0.1).momentum(0.9))),
        ("adam", Box::new(Adam::new(0.05).beta1(0.8).beta2(0.95))),
        ("adam_l2", Box::new(Adam::new(0.05).penalty(Penalty::l2(0.1)))),
        ("amsgrad", Box::new(AmsGrad::new(0.05).beta1(0.8).beta2(0.6))),
        ("adamw", Box::new(AdamW::new(0.05).weight_decay(0.1))),
        ("adamax", Box::new(AdaMax::new(0.05))),
        ("radam", Box::new(RAdam::new(0.05))),
        ("rmsprop", Box::new(RmsProp::torch(0.02))),
        ("rmsprop_centered", Box::new(CenteredRmsProp::torch(0.02))),
        ("rmsprop_momentum", Box::new(RmsPropMomentum::torch(0.02).momentum(0.9))),
        ("adagrad", Box::new(AdaGrad::new(0.1))),
        ("adadelta", Box::new(AdaDelta::torch(1.0))),
    ]
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/safetensors")
}

fn runs() -> Value {
    let text = std::fs::read_to_string(golden().with_extension("json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn model_of(value: &Value) -> Model {
    let list = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let rows: Vec<f64> = value["weight"].as_array().unwrap().iter().flat_map(list).collect();
    Model {
        weight: Array2::from_shape_vec((2, 3), rows).unwrap(),
        bias: list(&value["bias"]).into(),
    }
}

#[track_caller]
fn assert_close(case: &str, found: &Model, expected: &Model) {
    let pairs = found.weight.iter().zip(&expected.weight);
    for (a, b) in pairs.chain(found.bias.iter().zip(&expected.bias)) {
        assert!((a - b).abs() <= 1e-13 * b.abs().max(1.0), "{case}: {a} and not {b}");
    }
}

/// Name, type, shape and numbers of each tensor, by the format's own words.
fn tensors(bytes: &[u8]) -> BTreeMap<String, (String, Vec<u64>, Vec<f64>)> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let data = &bytes[8 + length..];
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let all = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    all.map(|(name, tensor)| {
        let places = &tensor["data_offsets"];
        let data = &data[number(&places[0])..number(&places[1])];
        let dtype = tensor["dtype"].as_str().unwrap();
        let numbers = match dtype {
            "F64" => data.chunks(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect(),
            "F32" => {
                data.chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap()).into()).collect()
            }
            other => panic!("{other}"),
        };
        let shape = tensor["shape"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap());
        (name.clone(), (dtype.to_owned(), shape.collect(), numbers))
    })
    .collect()
}

#[test]
fn a_run_of_pytorch_goes_on_here() {
    let runs = runs();
    for (case, mut optimizer) in cases() {
        let mut model = model_of(&runs[case]["mid"]);
        let mid = golden().join(format!("{case}.mid"));
        safetensors::load_optimizer(mid, &mut *optimizer, &model).unwrap();
        // SGD keeps no count; whether a step is the first is all that it asks.
        let steps = if case.starts_with("sgd") { 1 } else { 7 };
        assert_eq!(optimizer.steps(), steps, "{case}");
        for step in 8..=12 {
            step_once(&mut *optimizer, &mut model, step);
        }
        assert_close(case, &model, &model_of(&runs[case]["end"]));
    }
}

#[test]
fn what_is_written_here_is_what_pytorch_writes() {
    for (case, mut optimizer) in cases() {
        let mut model = start();
        for step in 1..=12 {
            step_once(&mut *optimizer, &mut model, step);
        }
        let mut found = tensors(&safetensors::optimizer_to_bytes(&*optimizer).unwrap());
        let expected = tensors(&std::fs::read(golden().join(format!("{case}.end"))).unwrap());
        if case.starts_with("sgd") {
            for leaf in ["weight", "bias"] {
                let step = found.remove(&format!("{leaf}.step")).unwrap();
                assert_eq!(step, ("F64".to_owned(), vec![], vec![12.0]));
            }
        }
        assert!(found.keys().eq(expected.keys()), "{case}: {:?}", found.keys());
        for (name, (dtype, shape, numbers)) in &expected {
            assert_eq!((&found[name].0, &found[name].1), (dtype, shape), "{case} {name}");
            for (a, b) in found[name].2.iter().zip(numbers) {
                assert!(
                    (a - b).abs() <= 1e-13 * b.abs().max(1.0),
                    "{case} {name}: {a} and not {b}"
                );
            }
        }
    }
}

#[test]
fn what_was_written_goes_on_to_the_same_bits() {
    for (case, mut optimizer) in cases() {
        let (_, mut other) = cases().into_iter().find(|(name, _)| *name == case).unwrap();
        let mut model = start();
        for step in 1..=5 {
            step_once(&mut *optimizer, &mut model, step);
        }
        let bytes = safetensors::optimizer_to_bytes(&*optimizer).unwrap();
        let mut same = model.clone();
        safetensors::optimizer_from_bytes(&bytes, &mut *other, &same).unwrap();
        for step in 6..=9 {
            step_once(&mut *optimizer, &mut model, step);
            step_once(&mut *other, &mut same, step);
        }
        assert_eq!(model, same, "{case}");
        assert_eq!(other.steps(), 9);
    }
}

#[test]
fn schedules_groups_and_averages_stand_around_what_is_loaded() {
    let runs = runs();
    let mut model = model_of(&runs["adamw"]["mid"]);
    let mut adamw = AdamW::new(Schedule::linear(0.0, 1.0, 100))
        .average(Average::ema(0.5))
        .group("bias", |g| g.weight_decay(0.0));
    let mid = golden().join("adamw.mid");
    safetensors::load_optimizer(mid, &mut adamw, &model).unwrap();
    assert_eq!(adamw.learning_rate(), 0.07); // step 8
    let gradient = gradient(&model, 8);
    adamw.step(&mut model, &gradient).unwrap();
    assert_eq!(adamw.steps(), 8);

    // A frozen leaf has no state, there and here.
    let bytes = std::fs::read(golden().join("adamw.mid")).unwrap();
    let mut frozen = AdamW::<f64>::new(0.1).group("bias", |g| g.frozen(true));
    let error = safetensors::optimizer_from_bytes(&bytes, &mut frozen, &start()).unwrap_err();
    assert!(error.to_string().contains("bias.exp_avg"), "{error}");
}

#[test]
fn a_file_of_something_else_changes_nothing() {
    let bytes = std::fs::read(golden().join("adam.mid")).unwrap();
    let check = |optimizer: &mut dyn Optimizer<f64>, bytes: &[u8], of: &Model| -> Error {
        let (before, steps) = (optimizer.state(), optimizer.steps());
        let error = safetensors::optimizer_from_bytes(bytes, optimizer, of).unwrap_err();
        assert_eq!(optimizer.state(), before, "{error}");
        assert_eq!(optimizer.steps(), steps);
        error
    };
    let mut stepped = Adam::new(0.1);
    let mut model = start();
    stepped.step(&mut model, &gradient(&start(), 1)).unwrap();
    let mut fresh = Adam::new(0.1);
    let other = Model { weight: Array2::zeros((3, 2)), bias: Array1::zeros(3) };
    let mut swapped = Adam::new(0.1).average(Average::ema(0.5));
    swapped.step(&mut model, &gradient(&start(), 1)).unwrap();
    swapped.swap_average(&mut model).unwrap();
    for adam in [&mut fresh, &mut stepped] {
        for cut in [0, 7, 8, 100, bytes.len() - 1] {
            check(adam, &bytes[..cut], &start());
        }
        let error = check(adam, &std::fs::read(golden().join("adagrad.mid")).unwrap(), &start());
        let ErrorKind::Leaves { missing, unexpected, .. } = error.kind() else { panic!("{error}") };
        assert!(missing.contains(&"weight.exp_avg".to_owned()), "{error}");
        assert!(unexpected.contains(&"bias.sum".to_owned()), "{error}");
    }
    assert!(check(&mut fresh, &bytes, &other).to_string().contains("[2, 3]"));
    check(&mut swapped, &bytes, &start());
    let others: [&mut dyn Optimizer<f64>; 3] =
        [&mut Sgd::new(0.1), &mut Momentum::new(0.1), &mut AmsGrad::optax(0.1)];
    for other in others {
        let error = check(other, &bytes, &start());
        assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    }
    // f64 moments into f32 parameters lose digits.
    let narrow = (ArrayD::<f32>::zeros(vec![2, 3]), ArrayD::<f32>::zeros(vec![3]));
    let narrow = vec![("weight".to_owned(), narrow.0), ("bias".to_owned(), narrow.1)];
    let narrow = Snapshot::from_leaves(narrow).unwrap();
    let mut adam = Adam::<f32>::new(0.1);
    let error = safetensors::optimizer_from_bytes(&bytes, &mut adam, &narrow).unwrap_err();
    assert!(error.to_string().contains("F64"), "{error}");
    assert_eq!(adam.steps(), 0);
}

#[test]
fn parameters_of_each_type_are_read_as_they_are() {
    let runs = runs();
    for name in ["model.bf16", "model.f16"] {
        let mut model = start();
        safetensors::load(golden().join(name), &mut model).unwrap();
        assert_eq!(model, model_of(&runs[name]), "{name}");
    }
    let model = start();
    let bytes = safetensors::to_bytes(&model).unwrap();
    let found = tensors(&bytes);
    assert_eq!(found["weight"].1, [2, 3]);
    assert_eq!(found["weight"].2, model.weight.iter().copied().collect::<Vec<_>>());
    let mut turned =
        Model { weight: model.weight.clone().reversed_axes(), bias: model.bias.clone() };
    let before = turned.clone();
    safetensors::from_bytes(&bytes, &mut turned).unwrap_err();
    assert_eq!(turned, before);
    turned.weight = Array2::zeros((3, 2)).reversed_axes();
    safetensors::from_bytes(&bytes, &mut turned).unwrap();
    assert_eq!(turned, model);
    let mut part = Array2::<f64>::zeros((2, 3));
    let error = safetensors::from_bytes(&bytes, &mut part).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leaves { .. }), "{error}");
}
