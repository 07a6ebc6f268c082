//! The line searches, by themselves and under conjugate gradient.

use thalweg::solvers::{
    Backtracking, ConjugateGradient, Cubic, Exact, HagerZhang, LineSearch, MoreThuente, Next,
    NoLength, Sample, Secant, Stop, minimize,
};

use super::on::{On, start};
use super::phis::{FIRSTS, PHIS, Phi, sample};
use crate::problems::eleven;

/// The accepted sample, and the number of trials.
fn run(search: &mut dyn LineSearch, phi: Phi, first: f64) -> Result<(Sample, u32), NoLength> {
    let mut length = search.begin(sample(phi, 0.0), first, 1e-15);
    for trials in 1.. {
        let trial = sample(phi, length);
        match search.advance(trial) {
            Next::Try(next) => {
                assert!(next > 0.0 && next.is_finite(), "{search:?}: {next}");
                length = next;
            }
            Next::Accept => return Ok((trial, trials)),
            Next::Fail(why) => return Err(why),
        }
    }
    unreachable!()
}

#[test]
fn each_search_ends_where_its_conditions_hold() {
    for (name, phi) in PHIS {
        for first in FIRSTS {
            let at = sample(phi, 0.0);
            let lower = |s: Sample, c: f64| s.value <= at.value + c * s.length * at.slope;
            let flat = |s: Sample, sigma: f64| s.slope.abs() <= sigma * at.slope.abs();
            let what = |search: &str| format!("{search} on {name} from {first}");

            let (s, n) = run(&mut Cubic::new(), phi, first).unwrap();
            assert!(lower(s, 0.0) && flat(s, 0.3) && n <= 16, "{}: {n}", what("Cubic"));
            let (s, n) = run(&mut MoreThuente::new().curvature(0.1), phi, first).unwrap();
            assert!(lower(s, 1e-4) && flat(s, 0.1) && n <= 12, "{}: {n}", what("MoreThuente"));
            let (s, n) = run(&mut HagerZhang::new().curvature(0.4), phi, first).unwrap();
            assert!(lower(s, 0.0) && s.slope >= 0.4 * at.slope, "{}", what("HagerZhang"));
            assert!(n <= 20, "{}: {n}", what("HagerZhang"));
            let (s, _) = run(&mut Backtracking::new(), phi, first).unwrap();
            assert!(lower(s, 1e-4), "{}", what("Backtracking"));
        }
        // Slopes alone cannot tell a far plateau from a minimum: not from the largest.
        for first in [1e-3, 1e-1, 1.0] {
            let at = sample(phi, 0.0);
            let (s, n) = run(&mut Secant::new(), phi, first).unwrap();
            assert!(s.slope.abs() <= 0.4 * at.slope.abs() && n <= 24, "{name}: {n}");
            let (s, _) = run(&mut Exact::new(), phi, first).unwrap();
            assert!(s.slope.abs() <= 1e-8, "{name}: {s:?}");
        }
    }
}

#[test]
fn on_a_parabola_one_secant_is_exact() {
    let phi: Phi = |a| ((a - 3.0) * (a - 3.0), 2.0 * (a - 3.0));
    let searches: [&mut dyn LineSearch; 3] =
        [&mut Exact::new(), &mut Secant::new().curvature(1e-6), &mut Cubic::new()];
    for search in searches {
        let (s, n) = run(search, phi, 1.0).unwrap();
        assert!((s.length - 3.0).abs() < 1e-12 && n == 2, "{search:?}");
    }
    let (_, n) = run(&mut Exact::new(), phi, 3.0).unwrap();
    assert_eq!(n, 1);
}

fn all() -> [Box<dyn LineSearch>; 6] {
    [
        Box::new(Cubic::new()),
        Box::new(MoreThuente::new()),
        Box::new(HagerZhang::new()),
        Box::new(Backtracking::new()),
        Box::new(Secant::new()),
        Box::new(Exact::new()),
    ]
}

#[test]
fn where_the_function_is_not_defined_the_step_was_too_long() {
    let phis: [Phi; 2] = [
        |a| {
            if a < 0.7 { ((a - 0.5).powi(2), 2.0 * (a - 0.5)) } else { (f64::NAN, f64::NAN) }
        },
        |a| {
            let b = a + 1e-3;
            if b < 1.0 {
                (-b.ln() - (1.0 - b).ln(), 1.0 / (1.0 - b) - 1.0 / b)
            } else {
                (f64::INFINITY, f64::NAN)
            }
        },
    ];
    for phi in phis {
        for first in [1e-4, 1.0, 1e6] {
            for mut search in all() {
                let (s, _) = run(&mut *search, phi, first).unwrap();
                assert!(s.value < phi(0.0).0, "{search:?}");
            }
        }
    }
    for mut search in all() {
        let phi: Phi = |a| if a == 0.0 { (0.0, -1.0) } else { (f64::NAN, f64::NAN) };
        assert_eq!(run(&mut *search, phi, 1.0), Err(NoLength::NonFinite), "{search:?}");
    }
}

#[test]
fn where_values_differ_by_rounding_alone_the_slopes_decide() {
    // The parabola is lost in 1e12, whose rounding is 1e-4.
    let phi: Phi = |a| (1e12 + (1e-5 * (a - 1.0)).powi(2), 2e-10 * (a - 1.0));
    let searches: [&mut dyn LineSearch; 3] =
        [&mut Cubic::new(), &mut HagerZhang::new(), &mut MoreThuente::new()];
    for search in searches {
        let mut length = search.begin(sample(phi, 0.0), 1e-2, 1.0);
        let mut trials = 1;
        while let Next::Try(next) = search.advance(sample(phi, length)) {
            length = next;
            trials += 1;
        }
        assert!(trials < 12 && phi(length).1.abs() <= 0.9 * 2e-10, "{search:?}");
    }
}

#[test]
fn a_function_that_rises_along_the_direction_is_given_up() {
    // φ' says it falls, φ rises.
    let phi: Phi = |a| (a, -1.0);
    for mut search in all() {
        if search.needs_slope()
            && !matches!(format!("{search:?}").as_str(), s if s.starts_with("Secant") || s.starts_with("Exact"))
        {
            let mut length = search.begin(sample(phi, 0.0), 1.0, 1e-12);
            let mut trials = 0;
            let end = loop {
                trials += 1;
                match search.advance(sample(phi, length)) {
                    Next::Try(next) => length = next,
                    end => break end,
                }
            };
            assert!(trials <= 100 && matches!(end, Next::Fail(_)), "{search:?}: {end:?}");
        }
    }
}

/// Whether conjugate gradient solves the eleven problems with that search, asking nowhere twice.
fn solves<L: LineSearch + Clone>(search: &L) {
    for problem in eleven() {
        let (mut w, mut objective) = (start::<f64>(&problem), On::new(&problem));
        let mut solver = ConjugateGradient::new().line_search(search.clone());
        let report = minimize(&mut solver, &mut w, &mut objective, Stop::default()).unwrap();
        let title = problem.title();
        assert!(report.status.is_converged(), "{search:?} on {title}: {report}");
        let near = |minimum: f64| (report.value - minimum).abs() < 1e-6;
        assert!(problem.minima.iter().any(|m| near(m.value)), "{search:?} on {title}: {report}");
        // A search that is exact ends in the rounding, where points coincide.
        assert!(objective.twice <= 1, "{search:?} on {title}");
    }
}

#[test]
fn conjugate_gradient_solves_the_eleven_problems_with_each_search() {
    solves(&MoreThuente::new().curvature(0.1));
    solves(&HagerZhang::new().curvature(0.4));
    solves(&Cubic::new().curvature(0.3));
    solves(&Exact::new());
}

#[test]
fn a_search_by_values_asks_for_values_where_they_are_cheaper() {
    use ndarray::Array1;
    use thalweg::solvers::WithValue;
    let f = |w: &Array1<f64>| (1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2);
    let g = move |w: &Array1<f64>| {
        let b = w[1] - w[0] * w[0];
        (f(w), ndarray::array![-2.0 * (1.0 - w[0]) - 400.0 * w[0] * b, 200.0 * b])
    };
    let mut w = ndarray::array![-1.2, 1.0];
    let mut solver = ConjugateGradient::new().line_search(Backtracking::new());
    let mut objective = WithValue::new(g, f);
    let report = minimize(&mut solver, &mut w, &mut objective, Stop::default()).unwrap();
    assert!(report.status.is_converged(), "{report}");
    let counts = report.evaluations;
    // A gradient at the start and at each accepted point; every trial is a value.
    assert!(counts.gradients <= report.iterations + 1, "{report}");
    assert!(counts.values >= report.iterations, "{report}");
}
