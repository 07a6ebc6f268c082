//! Factors and a step of K-FAC by PyTorch; see `tests/golden/kfac.py`.

use ndarray::{Array1, Array2};
use serde_json::Value;
use thalweg::Optimizer;
use thalweg::natural_gradient::{Exact, Kfac, NaturalGradient};

use super::support::{CLASSES, HIDDEN, INPUTS, Net};

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn net(value: &Value) -> Net {
    let matrix = |name: &str, shape| Array2::from_shape_vec(shape, list(&value[name])).unwrap();
    Net {
        w1: matrix("w1", (INPUTS, HIDDEN)),
        b1: Array1::from(list(&value["b1"])),
        w2: matrix("w2", (HIDDEN, CLASSES)),
        b2: Array1::from(list(&value["b2"])),
    }
}

#[test]
fn factors_and_a_step_agree_with_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("../golden/kfac.json")).unwrap();
    let number = |name: &str| golden[name].as_f64().unwrap();
    let mut model = net(&golden["parameters"]);
    let metric = Kfac::<f64, Exact>::new(number("damping")).decay(number("decay"));
    let mut optimizer = NaturalGradient::new(number("learning_rate"), metric);
    for batch in golden["batches"].as_array().unwrap() {
        let x = Array2::from_shape_vec((list(batch).len() / INPUTS, INPUTS), list(batch)).unwrap();
        let outputs = Exact::categorical(&model.scores(&x)).unwrap();
        optimizer.observe(&model, model.batch(&x, &outputs).unwrap()).unwrap();
    }
    let theirs = golden["factors"].as_array().unwrap();
    let ours = optimizer.metric().factors().flat_map(|(a, g)| [a, g]);
    for (ours, theirs) in ours.zip(theirs) {
        assert_eq!(ours.len(), list(theirs).len());
        for (ours, theirs) in ours.iter().zip(list(theirs)) {
            assert!((ours - theirs).abs() < 1e-13, "{ours} {theirs}");
        }
    }
    optimizer.step(&mut model, &net(&golden["gradient"])).unwrap();
    let moved = net(&golden["moved"]);
    for (ours, theirs) in [(&model.w1, &moved.w1), (&model.w2, &moved.w2)] {
        assert!((ours - theirs).iter().all(|d| d.abs() < 1e-12));
    }
    for (ours, theirs) in [(&model.b1, &moved.b1), (&model.b2, &moved.b2)] {
        assert!((ours - theirs).iter().all(|d| d.abs() < 1e-12));
    }
}
