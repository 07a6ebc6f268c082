//! Steps of each rank's own, and meetings.

use ndarray::{Array1, array};
use thalweg::distributed::{Communicator, LocalSteps, Solo, Threads};
use thalweg::{Adam, Error, ErrorKind, Nesterov, Optimizer, Sgd};

use super::support::{bits, gradient, model, on_ranks};

/// DiLoCo written out, in one process, with plain steps: the parameters after each meeting.
fn by_hand(ranks: usize, period: usize, meetings: usize) -> Vec<f64> {
    let (rate, outer_rate, momentum) = (0.1, 0.7, 0.9);
    let (mut start, mut velocity, mut seen) = (1.0_f64, 0.0, Vec::new());
    for _ in 0..meetings {
        let ends: Vec<f64> = (0..ranks)
            .map(|rank| (0..period).fold(start, |w, _| w - rate * (w - rank as f64)))
            .collect();
        let mean = ends.iter().map(|end| start - end).sum::<f64>() / ranks as f64;
        // Nesterov as PyTorch has it: v = μv + g, w -= α(g + μv).
        velocity = momentum * velocity + mean;
        start -= outer_rate * (mean + momentum * velocity);
        seen.push(start);
    }
    seen
}

#[test]
fn meetings_are_those_of_the_paper() {
    for size in [1, 2, 3, 4] {
        for period in [1, 2, 5] {
            let runs = on_ranks(size, move |ranks: Threads| {
                let target = ranks.rank() as f64;
                let outer = Nesterov::torch(0.7).momentum(0.9);
                let mut optimizer = LocalSteps::new(Sgd::new(0.1), outer, period as u64, ranks);
                let (mut w, mut seen) = (array![1.0], Vec::new());
                for _ in 0..4 {
                    for i in 0..period {
                        assert_eq!(optimizer.since(), i as u64);
                        let g = &w - target;
                        optimizer.step(&mut w, &g)?;
                    }
                    seen.push(w[0]);
                }
                Ok(seen)
            });
            let runs = runs.unwrap();
            let expected = by_hand(size, period, 4);
            for seen in &runs {
                assert_eq!(seen, &runs[0], "all have the same parameters after a meeting");
                let close =
                    seen.iter().zip(&expected).all(|(a, b): (&f64, _)| (a - b).abs() < 1e-12);
                assert!(close, "{size} {period}: {seen:?} {expected:?}");
            }
        }
    }
}

#[test]
fn an_error_waits_for_the_meeting_where_it_is_that_of_all() {
    for at in 0..4 {
        for refuses in [false, true] {
            let runs = on_ranks(3, move |ranks: Threads| {
                let rank = ranks.rank();
                let mut optimizer = LocalSteps::new(Sgd::new(0.1), Sgd::new(1.0), 4, ranks);
                let mut w: Array1<f64> = array![1.0, 2.0];
                let mut errors = Vec::new();
                for call in 0..8 {
                    let bad = rank == 1 && call == at;
                    let g = if bad { array![f64::NAN, 0.0] } else { w.clone() };
                    let result = match bad && refuses {
                        true => optimizer.refuse(&mut w, ErrorKind::NothingBest.into()),
                        false => optimizer.step(&mut w, &g),
                    };
                    if let Err(error) = result {
                        errors.push((call, error.to_string()));
                    }
                    if call == 3 {
                        assert_eq!(w, array![1.0, 2.0], "the period is lost");
                    }
                }
                Ok((w, errors))
            });
            let runs = runs.unwrap();
            for (rank, (w, errors)) in runs.iter().enumerate() {
                assert_eq!(*w, runs[0].0);
                assert!(w[0] < 0.7 && w[0] > 0.6, "0.9⁴: {w}");
                let calls: Vec<usize> = errors.iter().map(|(call, _)| *call).collect();
                let expected = if rank == 1 && at != 3 { vec![at, 3] } else { vec![3] };
                assert_eq!(calls, expected, "{rank} {at}");
                assert!(errors.iter().all(|(_, error)| *error == errors[0].1));
            }
        }
    }
}

#[test]
fn an_error_of_the_first_call_of_all_does_not_keep_ranks_waiting() {
    for period in [1, 3] {
        let errors = on_ranks(2, move |ranks: Threads| {
            let rank = ranks.rank();
            let mut optimizer = LocalSteps::new(Sgd::<f64>::new(0.1), Sgd::new(1.0), period, ranks);
            let mut last = Ok(());
            for _ in 0..period {
                let mut w = array![1.0];
                last = match rank {
                    0 => optimizer.refuse(&mut w, Error::other("no data")).map(drop),
                    _ => optimizer.step(&mut w, &array![1.0]).map(drop),
                };
            }
            Ok(last.unwrap_err().to_string())
        });
        for error in errors.unwrap() {
            assert!(error.contains("no data"), "{error}");
        }
    }
}

#[test]
fn each_rank_goes_on_from_its_own_state() {
    let runs = on_ranks(3, |ranks: Threads| {
        let build = || LocalSteps::new(Adam::new(0.05), Nesterov::new(0.7), 3, ranks.clone());
        let rank = ranks.rank();
        let (mut first, mut w) = (build(), model::<f32>(1));
        for call in 0..4 {
            first.step(&mut w, &gradient::<f32>(call, rank))?;
        }
        let (mut second, mut again) = (build(), w.clone());
        second.load_state(&first.state())?;
        assert!(second.state() == first.state());
        for call in 4..10 {
            first.step(&mut w, &gradient::<f32>(call, rank))?;
            second.step(&mut again, &gradient::<f32>(call, rank))?;
            assert_eq!(bits(&w), bits(&again));
        }
        let state = first.state();
        let mut other = LocalSteps::new(Adam::<f32>::new(0.05), Nesterov::new(0.7), 4, Solo);
        let error = other.load_state(&state).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::StateDiffers { .. }), "{error}");
        Ok(())
    });
    runs.unwrap();
    let mut none = LocalSteps::new(Sgd::new(0.1), Sgd::new(1.0), 0, Solo);
    let error = none.step(&mut array![1.0], &array![1.0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Hyperparameter { name: "period", .. }));
}
