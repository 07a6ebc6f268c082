//! A rule written outside the crate gets all that the crate's own have.

use approx::assert_relative_eq;
use ndarray::{Array2, Axis, Slice, array};
use thalweg::rule::{Clock, Interval};
use thalweg::{
    Elementwise, Error, ErrorKind, NonFinite, Optimizer, Rule, Scalar, Schedule, Settings, Simd,
};

/// QHM (Ma & Yarats 2019): m = βm + (1-β)g, Δw = -α((1-ν)g + νm).
#[derive(Debug, Clone)]
struct Qhm {
    nu: f64,
    beta: f64,
}

impl Default for Qhm {
    fn default() -> Self {
        Self { nu: 0.7, beta: 0.999 }
    }
}

impl<F: Scalar> Rule<F> for Qhm {
    const NAME: &'static str = "Qhm";
    const LEARNING_RATE: f64 = 0.5;
    const SLOTS: &'static [&'static str] = &["m"];
    type State = [F; 1];
    type Step = [F; 5];

    fn validate(&self) -> Result<(), Error> {
        Interval::closed(0.0, 1.0, "a number in [0, 1]").check::<F>("Qhm", "nu", self.nu)?;
        Interval::FRACTION.check::<F>("Qhm", "beta", self.beta)
    }

    fn begin(&self, _clock: &mut Clock, learning_rate: f64) -> [F; 5] {
        let (nu, beta) = (self.nu, self.beta);
        [learning_rate, nu, 1.0 - nu, beta, 1.0 - beta].map(F::from_f64)
    }

    #[inline(always)]
    fn update(k: &[F; 5], w: F, g: F, [m]: [F; 1]) -> (F, [F; 1]) {
        let m = k[3] * m + k[4] * g;
        (w - k[0] * (k[2] * g + k[1] * m), [m])
    }
}

fn qhm<F: Scalar>(learning_rate: impl Into<Schedule>) -> Elementwise<F, Qhm> {
    Elementwise::with_rule(Qhm { nu: 0.7, beta: 0.9 }, learning_rate)
}

#[test]
fn it_is_the_formula() {
    let (mut w, mut m, mut expected) = (array![1.0, -2.0], [0.0; 2], [1.0, -2.0]);
    let mut optimizer = qhm(0.1);
    for t in 0..50 {
        let g = array![f64::from(t).sin(), 0.3 - f64::from(t % 3)];
        optimizer.step(&mut w, &g).unwrap();
        for i in 0..2 {
            m[i] = 0.9 * m[i] + 0.1 * g[i];
            expected[i] -= 0.1 * (0.3 * g[i] + 0.7 * m[i]);
            assert_relative_eq!(w[i], expected[i], epsilon = 1e-14);
        }
    }
    assert_relative_eq!(optimizer.slot("", "m").unwrap()[[0]], m[0], epsilon = 1e-15);
}

#[test]
fn it_has_the_same_bits_in_every_layout_and_on_every_instruction_set() {
    let g = Array2::from_shape_fn((37, 53), |(i, j)| ((i * 53 + j) as f32).sin());
    let run = |simd: Simd, strided: bool| {
        let mut whole = Array2::from_elem((37, 106), 1.0_f32);
        let mut plain = Array2::from_elem((37, 53), 1.0_f32);
        let mut optimizer = qhm(0.1).simd(simd).clip_norm(0.5);
        for _ in 0..5 {
            if strided {
                let mut w = whole.slice_axis_mut(Axis(1), Slice::new(0, None, 2));
                optimizer.step(&mut w, &g).unwrap();
            } else {
                optimizer.step(&mut plain, &g).unwrap();
            }
        }
        if strided { whole.slice_axis(Axis(1), Slice::new(0, None, 2)).to_owned() } else { plain }
    };
    let expected = run(Simd::BASELINE, false);
    for simd in Simd::available() {
        assert_eq!(run(simd, true), expected, "{simd:?}");
        assert_eq!(run(simd, false), expected, "{simd:?}");
    }
}

#[test]
fn it_has_a_default_a_box_and_the_policies() {
    let mut any: Vec<Box<dyn Optimizer<f64>>> = vec![
        Box::new(Elementwise::<f64, _>::with_rule(Qhm::default(), 0.5)),
        Box::new(qhm(0.5).non_finite(NonFinite::Skip)),
        Box::new(qhm(0.5).with_settings(Settings::default())),
    ];
    let mut w = array![4.0, -4.0];
    for optimizer in &mut any {
        assert_eq!((optimizer.name(), optimizer.learning_rate()), ("Qhm", 0.5));
        let g = w.clone();
        assert_eq!(optimizer.step(&mut w, &g).unwrap().step, 1);
    }
    let before = w.clone();
    let bad = array![0.0, f64::NAN];
    let error = any[0].step(&mut w, &bad).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { index, .. } if *index == [1]));
    assert!(any[1].step(&mut w, &bad).unwrap().skipped);
    assert_eq!(w, before);
}

#[test]
fn its_ranges_are_checked_before_anything_is_written() {
    for (rule, wrong) in [
        (Qhm { nu: 1.5, beta: 0.9 }, "nu"),
        (Qhm { nu: f64::NAN, beta: 0.9 }, "nu"),
        (Qhm { nu: 0.5, beta: 1.0 }, "beta"),
    ] {
        let mut w = array![1.0_f32];
        let mut optimizer = Elementwise::with_rule(rule, 0.1);
        let error = optimizer.step(&mut w, &array![1.0]).unwrap_err();
        assert_eq!(optimizer.validate().unwrap_err().to_string(), error.to_string());
        assert!(
            matches!(error.kind(), ErrorKind::Hyperparameter { owner: "Qhm", name, .. } if *name == wrong)
        );
        assert_eq!(w[0], 1.0);
    }
}

#[test]
fn its_state_is_kept_by_name() {
    let mut optimizer = qhm(0.1);
    let (mut a, mut b) = (array![1.0, 1.0], array![1.0]);
    optimizer.step(&mut (&mut a, &mut b), &(array![1.0, 1.0], array![1.0])).unwrap();
    let error = optimizer.step(&mut a, &array![1.0, 1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Leaves { .. }));
    let m: f64 = optimizer.slot("1", "m").unwrap()[[0]];
    assert_relative_eq!(m, 0.1, epsilon = 1e-15);
    assert!(optimizer.slot("1", "v").is_none() && optimizer.slot("2", "m").is_none());
}
