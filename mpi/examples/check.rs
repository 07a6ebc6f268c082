//! What goes wrong, and what must be right, on ranks of MPI: the tests launch it with the name of a case.

use std::process::ExitCode;

use ndarray::{Array1, Array2, array};
use thalweg::distributed::{
    Communicator, DataParallel, LocalSteps, Sharded, Solo, Sum, broadcast, mean, shards_of, verify,
};
use thalweg::solvers::{Lbfgs, Stop, minimize};
use thalweg::{Adam, Error, ErrorKind, Nesterov, Optimizer, Sgd};
use thalweg_mpi::Mpi;

type Model = (Array2<f32>, Array1<f32>);

fn model() -> Model {
    let weight = Array2::from_shape_fn((50, 60), |(i, j)| ((i * 60 + j) as f32 * 0.37).sin());
    (weight, Array1::from_shape_fn(60, |i| (i as f32 * 0.7).cos()))
}

fn gradient(step: usize, shard: usize) -> Model {
    let seed = (step * 100 + shard) as f32;
    let weight =
        Array2::from_shape_fn((50, 60), |(i, j)| ((i * 60 + j) as f32 * 0.11 + seed).sin());
    (weight, Array1::from_shape_fn(60, |i| (i as f32 * 0.3 + seed).cos()))
}

/// Bytes of every pair of ranks, none among them, arrive where they should.
fn bytes(mpi: &Mpi) -> Result<(), Error> {
    let (rank, size) = (mpi.rank(), mpi.size());
    for round in 0..3 {
        let count = |from: usize, to: usize| (from * 7 + to * 3 + round) % 5;
        let byte = |from: usize, to: usize, i: usize| (from * 50 + to * 11 + i) as u8;
        let part = |from, to| (0..count(from, to)).map(move |i| byte(from, to, i));
        let sent: Vec<u8> = (0..size).flat_map(|to| part(rank, to)).collect();
        let expected: Vec<u8> = (0..size).flat_map(|from| part(from, rank)).collect();
        let to: Vec<usize> = (0..size).map(|to| count(rank, to)).collect();
        let from: Vec<usize> = (0..size).map(|from| count(from, rank)).collect();
        let mut received = vec![0; expected.len()];
        mpi.all_to_all(&sent, &to, &mut received, &from)?;
        assert_eq!(received, expected);
        let all: Vec<u8> = (0..size).flat_map(|from| part(from, 0)).collect();
        let counts: Vec<usize> = (0..size).map(|from| count(from, 0)).collect();
        let mut gathered = vec![0; all.len()];
        mpi.all_gather(&part(rank, 0).collect::<Vec<u8>>(), &mut gathered, &counts)?;
        assert_eq!(gathered, all);
    }
    let none = vec![0; size];
    mpi.all_to_all(&[], &none, &mut [], &none)?;
    mpi.all_gather(&[], &mut [], &none)
}

/// Messages between every two ranks, and of each to itself, arrive in order.
fn messages(mpi: &Mpi) -> Result<(), Error> {
    let (rank, size) = (mpi.rank(), mpi.size());
    let message = |from: usize, to: usize, i: usize| {
        vec![(from * 50 + to * 11 + i) as u8; (from + 2 * to + 3 * i) % 5 * 20_000 + i]
    };
    let all = || (0..size).flat_map(|other| [(other, 0), (other, 1)]);
    let sent: Vec<Vec<u8>> = all().map(|(to, i)| message(rank, to, i)).collect();
    let mut received: Vec<Vec<u8>> =
        all().map(|(from, i)| vec![0; message(from, rank, i).len()]).collect();
    let out: Vec<(usize, &[u8])> =
        all().zip(&sent).map(|((to, _), sent)| (to, &sent[..])).collect();
    let into = all().zip(&mut received).map(|((from, _), received)| (from, &mut received[..]));
    mpi.exchange(&out, &mut into.collect::<Vec<_>>())?;
    assert!(all().zip(&received).all(|((from, i), found)| *found == message(from, rank, i)));
    let error = mpi.exchange(&[(size, &[1])], &mut []).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Transport { .. }), "{error}");
    mpi.exchange(&[], &mut [])
}

/// The bits of one process: whole, in parts, leaf by leaf.
fn bits(mpi: &Mpi) -> Result<(), Error> {
    let adam = || Adam::<f32>::new(0.05).clip_norm(0.5);
    let mut alone = (DataParallel::new(adam(), Solo).shards(4), model());
    let mut data = (DataParallel::new(adam(), *mpi).shards(4), model());
    let mut parts = (Sharded::new(adam(), *mpi).shards(4), model());
    let mut leaves = (Sharded::new(adam(), *mpi).shards(4), model());
    for step in 0..4 {
        for shard in 0..4 {
            alone.0.step(&mut alone.1, &gradient(step, shard))?;
        }
        let own = data.0.own();
        for shard in own.clone() {
            data.0.step(&mut data.1, &gradient(step, shard))?;
            parts.0.step(&mut parts.1, &gradient(step, shard))?;
            if shard + 1 < own.end {
                leaves.0.step(&mut leaves.1, &gradient(step, shard))?;
            }
        }
        let mut last = leaves.0.begin(&leaves.1, 1.0)?;
        let (weight, bias) = gradient(step, own.end - 1);
        last.ready("1", &bias)?;
        last.ready("0", &weight)?;
        last.finish(&mut leaves.1)?;
        for other in [&data.1, &parts.1, &leaves.1] {
            assert_eq!(*other, alone.1, "step {step}");
        }
    }
    assert_eq!(parts.0.gather_state()?, alone.0.state());
    verify(mpi, &parts.1)
}

/// What is around the steps.
fn around(mpi: &Mpi) -> Result<(), Error> {
    let own = shards_of(mpi.rank(), mpi.size(), 8);
    let values: Vec<(f64, f64)> = own.map(|shard| (shard as f64, 1.0)).collect();
    assert_eq!(mean(mpi, 8, &values)?, 3.5);
    let mut w = array![mpi.rank() as f64];
    broadcast(mpi, &mut w)?;
    assert_eq!(w, array![0.0]);

    let mut objective = Sum::new(*mpi, 8, |shard| {
        move |w: &Array1<f64>| ((w[0] - shard as f64).powi(2), 2.0 * (w - shard as f64))
    });
    let report = minimize(&mut Lbfgs::new(), &mut w, &mut objective, Stop::default())?;
    assert!(report.status.is_converged() && (w[0] - 3.5).abs() < 1e-6);

    let mut local = LocalSteps::new(Sgd::new(0.5), Nesterov::new(0.7), 3, *mpi);
    for _ in 0..60 {
        let g = &w - 1.0;
        local.step(&mut w, &g)?;
    }
    assert!((w[0] - 1.0).abs() < 1e-3);
    verify(mpi, &w)
}

/// An error of the last rank that is that of all; the next step is taken.
fn errors(mpi: &Mpi) -> Result<(), Error> {
    let mut optimizer = DataParallel::new(Sgd::new(0.1), *mpi);
    let mut w = array![1.0, 2.0];
    let last = mpi.size() - 1;
    for bad in [f64::NAN, f64::INFINITY] {
        let g = array![1.0, if mpi.rank() == last { bad } else { 1.0 }];
        let error = optimizer.step(&mut w, &g).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NonFiniteGradient { .. }), "{error}");
        assert_eq!(w, array![1.0, 2.0]);
        let refused = if mpi.rank() == last {
            optimizer.refuse(&mut w, Error::other("no data"))
        } else {
            optimizer.step(&mut w, &array![1.0, 1.0])
        };
        let said = refused.unwrap_err().to_string();
        assert!(said.ends_with("no data") && (last == 0 || said.contains(&format!("rank {last}"))));
    }
    optimizer.step(&mut w, &array![1.0, 1.0])?;
    assert!((w[0] - 0.9).abs() < 1e-12);
    Ok(())
}

/// Steps until something ends them.
fn steps(mpi: &Mpi, mut end: impl FnMut(usize) -> Result<(), Error>) -> Result<(), Error> {
    let mut optimizer = Sharded::new(Sgd::new(0.1), *mpi);
    let mut w = array![1.0_f32, 2.0];
    for step in 0.. {
        if mpi.rank() == 1 && step == 3 {
            end(step)?;
        }
        optimizer.step(&mut w, &array![1.0, 1.0])?;
    }
    Ok(())
}

fn case(mpi: Mpi) -> Result<(), Error> {
    let case = std::env::args().nth(1).unwrap_or_default();
    match case.as_str() {
        "right" => {
            [bytes, messages, bits, around, errors].into_iter().try_for_each(|check| check(&mpi))?
        }
        "panic" => steps(&mpi, |step| panic!("lost at step {step}"))?,
        "error" => steps(&mpi, |_| Err(Error::other("out of data")))?,
        "exit" => steps(&mpi, |_| std::process::exit(3))?,
        _ => return Err(Error::other(format!("there is no case `{case}`"))),
    }
    if mpi.rank() == 0 {
        println!("all is well on {} ranks", mpi.size());
    }
    Ok(())
}

fn main() -> ExitCode {
    thalweg_mpi::run(case)
}
