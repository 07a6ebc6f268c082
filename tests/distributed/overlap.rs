//! Gradients that are handed in leaf by leaf give the bits of those that are handed in at once.

use ndarray::ArrayD;
use thalweg::distributed::{Communicator, DataParallel, Sharded, Split, Threads};
use thalweg::{AdamW, Average, Error, ErrorKind, Optimizer, StepInfo};

use super::support::{Model, bits, gradient, model, on_ranks};

const STEPS: usize = 4;

fn adamw() -> AdamW<f32> {
    AdamW::new(0.05)
        .clip_norm(0.5)
        .average(Average::ema(0.9))
        .group("a.bias", |group| group.frozen(true))
}

/// The calls of either wrapper.
enum Many {
    Data(DataParallel<f32, AdamW<f32>, Threads>),
    Parts(Sharded<f32, AdamW<f32>, Threads>),
}

macro_rules! of_both {
    ($many:expr, $inner:ident => $call:expr) => {
        match $many {
            Many::Data($inner) => $call,
            Many::Parts($inner) => $call,
        }
    };
}

fn many(kind: usize, ranks: Threads, shards: usize) -> Many {
    let split = [Split::Elements, Split::Leaves];
    match kind {
        0 => Many::Data(DataParallel::new(adamw(), ranks).shards(shards)),
        _ => Many::Parts(Sharded::new(adamw(), ranks).shards(shards).split(split[kind - 1])),
    }
}

/// All shards of a step, the last of each rank leaf by leaf, in an order of the rank's own.
fn overlapped(
    many: &mut Many,
    w: &mut Model<f32>,
    step: usize,
    rank: usize,
) -> Result<StepInfo, Error> {
    let own = of_both!(many, inner => inner.own());
    for shard in own.start..own.end - 1 {
        of_both!(many, inner => inner.step(w, &gradient::<f32>(step, shard)))?;
    }
    let g: Vec<(String, ArrayD<f32>)> = gradient(step, own.end - 1).into_iter().collect();
    of_both!(many, inner => {
        let mut last = inner.begin(w, 1.0)?;
        for i in 0..g.len() {
            let (name, leaf) = &g[(i * 5 + rank + step) % g.len()];
            last.ready(name, leaf)?;
        }
        last.finish(w)
    })
}

#[test]
fn leaf_by_leaf_is_all_at_once() {
    for shards in [3, 6, 7] {
        for size in [1, 2, 3] {
            for kind in 0..3 {
                let run = |by_leaves: bool| {
                    let runs = on_ranks(size, move |ranks| {
                        let rank = ranks.rank();
                        let (mut many, mut w) = (many(kind, ranks, shards), model::<f32>(1));
                        let mut seen = Vec::new();
                        for step in 0..STEPS {
                            if by_leaves {
                                seen.push(overlapped(&mut many, &mut w, step, rank)?.grad_norm);
                                continue;
                            }
                            let mut info = StepInfo::default();
                            for shard in of_both!(&many, inner => inner.own()) {
                                let g = gradient::<f32>(step, shard);
                                info = of_both!(&mut many, inner => inner.step(&mut w, &g))?;
                            }
                            seen.push(info.grad_norm);
                        }
                        Ok((bits(&w), seen))
                    });
                    runs.unwrap()
                };
                assert!(run(true) == run(false), "{kind}: {shards} on {size}");
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_leaf_is_an_error_of_all_at_the_end() {
    /// Leaves that are handed in beside the right ones, and what becomes of each.
    type Fault = fn(&mut Model<f32>) -> (Vec<(&'static str, ArrayD<f32>)>, bool);
    let faults: [(&str, Fault); 6] = [
        ("missing `scale`", |g| (vec![], g.remove("scale").is_none())),
        ("no leaf named", |_| (vec![("new", ArrayD::zeros(vec![1]))], false)),
        ("has shape", |_| (vec![("a.weight", ArrayD::zeros(vec![1]))], false)),
        ("two leaves", |g| (vec![("scale", g["scale"].clone())], false)),
        ("is NaN", |g| {
            g.get_mut("b.weight").unwrap()[[1, 1]] = f32::NAN;
            (vec![], false)
        }),
        ("no data", |_| (vec![], true)),
    ];
    for (what, fault) in faults {
        for kind in 0..3 {
            let runs = on_ranks(3, move |ranks| {
                let rank = ranks.rank();
                let (mut many, mut w) = (many(kind, ranks, 3), model::<f32>(1));
                overlapped(&mut many, &mut w, 0, rank)?;
                let before = bits(&w);
                let mut g = gradient(1, rank);
                let (extra, refuses) = if rank == 2 { fault(&mut g) } else { (vec![], false) };
                let error = of_both!(&mut many, inner => {
                    let mut last = inner.begin(&w, 1.0)?;
                    if refuses {
                        last.refuse(Error::other("no data"));
                    }
                    let extra = extra.iter().map(|(name, leaf)| (*name, leaf));
                    let right = g.iter().map(|(name, leaf)| (name.as_str(), leaf));
                    for (name, leaf) in right.chain(extra) {
                        let _ = last.ready(name, leaf);
                    }
                    last.finish(&mut w).unwrap_err()
                });
                assert_eq!(bits(&w), before);
                // The next step is as if nothing had been.
                overlapped(&mut many, &mut w, 1, rank)?;
                Ok((error.to_string(), bits(&w)))
            });
            let runs = runs.unwrap();
            let undisturbed = on_ranks(3, move |ranks| {
                let rank = ranks.rank();
                let (mut many, mut w) = (many(kind, ranks, 3), model::<f32>(1));
                (0..2).try_for_each(|step| overlapped(&mut many, &mut w, step, rank).map(drop))?;
                Ok(bits(&w))
            });
            let undisturbed = undisturbed.unwrap();
            for (error, w) in &runs {
                assert_eq!(error, &runs[0].0);
                assert!(error.contains(what), "{what}: {error}");
                assert!(*w == undisturbed[0], "{what} {kind}");
            }
        }
    }
}

#[test]
fn a_step_that_is_begun_too_early_or_not_finished() {
    let runs = on_ranks(1, |ranks| {
        for kind in 0..3 {
            let (mut many, mut w) = (many(kind, ranks.clone(), 2), model::<f32>(1));
            let early = of_both!(&mut many, inner => inner.begin(&w, 1.0).map(drop)).unwrap_err();
            assert!(matches!(early.kind(), ErrorKind::OutOfTurn { .. }), "{early}");
            for step in 0..3 {
                if step == 2 {
                    of_both!(&mut many, inner => inner.step(&mut w, &gradient::<f32>(step, 0)))?;
                    of_both!(&mut many, inner => drop(inner.begin(&w, 1.0)?));
                }
                overlapped(&mut many, &mut w, step, 0)?;
            }
            assert_eq!(of_both!(&many, inner => inner.steps()), 3);
        }
        Ok(())
    });
    runs.unwrap();
}
