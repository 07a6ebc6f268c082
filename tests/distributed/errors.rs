//! What goes wrong on one rank is one error on all, nothing has changed anywhere, and nobody waits.

use ndarray::{Array1, ArrayD, array};
use thalweg::distributed::{Communicator, DataParallel, Threads, broadcast, on_first, verify};
use thalweg::{Adam, Error, ErrorKind, NonFinite, Optimizer, Schedule, Sgd};

use super::support::{KINDS, Kind, Many, Model, bits, gradient, model, on_ranks};

/// What one rank does to a call that would be right.
type Fault =
    (&'static str, fn(&mut Model<f32>, &mut Model<f32>) -> Option<Error>, fn(&ErrorKind) -> bool);

fn faults() -> Vec<Fault> {
    vec![
        (
            "NaN",
            |_, g| {
                g.get_mut("b.weight").unwrap()[[3, 4]] = f32::NAN;
                None
            },
            |kind| matches!(kind, ErrorKind::NonFiniteGradient { leaf, index, .. } if leaf == "b.weight" && index[..] == [3, 4]),
        ),
        (
            "an infinite gradient",
            |_, g| {
                g.get_mut("scale").unwrap()[[]] = f32::INFINITY;
                None
            },
            |kind| matches!(kind, ErrorKind::NonFiniteGradient { leaf, .. } if leaf == "scale"),
        ),
        (
            "a leaf less",
            |_, g| {
                g.remove("a.bias");
                None
            },
            |kind| matches!(kind, ErrorKind::Leaves { missing, .. } if missing[..] == ["a.bias"]),
        ),
        (
            "another shape",
            |_, g| {
                g.insert("a.bias".to_owned(), ArrayD::zeros(vec![72]));
                None
            },
            |kind| matches!(kind, ErrorKind::GradientShape { leaf, .. } if leaf == "a.bias"),
        ),
        (
            "another model",
            |w, _| {
                w.insert("new".to_owned(), ArrayD::zeros(vec![2]));
                None
            },
            |kind| matches!(kind, ErrorKind::Leaves { .. } | ErrorKind::RanksDiffer { .. }),
        ),
        (
            "a refusal",
            |_, _| Some(ErrorKind::NothingBest.into()),
            |kind| matches!(kind, ErrorKind::NothingBest),
        ),
        (
            "a refusal of one's own",
            |_, _| Some(Error::other("the disk is full")),
            |kind| matches!(kind, ErrorKind::Rank { rank: 1, problem } if problem == "the disk is full"),
        ),
    ]
}

#[test]
fn an_error_of_one_rank_is_that_of_all() {
    for (what, fault, is) in faults() {
        for kind in KINDS {
            // At the first of a rank's shards, at its last, at the first step and later.
            for (at_step, at_shard) in [(0, 0), (0, 1), (2, 0), (2, 1)] {
                let runs =
                    on_ranks(3, move |ranks| disturbed(ranks, kind, fault, at_step, at_shard));
                let runs = runs.unwrap();
                for (errors, w) in &runs {
                    assert_eq!(errors.len(), 1, "{what} {kind:?}");
                    assert!(is(errors[0].kind()), "{what} {kind:?}: {}", errors[0]);
                    assert_eq!(errors[0].to_string(), runs[0].0[0].to_string());
                    assert_eq!(*w, undisturbed(), "{what} {kind:?} {at_step} {at_shard}");
                }
            }
        }
    }
}

/// A run in which rank 1 does something wrong once: its errors, and what it comes to.
fn disturbed(
    ranks: Threads,
    kind: Kind,
    fault: fn(&mut Model<f32>, &mut Model<f32>) -> Option<Error>,
    at_step: usize,
    at_shard: usize,
) -> Result<(Vec<Error>, Vec<u64>), Error> {
    let rank = ranks.rank();
    let mut many = Many::new(kind, Box::new(Adam::new(0.03)), ranks, 6);
    let mut w = model::<f32>(1);
    let mut errors = Vec::new();
    for step in 0..4 {
        let mut tries = 0;
        loop {
            let before = bits(&w);
            let mut result = Ok(());
            for (i, shard) in many.own().enumerate() {
                let mut g = gradient(step, shard);
                let mut other = w.clone();
                let bad = (rank, step, i, tries) == (1, at_step, at_shard, 0);
                let refused = if bad { fault(&mut other, &mut g) } else { None };
                let w = if bad { &mut other } else { &mut w };
                result = match refused {
                    Some(error) => many.refuse(w, error).map(drop),
                    None => many.optimizer().step(w, &g).map(drop),
                };
            }
            tries += 1;
            let Err(error) = result else { break };
            assert_eq!(bits(&w), before);
            assert_eq!(many.optimizer().steps(), step as u64);
            errors.push(error);
        }
    }
    Ok((errors, bits(&w)))
}

fn undisturbed() -> Vec<u64> {
    let mut optimizer = thalweg::train::Accumulate::new(Adam::new(0.03), 6);
    let mut w = model::<f32>(1);
    for step in 0..4 {
        (0..6).for_each(|shard| _ = optimizer.step(&mut w, &gradient::<f32>(step, shard)).unwrap());
    }
    bits(&w)
}

#[test]
fn skips_are_skips_of_all() {
    let runs = on_ranks(2, |ranks| {
        let rank = ranks.rank();
        let adam = Adam::new(0.1).non_finite(NonFinite::Skip);
        let mut optimizer = DataParallel::new(adam, ranks);
        let mut w = array![1.0_f32, 2.0];
        for step in 0..3 {
            let g = if (rank, step) == (1, 1) { f32::NAN } else { 1.0 };
            let info = optimizer.step(&mut w, &array![g, 1.0])?;
            assert_eq!(info.skipped, step == 1);
        }
        Ok((w, optimizer.skipped(), optimizer.steps()))
    });
    for (w, skipped, steps) in runs.unwrap() {
        assert_eq!((skipped, steps), (1, 2));
        assert!((w[0] - 0.8).abs() < 1e-5);
    }
}

/// The kind of error that all ranks end with where each runs `work`.
fn kind_of(work: fn(Threads) -> Result<(), Error>) -> String {
    let errors = on_ranks(3, move |ranks| Ok(work(ranks).unwrap_err().to_string())).unwrap();
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    errors[0].clone()
}

#[test]
fn ranks_that_differ_are_told_apart() {
    let parameters = kind_of(|ranks| {
        let mut w = array![1.0_f32, if ranks.rank() == 2 { 2.0 } else { 3.0 }];
        DataParallel::new(Sgd::new(0.1), ranks).step(&mut w, &array![0.0, 0.0]).map(drop)
    });
    assert!(parameters.contains("the parameters of rank 2 differ"), "{parameters}");
    let leaves = kind_of(|ranks| {
        let mut w = Array1::<f32>::zeros(2 + ranks.rank() / 2);
        let g = w.clone();
        DataParallel::new(Sgd::new(0.1), ranks).step(&mut w, &g).map(drop)
    });
    assert!(leaves.contains("the leaves of rank 2 differ"), "{leaves}");
    let frozen = kind_of(|ranks| {
        let mut w = array![1.0_f32];
        let sgd = Sgd::new(0.1).frozen(ranks.rank() == 1);
        DataParallel::new(sgd, ranks).step(&mut w, &array![0.0]).map(drop)
    });
    assert!(frozen.contains("the frozen leaves of rank 1 differ"), "{frozen}");
    let schedule = kind_of(|ranks| {
        let rate = if ranks.rank() == 1 { f64::NAN } else { 0.1 };
        let schedule = Schedule::custom("mine", move |_| rate);
        let mut w = array![1.0_f32];
        let result = DataParallel::new(Sgd::new(schedule), ranks).step(&mut w, &array![1.0]);
        assert_eq!(w[0], 1.0);
        result.map(drop)
    });
    assert!(schedule.contains("the learning rate NaN of step 1"), "{schedule}");
    let shards = kind_of(|ranks| {
        let mut optimizer = DataParallel::new(Sgd::new(0.1), ranks).shards(2);
        let own = optimizer.own();
        assert_eq!(own.len(), 1, "every rank hears of it");
        optimizer.step(&mut array![1.0_f32], &array![1.0]).map(drop)
    });
    assert!(shards.contains("shards = 2 is not allowed"), "{shards}");
    let weights = kind_of(|ranks| {
        let mut optimizer = DataParallel::new(Sgd::new(0.1), ranks);
        optimizer.step_weighted(&mut array![1.0_f32], &array![1.0], 0.0).map(drop)
    });
    assert!(weights.contains("the batch is empty"), "{weights}");
}

#[test]
fn a_panic_or_an_error_of_one_ends_all() {
    for size in [2, 3, 8] {
        let error = on_ranks::<()>(size, |ranks| {
            let mut optimizer = DataParallel::new(Sgd::new(0.1), ranks.clone());
            let mut w = array![0.0_f64];
            for step in 0.. {
                assert!(ranks.rank() != 1 || step < 3, "lost at {step}");
                optimizer.step(&mut w, &array![1.0])?;
            }
            Ok(())
        });
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Rank { rank: 1, .. }), "{error}");
        assert_eq!(error.to_string(), "rank 1: panicked: lost at 3");

        let error = on_ranks::<()>(size, |ranks| {
            let mut optimizer = DataParallel::new(Sgd::new(0.1), ranks.clone());
            let mut w = array![0.0_f64];
            for step in 0.. {
                if ranks.rank() == 1 && step == 3 {
                    return Err(ErrorKind::NothingBest.into());
                }
                optimizer.step(&mut w, &array![1.0])?;
            }
            Ok(())
        });
        assert_eq!(error.unwrap_err().kind(), &ErrorKind::NothingBest);

        // One that leaves without a word.
        let error = on_ranks(size, |ranks| {
            let mut optimizer = DataParallel::new(Sgd::new(0.1), ranks.clone());
            if ranks.rank() != 0 {
                optimizer.step(&mut array![0.0_f64], &array![1.0])?;
            }
            Ok(())
        });
        assert!(matches!(error.unwrap_err().kind(), ErrorKind::Transport { .. }));
    }
}

#[test]
fn exchanges_that_do_not_fit_are_errors() {
    type Bad = fn(&Threads) -> Result<(), Error>;
    let bad: [Bad; 7] = [
        |ranks| ranks.exchange(&[(1 - ranks.rank(), &[1; 2])], &mut [(1 - ranks.rank(), &mut [0])]),
        |ranks| ranks.exchange(&[(2, &[1])], &mut []),
        |ranks| match ranks.rank() {
            0 => ranks.all_gather(&[1], &mut [0; 2], &[1, 1]),
            _ => ranks.all_to_all(&[1, 1], &[1, 1], &mut [0; 2], &[1, 1]),
        },
        |ranks| ranks.all_gather(&[1], &mut [0; 3], &[1, 1]),
        |ranks| ranks.all_gather(&[1], &mut [0; 1], &[1]),
        |ranks| ranks.all_to_all(&[1, 1], &[1, 1], &mut [0; 3], &[1, 2]),
        |ranks| ranks.all_gather(&[1, 2], &mut [0; 2], &[1, 1]),
    ];
    for bad in bad {
        let error = on_ranks(2, move |ranks| bad(&ranks)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Transport { .. }), "{error}");
    }
}

#[test]
fn parameters_are_brought_to_all_or_told_apart() {
    let runs = on_ranks(4, |ranks| {
        let mut w = model::<f64>(1 + ranks.rank() as u64);
        let error = verify(&ranks, &w).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RanksDiffer { rank: 1, .. }), "{error}");
        broadcast(&ranks, &mut w)?;
        verify(&ranks, &w)?;
        assert_eq!(bits(&w), bits(&model::<f64>(1)));
        let before = bits(&w);
        if ranks.rank() == 3 {
            w.insert("c".to_owned(), ArrayD::zeros(vec![1]));
        }
        let error = broadcast(&ranks, &mut w).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RanksDiffer { rank: 3, .. }), "{error}");
        w.remove("c");
        assert_eq!(bits(&w), before);
        on_first(&ranks, || Ok(()))
    });
    runs.unwrap();
}
